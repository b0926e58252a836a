"""A query to a recommender, validated; every front end creates one."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

DEFAULT_N: Final = 25
MAX_N: Final = 500
MAX_ID: Final = 256
MAX_SESSION: Final = 500
MAX_EXCLUDE: Final = 1000
MAX_RANKED: Final = 500
MAX_COLUMNS: Final = 50
MAX_PROMOTIONS: Final = 5
MAX_VALUES: Final = 25
MAX_TEXT: Final = 1000
STORED: Final = "@"  # begins the name of a stored filter; an expression begins with a letter

_NOTHING: "Mapping[str, Value]" = MappingProxyType({})
_NO_PROFILE: Mapping[str, str | float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Promotion:
    """Items that get a share of the places. Raises InvalidRequest for an invalid field.

    Attributes:
        name: The name, which the reason of a promoted item has.
        percent: The percentage of the places, 1 to 100.
        items: Ids of the promoted items; exactly one of ``items`` and ``filter`` is set.
        filter: A filter that the promoted items pass.
        filter_values: The values of the filter's parameters.
    """

    name: str
    percent: int
    items: tuple[str, ...] = ()
    filter: str | None = None
    filter_values: "Mapping[str, Value]" = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        _check_id("promotions: name", self.name)
        _check_range(f"promotions: {self.name}: percent", self.percent, 1, 100)
        if bool(self.items) == (self.filter is not None):
            raise InvalidRequest(f"promotions: {self.name}: send either items or a filter.")
        _check_ids(f"promotions: {self.name}: items", self.items, MAX_N)
        _check_values(self.filter_values)


@dataclass(frozen=True, slots=True)
class Query:
    """A query. Raises InvalidRequest, with the field, for an invalid value.

    Unknown items are ignored, and an unknown user is served as a new one.

    Attributes:
        user: The user's id.
        session: Ids of the items that the user has just interacted with, the newest last.
        item: The item in view; it counts as the session's newest.
        profile: The user's columns, for the popular items of their segment.
        n: The number of items.
        exclude: Items to leave out.
        include_seen: Whether the session's items and the item in view may be recommended; None for the default of the
            release, which allows it if the release has repeat consumption.
        filter: A filter (``larder.filters``); ``@`` and the name of a stored one until ``with_expressions`` reads it.
        filter_values: The values of the filter's parameters.
        promotions: Items that get a share of the places.
        columns: The item columns to return.
    """

    user: str | None = None
    session: Sequence[str] = ()
    item: str | None = None
    profile: Mapping[str, str | float] = field(default_factory=lambda: _NO_PROFILE)
    n: int = DEFAULT_N
    exclude: Sequence[str] = ()
    include_seen: bool | None = None
    filter: str | None = None
    filter_values: "Mapping[str, Value]" = field(default_factory=lambda: _NOTHING)
    promotions: Sequence[Promotion] = ()
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_range("n", self.n, 1, MAX_N)
        if self.user is not None:
            _check_id("user", self.user)
        if self.item is not None:
            _check_id("item", self.item)
        _check_ids("session", self.session, MAX_SESSION)
        _check_ids("exclude", self.exclude, MAX_EXCLUDE)
        _check_length("columns", self.columns, MAX_COLUMNS)
        for name, value in self.profile.items():
            if isinstance(value, str):
                _check_text(f"profile.{name:.80}", value)
        if self.filter is None and self.filter_values:
            raise InvalidRequest("filter_values are sent without a filter: send the filter too, or remove them.")
        _check_values(self.filter_values)
        _check_promotions(self.promotions)


def with_expressions(query: Query, expression_of: Callable[[str], str]) -> Query:
    """``query`` with the expression of each stored filter that it names as ``@name``, by ``expression_of(name)``."""

    def expression(text: str | None) -> str | None:
        return expression_of(text[1:]) if text is not None and text.startswith(STORED) else text

    promotions = query.promotions
    if any(promotion.filter is not None for promotion in promotions):
        promotions = [replace(promotion, filter=expression(promotion.filter)) for promotion in promotions]
    elif query.filter is None or not query.filter.startswith(STORED):
        return query
    return replace(query, filter=expression(query.filter), promotions=promotions)


def check_ranked(items: Sequence[str]) -> None:
    """Raise InvalidRequest unless ``items`` has 1 to 500 valid ids."""
    if not items:
        raise InvalidRequest("items is empty: send the ids to rank.")
    _check_ids("items", items, MAX_RANKED)


def _check_id(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_ID:
        raise InvalidRequest(f"{name} has {len(value)} characters: send an id of 1 to {MAX_ID}, or remove it.")
    if not value.isascii():
        _check_unicode(name, value)


def _check_text(name: str, value: str) -> None:
    if len(value) > MAX_TEXT:
        raise InvalidRequest(f"{name} has {len(value)} characters: send at most {MAX_TEXT}.")
    _check_unicode(name, value)


def _check_unicode(name: str, value: str) -> None:
    # JSON can have half a surrogate pair, which no table has, and which no response could repeat.
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not Unicode text at character {error.start + 1}: send valid UTF-8.") from error


def _check_ids(name: str, values: Sequence[str], limit: int) -> None:
    _check_length(name, values, limit)
    for value in values:
        _check_id(name, value)


def _check_length(name: str, values: Sequence[object], limit: int) -> None:
    if len(values) > limit:
        raise InvalidRequest(f"{name} has {len(values)} entries: send at most {limit}.")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidRequest(f"{name} is {value}: send a whole number from {low} to {high}.")


def _check_finite(name: str, value: float) -> None:
    # A whole number in JSON can be too large for a float.
    if not abs(value) <= sys.float_info.max:
        raise InvalidRequest(f"{name} is {value!r:.60}: send a finite number.")


def _check_values(values: "Mapping[str, Value]") -> None:
    if len(values) > MAX_VALUES:
        raise InvalidRequest(f"filter_values has {len(values)} entries: send at most {MAX_VALUES}.")
    for name, value in values.items():
        if isinstance(value, float | int):
            _check_finite(f"filter_values.{name:.80}", value)
            continue
        texts = (value,) if isinstance(value, str) else value
        _check_length(f"filter_values.{name:.80}", texts, MAX_TEXT)
        for text in texts:
            _check_text(f"filter_values.{name:.80}", text)


def _check_promotions(promotions: Sequence[Promotion]) -> None:
    _check_length("promotions", promotions, MAX_PROMOTIONS)
    total = sum(promotion.percent for promotion in promotions)
    if total > 100:
        raise InvalidRequest(f"promotions take {total} percent in total: send at most 100.")
    if len({promotion.name for promotion in promotions}) != len(promotions):
        raise InvalidRequest("promotions have a duplicate name: use distinct names.")
