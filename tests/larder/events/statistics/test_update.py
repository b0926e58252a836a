"""Rows are counted once into statistics whose size is bounded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from larder.errors import StoreError
from larder.events.base import LogRow
from larder.events.statistics import EventStatistics, Shown, count_rows, counted, dump_statistics, read_statistics
from larder.events.statistics.document import HOURS, ITEMS_PER_HOUR, MAX_RELEASES, MAX_ROWS, MAX_SHOWN
from larder.release.keys import statistics_key
from larder.store import Store, open_store

NOW = 1_790_000_000.0
HOUR = int(NOW // 3600)


def event(number: int, item: str = "mug", *, time: float = NOW, recommendation: str | None = None) -> LogRow:
    """A click."""
    row: dict[str, object] = {"EVENT_ID": f"e{number}", "ITEM_ID": item, "EVENT_TYPE": "click", "TIMESTAMP": time}
    return LogRow("shop", "events", row | ({"RECOMMENDATION_ID": recommendation} if recommendation else {}))


def answer(identifier: str, *items: str) -> LogRow:
    """An answer with these items."""
    listed = [[item, "session", False] for item in items]
    return LogRow("shop", "recommendations", {"RECOMMENDATION_ID": identifier, "TIMESTAMP": NOW, "ITEMS": listed})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


def test_events_and_answers_are_counted_by_hour_item_and_release() -> None:
    rows = [
        answer("aaaaaaaa-1", "mug", "lamp"),
        event(1, recommendation="aaaaaaaa-1"),
        event(2, time=NOW - 3600),
        event(3, time=NOW - HOURS * 3600),  # too old for the hours
    ]

    statistics = counted(EventStatistics(), rows, NOW)

    assert statistics.hours == {HOUR: {"mug": 1}, HOUR - 1: {"mug": 1}}
    assert statistics.items == {"lamp": Shown(1, 0), "mug": Shown(1, 1)}
    assert statistics.releases == {"aaaaaaaa": {"": 1, "click": 1}}


def test_a_row_that_comes_twice_counts_once(store: Store) -> None:
    rows = [event(1), answer("aaaaaaaa-1", "mug")]
    count_rows(store, rows, lambda: NOW)
    first = store.get(statistics_key("shop"))

    count_rows(store, [*rows, *rows], lambda: NOW)

    assert store.get(statistics_key("shop")) == first
    count_rows(store, [rows[0], event(2)], lambda: NOW)
    assert read_statistics(store, "shop")[0].hours == {HOUR: {"mug": 2}}


def test_concurrent_writers_lose_nothing(store: Store) -> None:
    # GIVEN writers of the same statistics, each of which tries again when others came first
    def count(number: int) -> None:
        while True:
            try:
                count_rows(store, [event(number)], lambda: NOW)
            except StoreError:
                continue
            return

    # WHEN they count at once
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(24)))
    # THEN each event is counted
    assert read_statistics(store, "shop")[0].hours == {HOUR: {"mug": 24}}


def test_the_document_is_bounded() -> None:
    # GIVEN many times more rows than it keeps
    statistics = EventStatistics()
    for hour in range(HOURS + 3):
        time = NOW + hour * 3600
        rows = [event(hour * 2000 + k, f"item-{hour:03}-{k:011}", time=time) for k in range(2000)]
        rows += [answer(f"{hour:08}-{k}", *(f"i-{hour:03}-{k:03}-{i:010}" for i in range(25))) for k in range(50)]
        statistics = counted(statistics, rows, time)
    # THEN each part has its bound, the newest are kept, and the size is as the documentation states it
    assert len(statistics.hours) == HOURS
    assert all(len(counts) == ITEMS_PER_HOUR for counts in statistics.hours.values())
    assert (len(statistics.items), len(statistics.releases)) == (MAX_SHOWN, MAX_RELEASES)
    assert len(statistics.rows) == MAX_ROWS
    assert f"{HOURS + 2:08}" in statistics.releases
    assert len(dump_statistics(statistics)) < 2_500_000


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"format": 2}', b'{"format": 1, "hours": {"x": {}}}'])
def test_a_damaged_document_is_named(store: Store, damage: bytes) -> None:
    store.put(statistics_key("shop"), damage)

    with pytest.raises(StoreError, match=r"logs/shop/statistics\.json"):
        read_statistics(store, "shop")
