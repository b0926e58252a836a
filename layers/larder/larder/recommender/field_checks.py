"""Checks of a query's fields: each raises InvalidRequest with the name of the field."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

MAX_ID: Final = 256
MAX_VALUES: Final = 25
MAX_TEXT: Final = 1000


def check_id(name: str, value: str) -> None:
    """Raise InvalidRequest unless an id has 1 to 256 characters of valid Unicode."""
    if not 1 <= len(value) <= MAX_ID:
        raise InvalidRequest(f"{name} has {len(value)} characters: send an id of 1 to {MAX_ID}, or remove it.")
    if not value.isascii():
        check_unicode(name, value)


def check_text(name: str, value: str) -> None:
    """Raise InvalidRequest unless a text has at most 1,000 characters of valid Unicode."""
    if len(value) > MAX_TEXT:
        raise InvalidRequest(f"{name} has {len(value)} characters: send at most {MAX_TEXT}.")
    check_unicode(name, value)


def check_unicode(name: str, value: str) -> None:
    """Raise InvalidRequest unless a text is valid Unicode."""
    # JSON can have half a surrogate pair, which no table has, and which no response could repeat.
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not Unicode text at character {error.start + 1}: send valid UTF-8.") from error


def check_ids(name: str, values: Sequence[str], limit: int) -> None:
    """Raise InvalidRequest unless there are at most ``limit`` valid ids."""
    check_length(name, values, limit)
    for value in values:
        check_id(name, value)


def check_length(name: str, values: Sequence[object], limit: int) -> None:
    """Raise InvalidRequest if there are more than ``limit`` entries."""
    if len(values) > limit:
        raise InvalidRequest(f"{name} has {len(values)} entries: send at most {limit}.")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise InvalidRequest unless a number is in a range."""
    if not low <= value <= high:
        raise InvalidRequest(f"{name} is {value}: send a whole number from {low} to {high}.")


def _check_finite(name: str, value: float) -> None:
    # A whole number in JSON can be too large for a float.
    if not abs(value) <= sys.float_info.max:
        raise InvalidRequest(f"{name} is {value!r:.60}: send a finite number.")


def check_values(values: "Mapping[str, Value]") -> None:
    """Raise InvalidRequest unless the values of a filter's parameters are few, short and finite."""
    if len(values) > MAX_VALUES:
        raise InvalidRequest(f"filter_values has {len(values)} entries: send at most {MAX_VALUES}.")
    for name, value in values.items():
        if isinstance(value, float | int):
            _check_finite(f"filter_values.{name:.80}", value)
            continue
        texts = (value,) if isinstance(value, str) else value
        check_length(f"filter_values.{name:.80}", texts, MAX_TEXT)
        for text in texts:
            check_text(f"filter_values.{name:.80}", text)
