"""What is asked of a recommender, within bounds: every front end (HTTP, another service's wire format) makes one."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest

if TYPE_CHECKING:  # rules are loaded where a filter is first used
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

_NOTHING: "Mapping[str, Value]" = MappingProxyType({})
_NO_PROFILE: Mapping[str, str | float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Promotion:
    """Items that shall have ``percent`` (1..100) of an answer's places: those of ``items``, or those that ``filter``
    lets through. Raises InvalidRequest unless exactly one of the two is given and all is within bounds.
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
    """One question. Raises InvalidRequest, naming the field, where anything is out of bounds.

    ``session``: ids of the items that the caller has just dealt with, in the order of the clicks: the newest comes
    LAST. ``item``: the one in view now; it counts as the session's newest. ``include_seen``: whether these may be
    recommended back; None leaves it to the release, which shows them where it was made for people who come back to what
    they saw (a re-order, a shop's cart).
    ``profile``: the user's columns, for the popular items of his segment. ``exclude``: never recommend these.
    ``filter``: a rule (``larder.filters``), and ``filter_values``, its parameters'. ``columns``: what to tell of items.
    Ids that the model does not know are passed over, and a user whom it does not know is served as a new one.
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
            raise InvalidRequest("filter_values are given without a filter: send the filter that they are for.")
        _check_values(self.filter_values)
        _check_promotions(self.promotions)


def check_ranked(items: Sequence[str]) -> None:
    """Raises InvalidRequest unless ``items`` is a list of 1..500 ids that may be ranked."""
    if not items:
        raise InvalidRequest("items is empty: send the ids to rank.")
    _check_ids("items", items, MAX_RANKED)


def _check_id(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_ID:
        raise InvalidRequest(f"{name} has {len(value)} characters: send an id of 1 to {MAX_ID}, or leave it out.")
    if not value.isascii():
        _check_unicode(name, value)


def _check_text(name: str, value: str) -> None:
    if len(value) > MAX_TEXT:
        raise InvalidRequest(f"{name} has {len(value)} characters: send at most {MAX_TEXT}.")
    _check_unicode(name, value)


def _check_unicode(name: str, value: str) -> None:
    # JSON can spell half a surrogate pair; such a text is in no table and could not be sent back either.
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
    # A whole number of JSON can be beyond any float.
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
        raise InvalidRequest(f"promotions take {total} percent of the answer: send 100 or less in all.")
    if len({promotion.name for promotion in promotions}) != len(promotions):
        raise InvalidRequest("promotions have a name twice: give each its own.")
