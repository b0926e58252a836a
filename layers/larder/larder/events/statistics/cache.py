"""The statistics of models as answers read them: kept in memory, and read again by their age."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

from larder.events.statistics.document import EventStatistics, Shown, parse_statistics
from larder.events.statistics.trending import trending
from larder.registry.document_cache import DocumentCache
from larder.release.keys import statistics_key
from larder.store import Store

MAX_TRENDING: Final = 1000
"""The most trending items; a list of recommendations has no more."""
_FIRST_CLICKS: Final = 1.0  # what is assumed before anything is known
_FIRST_IMPRESSIONS: Final = 20.0
_MOST_RATE: Final = 0.5


class KnownStatistics:
    """What answers use of the statistics of a model. Immutable, so thread-safe."""

    def __init__(self, statistics: EventStatistics, now: float) -> None:
        """Keep what answers use of ``statistics`` at ``now``, in epoch seconds."""
        self._statistics: Final = EventStatistics(statistics.hours, statistics.items)
        self._now: Final = now

    @property
    def items(self) -> Mapping[str, Shown]:
        """By item, how often it was recommended and clicked."""
        return self._statistics.items

    @cached_property
    def click_rate(self) -> float:
        """The clicks for each recommendation of an item, over all items; above 0, and at most 0.5."""
        clicks = sum(shown.clicks for shown in self.items.values())
        impressions = sum(shown.impressions for shown in self.items.values())
        return min((clicks + _FIRST_CLICKS) / (impressions + _FIRST_IMPRESSIONS), _MOST_RATE)

    @cached_property
    def trending(self) -> Sequence[tuple[str, float]]:
        """The items that grow fastest, with their significance, the largest first; at most 1,000."""
        return trending(self._statistics, self._now, MAX_TRENDING)

    def at(self, now: float) -> "KnownStatistics":
        """The same counts at another time: what trends changes with it."""
        return KnownStatistics(self._statistics, now)


class StatisticsCache:
    """The statistics of the models of a store, read again at most every ``refresh_seconds``. Thread-safe.

    While one thread reads them again, the others get those that were read before.
    """

    def __init__(
        self,
        store: Store,
        refresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        def parse(data: bytes, model: str) -> KnownStatistics:
            return KnownStatistics(parse_statistics(data, statistics_key(model)), now())

        self._cache: Final[DocumentCache[KnownStatistics]] = DocumentCache(
            store,
            refresh_seconds,
            statistics_key,
            parse,
            lambda: KnownStatistics(EventStatistics(), now()),
            renew=lambda known: known.at(now()),
            clock=clock,
        )

    def get(self, model: str) -> KnownStatistics:
        """The statistics of a model, empty if nothing was counted; raises StoreError if they cannot be read."""
        return self._cache.get(model)
