"""Exploration: a share of an answer's places goes to new items, by Thompson sampling.

Each new item has a Beta distribution over how often it is clicked when it is recommended. One value is drawn from each,
and the largest get the places: an item about which little is known draws high values now and then, and one that was
shown in vain many times does not (Chapelle and Li, "An empirical evaluation of Thompson sampling", NIPS 2011).

The draws depend on a seed alone, so that all pages of a list agree.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import floor
from random import Random
from threading import Lock
from typing import Final, NamedTuple

from larder.release.serving import CREATED
from larder.tables.vocabulary import Vocabulary

MAX_DRAWN: Final = 200
"""The most items that take part in one answer; of more, a random choice, since a draw takes some microseconds."""
MAX_CREATED: Final = 2_000
"""The most items of a release that are new by their creation; of more, the newest."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an answer explores: plain data, which ``larder.events`` reads.

    Attributes:
        weight: The share of the places, 0 to 1.
        new: The numbers of the new items, as ``Recommender.new_since`` gives them.
        seed: What the draws depend on; the same for all pages of a list.
        shown: By item id, the number of answers that had it, and of clicks that followed.
        rate: The clicks for each recommendation of a typical item, above 0 and below 1.
    """

    weight: float
    new: Sequence[int]
    seed: str
    shown: Mapping[str, tuple[int, int]]
    rate: float

    def draw(self, name: Callable[[int], str]) -> "Drawn":
        """Draw the order of the new items; ``name`` gives the id of an item."""
        random = Random(self.seed)  # noqa: S311  # not for secrets
        offset = random.random()
        new = random.sample(self.new, MAX_DRAWN) if len(self.new) > MAX_DRAWN else self.new
        drawn = [(self._value(random, self.shown.get(name(number), (0, 0))), number) for number in new]
        return Drawn([number for _, number in sorted(drawn, reverse=True)], self.weight, offset)

    def _value(self, random: Random, shown: tuple[int, int]) -> float:
        """A value of the distribution of an item: at first as after one click, in as many answers as it takes."""
        impressions, clicks = shown
        return random.betavariate(1 + clicks, 1 / self.rate - 1 + max(impressions - clicks, 0))


class Drawn(NamedTuple):
    """New items in the order in which they get places.

    Attributes:
        numbers: Their numbers, the first one first.
        weight: The share of the places.
        offset: 0 to 1: rounds the number of places, so that answers have the share on average.
    """

    numbers: Sequence[int] = ()
    weight: float = 0.0
    offset: float = 0.0

    def places(self, first: int, size: int) -> int:
        """How many of the ``size`` places after the first ``first`` ones of a list are for new items."""
        before, after = (floor(self.weight * end + self.offset) for end in (first, first + size))
        return after - before


NOTHING_DRAWN: Final = Drawn()


class CreationTimes:
    """When the items of a release were created, as their column ``CREATION_TIMESTAMP`` says. Thread-safe."""

    def __init__(self, items: Vocabulary) -> None:
        self._items: Final = items
        self._lock: Final = Lock()
        self._times: list[float] | None = None  # ascending
        self._numbers: list[int] = []

    def since(self, time: float) -> Sequence[int]:
        """The items that were created at ``time``, in epoch seconds, or later, the newest last; at most 2,000.

        The first call reads the column of all items, which takes a second for millions.
        """
        with self._lock:
            if self._times is None:
                self._read()
        assert self._times is not None  # noqa: S101  # for the type checker
        return self._numbers[bisect_left(self._times, time) :]

    def _read(self) -> None:
        newest: list[tuple[float, int]] = []
        if self._items.columns.get(CREATED) == "number":
            values = ((self._items.value(CREATED, number), number) for number in range(len(self._items)))
            newest = nlargest(MAX_CREATED, [(value, number) for value, number in values if isinstance(value, float)])
        newest.reverse()
        self._numbers = [number for _, number in newest]
        self._times = [value for value, _ in newest]
