"""Statistics as answers read them: by their age, and never by several threads at once."""

from collections.abc import Callable
from threading import Thread

import pytest
from obstore.store import MemoryStore

from larder.errors import StoreError
from larder.events.base import LogRow
from larder.events.statistics import KnownStatistics, Shown, StatisticsCache, count_rows
from larder.release.keys import statistics_key
from larder.store import Blob, Store, open_store

NOW = 500_000 * 3600.0 + 1800.0


class Clock:
    """Monotonic and epoch time of a test."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def now(self) -> float:
        return NOW + self.passed


def clicks(first: int, count: int) -> list[LogRow]:
    rows = [{"EVENT_ID": f"e{first + k}", "ITEM_ID": "mug", "TIMESTAMP": NOW - 60} for k in range(count)]
    return [LogRow("shop", "events", row) for row in rows]


def cached(store: Store, clock: Clock) -> StatisticsCache:
    return StatisticsCache(store, 30.0, clock.monotonic, clock.now)


def test_statistics_are_read_again_by_their_age() -> None:
    store, clock = open_store("memory://"), Clock()
    cache = cached(store, clock)
    assert not cache.get("shop").trending

    count_rows(store, clicks(0, 10), clock.now)
    clock.passed = 29.9
    assert not cache.get("shop").trending
    clock.passed = 30.0
    assert [item for item, _ in cache.get("shop").trending] == ["mug"]
    assert cache.get("shop") is cache.get("shop")


def test_a_trend_ends_without_further_events() -> None:
    store, clock = open_store("memory://"), Clock()
    count_rows(store, clicks(0, 10), clock.now)
    cache = cached(store, clock)
    assert cache.get("shop").trending

    clock.passed = 3 * 3600.0
    assert not cache.get("shop").trending


def test_impressions_and_clicks_are_known_by_item() -> None:
    store, clock = open_store("memory://"), Clock()
    answer = {"RECOMMENDATION_ID": "0a1b2c3d-1", "TIMESTAMP": NOW, "ITEMS": [["mug", "user"], ["cup", None]]}
    click = {"EVENT_ID": "e", "ITEM_ID": "mug", "TIMESTAMP": NOW, "RECOMMENDATION_ID": "0a1b2c3d-1"}
    count_rows(store, [LogRow("shop", "recommendations", answer), LogRow("shop", "events", click)], clock.now)

    assert cached(store, clock).get("shop").items == {"mug": Shown(1, 1), "cup": Shown(1, 0)}


def test_damage_is_an_error_until_it_is_repaired() -> None:
    store, clock = open_store("memory://"), Clock()
    store.put(statistics_key("shop"), b"{")
    cache = cached(store, clock)
    with pytest.raises(StoreError, match="statistics"):
        cache.get("shop")

    store.delete(statistics_key("shop"))
    assert cache.get("shop").items == {}


def test_while_one_thread_reads_again_the_others_get_what_was_read_before() -> None:
    # GIVEN a store that answers a thread's second read only after another thread has asked
    store, clock = open_store("memory://"), Clock()
    count_rows(store, clicks(0, 10), clock.now)
    asked: list[KnownStatistics] = []
    cache = StatisticsCache(Asking(store, lambda: asked.append(cache.get("shop"))), 30.0, clock.monotonic, clock.now)
    first = cache.get("shop")
    clock.passed = 30.0

    # WHEN the statistics are read again THEN the other thread does not wait
    assert cache.get("shop") is not first
    assert asked == [first]


class Asking(Store):
    """A store in which another thread asks the cache while an object that was read before is read again."""

    def __init__(self, store: Store, ask: Callable[[], None]) -> None:
        super().__init__("memory://", MemoryStore())
        self._read, self._ask = store, ask

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        if etag:
            thread = Thread(target=self._ask)
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
        return self._read.get_if_changed(key, etag)
