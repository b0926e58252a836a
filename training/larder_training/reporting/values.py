"""Values as people read them: three significant digits, thousands separators, units, words in place of Python."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import singledispatch
from math import isfinite, log10
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

NOTHING: Final = "–"  # a value that is missing or not a number
_SPACE: Final = "\N{NO-BREAK SPACE}"
_DIGITS: Final = 3
_KEY: Final = re.compile("[a-z0-9_]+")
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ")


class Numeral(str):
    """A number in digits. Tables align it to the right and never break it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval.

    Attributes:
        value: The number in digits.
        interval: The interval in words.
    """

    value: Numeral
    interval: str

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})"


def number(value: float) -> Numeral:
    """Three significant digits; all digits of an int and above 1,000, with thousands separators."""
    if not isfinite(value):
        return Numeral(NOTHING)
    if not value or isinstance(value, int) or abs(value) >= 999.5:
        return Numeral(f"{value:,.0f}")
    if abs(value) < 1e-4:
        mantissa, exponent = f"{value:.2e}".split("e")
        return Numeral(f"{mantissa} × 10^{int(exponent)}")
    return Numeral(f"{value:.{_decimals(value)}f}")


def percent(share: float) -> Numeral:
    """A share as a percentage. Only 1 itself is 100 %, and only 0 is 0 %."""
    if not isfinite(share):
        return Numeral(NOTHING)
    value = 100 * share
    decimals = 0 if value in {0, 100} else min(_decimals(value), 2)
    while decimals < 9 and value not in {0, 100} and float(f"{value:.{decimals}f}") in {0, 100}:
        decimals += 1
    return Numeral(f"{value:.{decimals}f}{_SPACE}%")


def times(ratio: float) -> Numeral:
    """A multiple: ``2.10 ×``."""
    return Numeral(f"{ratio:.{_decimals(ratio)}f}{_SPACE}×")


def size(length: int) -> Numeral:
    """A length in bytes with its unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if length >= scale:
            return Numeral(f"{number(length / scale)}{_SPACE}{unit}")
    return Numeral(f"{length}{_SPACE}bytes")


def between(low: Numeral, high: Numeral) -> str:
    """An interval; a unit that both ends share is said once."""
    first, space, unit = low.partition(_SPACE)
    return f"{first} to {high}" if space and high.endswith(f"{_SPACE}{unit}") else f"{low} to {high}"


def estimate(value: Mapping[str, Any]) -> Estimate:
    """The estimate of a metric as evaluations state it: ``mean`` and ``interval``."""  # Any: JSON
    low, high = value["interval"]
    return Estimate(number(value["mean"]), between(number(low), number(high)))


def moment(seconds: int) -> str:
    """Epoch seconds as a date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def instant(iso: str) -> str:
    """A date and time of the manifest, such as ``2026-11-29T13:02:18Z``, as ``moment`` writes it."""
    found = _INSTANT.fullmatch(iso)
    return f"{found[1]} {found[2]} UTC" if found else iso


@singledispatch
def text(value: object) -> str:
    """Any value of a JSON document or a table as words or digits."""
    return str(value)


@text.register
def _(value: None) -> str:  # noqa: ARG001 - text chooses the function by the type
    return NOTHING


@text.register
def _(value: str) -> str:
    return value


@text.register(bool)
@text.register(np.bool_)
def _(value: bool) -> str:
    return "yes" if value else "no"


@text.register
def _(value: Integral) -> str:
    return Numeral(f"{int(value):,}")


@text.register
def _(value: Real) -> str:
    return _short(float(value))


@text.register(Mapping)
def _(value: Mapping[str, object]) -> str:
    return ", ".join(f"{words(str(name))}: {text(part)}" for name, part in value.items()) or "none"


@text.register(Iterable)
def _(value: Iterable[object]) -> str:
    return ", ".join(map(text, value)) or "none"


def words(key: str) -> str:
    """A key of a JSON document as words; a title in words stays, with the names of columns in it."""
    return key.replace("_", " ") if _KEY.fullmatch(key) else key


def flat(document: Mapping[str, object], above: Sequence[str] = ()) -> Iterator[tuple[str, object]]:
    """The values of a nested document by their place in words, lists of scalars as one value."""
    for name, value in document.items():
        place = (*above, words(str(name)))
        if isinstance(value, Mapping) and value:
            yield from flat(value, place)
        else:
            yield ": ".join(place), value


def _short(value: float) -> Numeral:
    """At most three significant digits: a setting of 0.1 is not 0.100."""
    digits = number(value)
    exact = "." in digits and "^" not in digits and float(digits.replace(",", "")) == value
    return Numeral(digits.rstrip("0").rstrip(".")) if exact else digits


def _decimals(value: float) -> int:
    """Decimals of three significant digits."""
    rounded = abs(float(f"{value:.{_DIGITS - 1}e}"))  # 0.9996 is 1.00
    return max(0, _DIGITS - 1 - int(log10(rounded) // 1)) if rounded else 0
