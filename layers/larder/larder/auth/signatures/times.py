"""The times that signatures state."""

import re
from datetime import UTC, datetime
from typing import Final

from larder.errors import Unauthorized

SKEW_SECONDS: Final = 300
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_EXTENDED = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z")
_HTTP = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|[+-]0000)")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def basic_time(text: str) -> int | None:
    """Seconds since the epoch for ``20150830T123600Z``, or None."""
    match = _BASIC.fullmatch(text)
    return _seconds(*map(int, match.groups())) if match else None


def extended_time(text: str) -> int | None:
    """Seconds since the epoch for ``2015-08-30T12:36:00Z``, or None."""
    match = _EXTENDED.fullmatch(text)
    return _seconds(*map(int, match.groups())) if match else None


def http_time(text: str) -> int | None:
    """Seconds since the epoch for the value of a header ``Date``, or None."""
    match = _HTTP.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, hour, minute, second = (int(match[group]) for group in (1, 4, 5, 6))
    return _seconds(int(match[3]), 1 + _MONTHS.index(match[2]), day, hour, minute, second)


def check_skew(signed: int, now: float) -> None:
    """Raise Unauthorized unless a request that was signed at ``signed`` may arrive at ``now``.

    The clocks may differ by five minutes, which is also the time within which a captured request can be sent again.
    """
    if abs(now - signed) <= SKEW_SECONDS:
        return
    if signed < now:
        text = f"Signature expired: {basic_text(signed)} is now earlier than {basic_text(now - SKEW_SECONDS)}"
    else:
        text = f"Signature not yet current: {basic_text(signed)} is still later than {basic_text(now + SKEW_SECONDS)}"
    minutes = f"({basic_text(now)} {'-' if signed < now else '+'} 5 min.)"
    raise Unauthorized(f"{text} {minutes}: set the clock of the machine that signs.", "skewed")


def basic_text(seconds: float) -> str:
    """A time as ``20150830T123600Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"


def _seconds(*parts: int) -> int | None:
    try:
        return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]  # six parts of a time
    except ValueError:  # such as a month 13
        return None
