"""What a request may change about the order of its items: caps, boosts, pins, and which page of the list it gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from larder.errors import InvalidRequest
from larder.recommender.field_checks import check_id, check_length, check_range, check_values

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

MAX_CAPS: Final = 5
MAX_BOOSTS: Final = 5
MAX_FACTOR: Final = 100.0
MAX_PINS: Final = 20
MAX_LIST: Final = 1000
"""The most items of all pages of a list."""
MAX_PAGES: Final = 100

_NO_VALUES: "Mapping[str, Value]" = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Boost:
    """A factor for the scores of the items that pass a filter. Raises InvalidRequest for an invalid field.

    Attributes:
        filter: The filter, or ``@`` and the name of a stored one.
        factor: The factor, 0.01 to 100: below 1, the items come later.
        filter_values: The values of the filter's parameters.
    """

    filter: str
    factor: float
    filter_values: "Mapping[str, Value]" = field(default_factory=lambda: _NO_VALUES)

    def __post_init__(self) -> None:
        if not isfinite(self.factor) or not 1 / MAX_FACTOR <= self.factor <= MAX_FACTOR:
            raise InvalidRequest(f"boosts: factor is {self.factor!r:.40}: send a number from 0.01 to 100.")
        check_values(self.filter_values)


@dataclass(frozen=True, slots=True)
class Pin:
    """An item at a fixed place. Raises InvalidRequest for an invalid field.

    Attributes:
        place: The place in the list, over all pages, from 1.
        item: The item's id.
    """

    place: int
    item: str

    def __post_init__(self) -> None:
        check_range("pins: place", self.place, 1, MAX_LIST)
        check_id("pins: item", self.item)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    Attributes:
        earlier: The sizes of the pages before this one.
        release: The release that answered them; None for the first page.
        request: The digest of the request without what differs between pages; empty for a list without pages.
        seed: What the draws of new items depend on; empty for a list that does not explore, and for a first page.
    """

    earlier: tuple[int, ...] = ()
    release: str | None = None
    request: str = ""
    seed: str = ""

    @property
    def first(self) -> int:
        """The number of items before this page."""
        return sum(self.earlier)


FIRST_PAGE: Final = Page()


def check_adjustments(
    max_per: Mapping[str, int], boosts: Sequence[Boost], pins: Sequence[Pin], page: Page, n: int
) -> None:
    """Raise InvalidRequest for what is wrong about them together."""
    check_length("max_per", tuple(max_per), MAX_CAPS)
    for column, most in max_per.items():
        check_range(f"max_per.{column:.80}", most, 1, MAX_LIST)
    check_length("boosts", boosts, MAX_BOOSTS)
    check_length("pins", pins, MAX_PINS)
    for name, values in (("place", {pin.place for pin in pins}), ("item", {pin.item for pin in pins})):
        if len(values) != len(pins):
            raise InvalidRequest(f"pins have the same {name} twice: send each {name} once.")
    if page.first + n > MAX_LIST or len(page.earlier) >= MAX_PAGES:
        raise InvalidRequest(
            f"This page would end at item {page.first + n}: a list has at most {MAX_LIST} items in {MAX_PAGES} pages."
        )
