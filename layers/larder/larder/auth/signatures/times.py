"""The times that signatures state."""

from datetime import UTC, datetime
from typing import Final

from larder.errors import Unauthorized

SKEW_SECONDS: Final = 300
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONES: Final = ("GMT", "+0000", "-0000")


def basic_time(text: str) -> int | None:
    """Seconds since the epoch for ``20150830T123600Z``, or None."""
    date, _, time = text.partition("T")
    if len(date) != 8 or len(time) != 7 or time[6] != "Z":
        return None
    return _seconds(date[:4], date[4:6], date[6:], time[:2], time[2:4], time[4:6])


def extended_time(text: str) -> int | None:
    """Seconds since the epoch for ``2015-08-30T12:36:00Z``, or None."""
    if len(text) != 20 or (text[4], text[7], text[13], text[16]) != ("-", "-", ":", ":"):
        return None
    return basic_time(text.replace("-", "").replace(":", ""))


def http_time(text: str) -> int | None:
    """Seconds since the epoch for the value of a header ``Date``, ``Sun, 30 Aug 2015 12:36:00 GMT``, or None."""
    parts = text.split(" ")
    if len(parts) != 6 or parts[2] not in _MONTHS or parts[5] not in _ZONES:
        return None
    hour, _, rest = parts[4].partition(":")
    minute, _, second = rest.partition(":")
    return _seconds(parts[3], str(1 + _MONTHS.index(parts[2])), parts[1], hour, minute, second)


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


def _seconds(*parts: str) -> int | None:
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    try:
        year, month, day, hour, minute, second = map(int, parts)
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):  # such as a month 13, or a year of 20 or of 5,000 digits
        return None
