"""The statistics of models as answers read them: kept in memory, and read again by their age."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Final

from larder.errors import MissingObject
from larder.events.statistics.document import EventStatistics, Shown, parse_statistics
from larder.events.statistics.trending import trending
from larder.release.keys import statistics_key
from larder.store import Store

MAX_TRENDING: Final = 1000
"""The most trending items; a list of recommendations has no more."""
_MODELS: Final = 64
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


@dataclass(frozen=True, slots=True)
class _KnownUntil:
    known: KnownStatistics
    etag: str
    fresh_until: float


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
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._now = now
        self._lock = Lock()
        self._models: dict[str, _KnownUntil] = {}

    def get(self, model: str) -> KnownStatistics:
        """The statistics of a model, empty if nothing was counted; raises StoreError if they cannot be read."""
        read = self._models.get(model)
        if read is not None and self._clock() < read.fresh_until:
            return read.known
        if self._lock.acquire(blocking=read is None):
            try:
                read = self._models.get(model)  # another thread may have read it just now
                if read is None or self._clock() >= read.fresh_until:
                    read = self._models[model] = self._refreshed(model, read)
                    while len(self._models) > _MODELS:
                        del self._models[next(iter(self._models))]
            finally:
                self._lock.release()
        assert read is not None  # noqa: S101  # for the type checker: without one, the lock was waited for
        return read.known

    def _refreshed(self, model: str, old: _KnownUntil | None) -> _KnownUntil:
        key, now = statistics_key(model), self._now()
        known, etag = (old.known.at(now), old.etag) if old else (KnownStatistics(EventStatistics(), now), "")
        try:
            blob = self._store.get_if_changed(key, etag)
            if blob is not None:
                known, etag = KnownStatistics(parse_statistics(blob.data, key), now), blob.etag
        except MissingObject:
            known, etag = KnownStatistics(EventStatistics(), now), ""
        return _KnownUntil(known, etag, self._clock() + self._refresh_seconds)
