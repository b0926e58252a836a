"""The log after compaction has each row once, whatever happened to its compactions."""

import threading
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from tests.toys.event_rows import DAY, event, ids, read_log

from larder.errors import StoreError
from larder.events.base import LogRow
from larder.events.log.compaction import compact, compact_day
from larder.events.log.parts import list_days, write_parts
from larder.events.settings import EventSettings, write_settings
from larder.store import Blob, Store, open_store
from larder.store.folder import FolderStore


class Crash(BaseException):
    """The process is killed."""


class CrashingStore(FolderStore):
    """A folder whose process is killed at its n-th operation, before or after the operation took effect."""

    def __init__(self, root: Path, step: int, *, after: bool) -> None:
        super().__init__(root)
        self._left = step
        self._after = after
        self._lock_steps = threading.Lock()

    def _step(self, *, after: bool) -> None:
        if after == self._after:
            with self._lock_steps:
                self._left -= 1
                if self._left < 0:
                    raise Crash

    def get(self, key: str) -> Blob:
        self._step(after=False)
        blob = super().get(key)
        self._step(after=True)
        return blob

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        self._step(after=False)
        result = super().put(key, data, etag=etag, create=create)
        self._step(after=True)
        return result

    def delete(self, key: str) -> None:
        self._step(after=False)
        super().delete(key)
        self._step(after=True)


class InterleavedStore(FolderStore):
    """A folder in which something else happens before the first write of a file of a day."""

    def __init__(self, root: Path, meanwhile: "list[object]") -> None:
        super().__init__(root)
        self.meanwhile = meanwhile

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        while self.meanwhile:
            action = self.meanwhile.pop()
            assert callable(action)
            action()
        return super().put(key, data, etag=etag, create=create)


@pytest.fixture
def store() -> Store:
    return open_store("memory://")


def test_one_file_a_day_has_every_row_once_in_order_of_time(store: Store) -> None:
    # GIVEN events of two days in parts that overlap, in no order
    events = [event(number, time=3600.0 * (number % 30)) for number in range(60)]
    Random(1).shuffle(events)
    for start in range(0, 60, 7):
        write_parts(store, events[start : start + 10])
    written = len(ids(store))

    result = compact(store)

    # THEN each day is one file without duplicates, and the run says what it left out
    assert [(day.day, day.rows) for day in result.days] == [("2026-12-01", 48), ("2026-12-02", 12)]
    assert sum(day.duplicates for day in result.days) == written - 60 > 20
    assert ids(store) == sorted(f"e{number}" for number in range(60))
    times = [row["TIMESTAMP"] for row in read_log(store)]
    assert times == sorted(times, key=float)  # type: ignore[arg-type]  # they are numbers
    assert all(not day.parts for day in list_days(store, "shop", "events").values())


def test_the_result_depends_on_the_rows_alone(store: Store) -> None:
    # GIVEN the same rows, of which one id has two times, in another order and other parts
    other = open_store("memory://")
    rows = [event(1, 50.0), event(2, 20.0), event(1, 10.0), event(3, 30.0)]
    write_parts(store, rows)
    for row in reversed(rows):
        write_parts(other, [row])
        compact(other)

    compact(store)

    # THEN both logs are the same bytes, and the earliest row of the id counts
    key = "logs/shop/events/2026-12-01.jsonl.gz"
    assert store.get(key).data == other.get(key).data
    assert [row["TIMESTAMP"] for row in read_log(store) if row["EVENT_ID"] == "e1"] == [DAY + 10.0]


def test_a_batch_that_comes_twice_is_the_same_object(store: Store) -> None:
    rows = [event(1), event(2)]
    assert write_parts(store, rows) == write_parts(store, rows)
    assert len(ids(store)) == 2


def test_a_late_event_and_a_repeated_part_join_their_day(store: Store) -> None:
    # GIVEN a day that is compacted
    write_parts(store, [event(1), event(2)])
    compact(store)

    # WHEN an event comes late, and one comes again
    write_parts(store, [event(3), event(1)])
    compact(store)

    assert ids(store) == ["e1", "e2", "e3"]


def test_an_anonymous_visitor_who_logs_in_owns_the_events_of_the_session(store: Store) -> None:
    # GIVEN a session that begins anonymous, another that stays so, and the user who logs in within the first one
    write_parts(
        store,
        [
            event(1, 1.0, user=None, session="s1"),
            event(2, 2.0, user="ann", session="s1"),
            event(3, 3.0, user=None, session="s1"),
            event(4, 4.0, user=None, session="s2"),
            event(5, 5.0, user="bob", session="s1"),
        ],
    )

    compact(store)

    owners = {row["EVENT_ID"]: (row["USER_ID"], row.get("ANONYMOUS")) for row in read_log(store)}
    assert owners == {
        "e1": ("ann", None),
        "e2": ("ann", None),
        "e3": ("ann", None),
        "e4": ("s2", True),
        "e5": ("bob", None),
    }


def test_the_latest_row_of_an_item_counts(store: Store) -> None:
    rows = [{"ITEM_ID": "a", "TIMESTAMP": DAY + time, "COLOUR": colour} for time, colour in ((2, "new"), (1, "old"))]
    write_parts(store, [LogRow("shop", "items", row) for row in rows])
    compact(store)
    assert [row["COLOUR"] for row in read_log(store, "items")] == ["new"]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path, *, after: bool) -> None:
    for step in range(100):
        # GIVEN a day with a file and parts
        root = tmp_path / f"{step}"
        whole = FolderStore(root)
        write_parts(whole, [event(1), event(2)])
        compact(whole)
        for number in range(3, 7):
            write_parts(whole, [event(number), event(1)])

        # WHEN the compaction is killed at this step
        try:
            compact(CrashingStore(root, step, after=after))
            assert step > 10  # the last step was after the end
            break
        except Crash:
            # THEN nothing is lost at that moment, and the next compaction makes the day
            assert set(ids(whole)) == {f"e{number}" for number in range(1, 7)}
            compact(whole)
            assert ids(whole) == [f"e{number}" for number in range(1, 7)]
            assert not list_days(whole, "shop", "events")["2026-12-01"].parts
    else:
        pytest.fail("the compaction never ended")


def test_what_comes_or_is_compacted_meanwhile_is_kept(tmp_path: Path) -> None:
    # GIVEN a compaction that has read the parts, when another part comes and another compaction takes up all
    other = FolderStore(tmp_path)
    write_parts(other, [event(1)])
    compact(other)
    write_parts(other, [event(2)])
    store = InterleavedStore(tmp_path, [lambda: compact(other), lambda: write_parts(other, [event(3)])])

    made = compact_day(store, "shop", "events", "2026-12-01")

    # THEN it begins again from the other's file
    assert made.rows == 3
    assert ids(other) == ["e1", "e2", "e3"]


def test_writers_and_compactions_at_once_keep_every_event_once(tmp_path: Path) -> None:
    # GIVEN consumers that write parts with duplicates while two compactions run all the time
    done = threading.Event()

    def write(first: int) -> None:
        store = FolderStore(tmp_path)
        for number in range(first, first + 20):
            write_parts(store, [event(number), event(max(first, number - 1))])

    def run() -> None:
        while not done.is_set():
            compact(FolderStore(tmp_path))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 20, 40)]
    compactions = [threading.Thread(target=run) for _ in range(2)]
    for thread in (*writers, *compactions):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in compactions:
        thread.join()
    compact(FolderStore(tmp_path))

    assert ids(FolderStore(tmp_path)) == sorted(f"e{number}" for number in range(60))


def test_old_days_are_deleted_but_items_stay(store: Store) -> None:
    # GIVEN a model that keeps its log for two days
    write_settings(store, "shop", EventSettings(log_days=2), None)
    write_parts(store, [event(1), event(2, 86400.0), LogRow("shop", "items", {"ITEM_ID": "a", "TIMESTAMP": DAY})])

    result = compact(store, now=DAY + 3 * 86400.0)

    assert result.expired == 1
    assert ids(store) == ["e2"]
    assert [row["ITEM_ID"] for row in read_log(store, "items")] == ["a"]


def test_a_run_without_time_ends_and_the_next_one_goes_on(store: Store) -> None:
    write_parts(store, [event(1), event(2, 86400.0)])
    first = compact(store, seconds_left=lambda: 2.0)
    assert ([day.day for day in first.days], first.remaining) == (["2026-12-01"], 1)
    assert [day.day for day in compact(store).days] == ["2026-12-02"]


def test_a_damaged_day_is_reported_and_the_others_are_made(store: Store) -> None:
    write_parts(store, [event(1), event(2, 86400.0)])
    store.put("logs/shop/events/2026-12-01.jsonl.gz", b"not gzip")

    result = compact(store)

    # THEN its parts are still there, and the message names the object
    assert [day.day for day in result.days] == ["2026-12-02"]
    assert "logs/shop/events/2026-12-01.jsonl.gz is not intact gzip" in result.problems[0]
    assert len(list_days(store, "shop", "events")["2026-12-01"].parts) == 1
    with pytest.raises(StoreError):
        compact_day(store, "shop", "events", "2026-12-01")


def test_text_of_any_kind_survives(store: Store) -> None:
    row = replace(event(1), row={**event(1).row, "PROPERTIES": '{"ä":"\u2028"}', "EVENT_ID": "é\ud800"})
    write_parts(store, [row])
    compact(store)
    assert [(logged["PROPERTIES"], logged["EVENT_ID"]) for logged in read_log(store)] == [('{"ä":"\u2028"}', "é?")]
