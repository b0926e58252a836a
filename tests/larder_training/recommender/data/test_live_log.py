"""A training reads the log of live events as it is: days and parts, with what the service writes beside the columns."""

from pathlib import Path

import pytest
from tests.toys.event_rows import DAY, event

from larder.events.base import LogRow
from larder.events.log.compaction import compact, compact_day
from larder.events.log.parts import write_parts
from larder.store import Store, open_store
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.metadata import read_metadata


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


def test_a_part_and_its_day_count_once(store: Store, tmp_path: Path) -> None:
    # GIVEN a day and a part that it has taken up, one event of which is of an anonymous visitor who logged in
    rows = [event(1, 1.25, user=None, session="s"), event(2, 2.5, user="ann", session="s"), event(3, 3.75, user="bob")]
    write_parts(store, rows)
    compact(store)
    write_parts(store, [*rows, event(4, 4.5, user=None, session="t")])

    log, counts = read_interactions([tmp_path / "logs/shop/events"])

    # THEN each event counts once, for the user of the session, and the counts and a sentence say what was left out
    assert [log.users[user] for user in log.user] == ["ann", "ann", "bob", "t"]
    assert log.time.tolist() == [DAY + 1, DAY + 2, DAY + 3, DAY + 4]
    assert (counts.rows, counts.duplicates, counts.used) == (7, 3, 4)
    assert "3 rows with the EVENT_ID of another row: each event counts once." in counts.notices


def test_an_id_with_two_times_counts_at_the_earlier_one(store: Store, tmp_path: Path) -> None:
    write_parts(store, [event(1, 90000.0), event(1, 86000.0)])
    log, counts = read_interactions([tmp_path / "logs/shop/events"])
    assert (log.time.tolist(), counts.duplicates) == ([DAY + 86000], 1)


def test_the_log_adds_to_a_file_with_other_columns(store: Store, tmp_path: Path) -> None:
    # GIVEN a CSV without types of events, and the log, which has them
    write_parts(store, [event(1)])
    history = tmp_path / "history.csv"
    history.write_text("USER_ID,ITEM_ID,TIMESTAMP\nu1,i1,1600000000\nu1,i1,1600000000\n")

    log, counts = read_interactions([history, tmp_path / "logs/shop/events"])

    assert [log.events[kind] for kind in log.event] == ["interaction", "view"]
    assert (counts.duplicates, counts.used) == (1, 2)


def test_a_day_without_rows_is_no_problem(store: Store, tmp_path: Path) -> None:
    # GIVEN a day whose only user was deleted
    write_parts(store, [event(1), event(2, 86400.0)])
    compact_day(store, "shop", "events", "2026-12-01", keep=lambda _kind, _line: False)

    log, _ = read_interactions([tmp_path / "logs/shop/events"])

    assert len(log) == 1


def test_the_latest_row_of_an_item_counts_over_the_catalogue(store: Store, tmp_path: Path) -> None:
    # GIVEN a catalogue, and items that were sent twice, the older row last
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text("ITEM_ID,GENRE,PRICE\ni1,printed,1\ni3,printed,2\n")
    for time, genre in ((5, "new"), (1, "old")):
        write_parts(store, [LogRow("shop", "items", {"ITEM_ID": "i1", "TIMESTAMP": DAY + time, "GENRE": genre})])

    table = read_metadata([catalogue, tmp_path / "logs/shop/items"], "ITEM_ID")

    # THEN the time of writing is not a column of the items
    assert (table.ids, table.columns["GENRE"][1]) == (["i1", "i3"], ["new", "printed"])
    assert table.left_out == {"TIMESTAMP": "when the row was written"}
    assert table.duplicates == 2
