"""A query to a recommender, validated; every front end creates one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest
from larder.recommender.adjustments import FIRST_PAGE, Boost, Page, Pin, check_adjustments
from larder.recommender.field_checks import (
    check_id,
    check_ids,
    check_length,
    check_range,
    check_text,
    check_values,
)
from larder.recommender.live_events import Live

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

DEFAULT_N: Final = 25
MAX_N: Final = 500
MAX_SESSION: Final = 500
MAX_EXCLUDE: Final = 1000
MAX_RANKED: Final = 500
MAX_COLUMNS: Final = 50
MAX_PROMOTIONS: Final = 5
STORED: Final = "@"  # begins the name of a stored filter; an expression begins with a letter

_NOTHING: "Mapping[str, Value]" = MappingProxyType({})
_NO_CAPS: Mapping[str, int] = MappingProxyType({})
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
        check_id("promotions: name", self.name)
        check_range(f"promotions: {self.name}: percent", self.percent, 1, 100)
        if bool(self.items) == (self.filter is not None):
            raise InvalidRequest(f"promotions: {self.name}: send either items or a filter.")
        check_ids(f"promotions: {self.name}: items", self.items, MAX_N)
        check_values(self.filter_values)


@dataclass(frozen=True, slots=True)
class Query:
    """A query. Raises InvalidRequest, with the field, for an invalid value.

    Unknown items are ignored, and an unknown user is served as a new one.

    Attributes:
        user: The user's id.
        session: Ids of the items that the user has just interacted with, the newest last.
        session_id: The id of the visit, by which the events of an anonymous visitor are found.
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
        max_per: By item column, the most items of a page with one value in it.
        boosts: Factors for the scores of the items that pass a filter.
        pins: Items at fixed places.
        page: The page to return of a list of several pages; None for a list that is not paged.
        live: What is known live; None for the release's tables alone. No caller sends it: ``larder.events`` reads it.
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
    max_per: Mapping[str, int] = field(default_factory=lambda: _NO_CAPS)
    boosts: Sequence[Boost] = ()
    pins: Sequence[Pin] = ()
    page: Page | None = None
    session_id: str | None = None
    live: Live | None = None

    def __post_init__(self) -> None:
        check_range("n", self.n, 1, MAX_N)
        if self.user is not None:
            check_id("user", self.user)
        if self.item is not None:
            check_id("item", self.item)
        if self.session_id is not None:
            check_id("session_id", self.session_id)
        check_ids("session", self.session, MAX_SESSION)
        check_ids("exclude", self.exclude, MAX_EXCLUDE)
        check_length("columns", self.columns, MAX_COLUMNS)
        for name, value in self.profile.items():
            if isinstance(value, str):
                check_text(f"profile.{name:.80}", value)
        if self.filter is None and self.filter_values:
            raise InvalidRequest("filter_values are sent without a filter: send the filter too, or remove them.")
        check_values(self.filter_values)
        _check_promotions(self.promotions)
        if self.max_per or self.boosts or self.pins or self.page:
            check_adjustments(self.max_per, self.boosts, self.pins, self.page or FIRST_PAGE, self.n)


def with_expressions(query: Query, expression_of: Callable[[str], str]) -> Query:
    """``query`` with the expression of each stored filter that it names as ``@name``, by ``expression_of(name)``."""

    def expression(text: str) -> str:
        return expression_of(text[1:]) if text.startswith(STORED) else text

    promoted, boosting = [part.filter for part in query.promotions], [part.filter for part in query.boosts]
    if not any(text and text.startswith(STORED) for text in (query.filter, *promoted, *boosting)):
        return query
    return replace(
        query,
        filter=query.filter and expression(query.filter),
        promotions=[replace(part, filter=part.filter and expression(part.filter)) for part in query.promotions],
        boosts=[replace(part, filter=expression(part.filter)) for part in query.boosts],
    )


def check_ranked(items: Sequence[str]) -> None:
    """Raise InvalidRequest unless ``items`` has 1 to 500 valid ids."""
    if not items:
        raise InvalidRequest("items is empty: send the ids to rank.")
    check_ids("items", items, MAX_RANKED)


def _check_promotions(promotions: Sequence[Promotion]) -> None:
    check_length("promotions", promotions, MAX_PROMOTIONS)
    total = sum(promotion.percent for promotion in promotions)
    if total > 100:
        raise InvalidRequest(f"promotions take {total} percent in total: send at most 100.")
    if len({promotion.name for promotion in promotions}) != len(promotions):
        raise InvalidRequest("promotions have a duplicate name: use distinct names.")
