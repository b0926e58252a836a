"""What a training writes for filters: what users did by event type, and their profiles."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.toys.event_log import event_log

from larder.recommender.rules.user_data import CONTINUATION
from larder.release.serving import InteractionTable, ProfileTables
from larder.tables import KeyedTable, MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.recommender.artifacts import user_data
from larder_training.recommender.artifacts.user_data import row_width, write_interactions, write_profiles
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.columns.profiles import Profiles, user_profiles
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.metadata import MetadataTable

GOLDEN = Path(__file__).parent / "golden"
ROWS = [
    ("ann", "a", 1, "view"),
    ("ann", "b", 2, "view"),
    ("ann", "a", 3, "view"),  # again: an item counts once for each type, by its latest event
    ("ann", "a", 4, "Buy"),
    ("ann", "c", 5, "view"),
    ("bea", "b", 6, "view"),
    ("cid", "b", 7, "Buy"),
]


def history(path: Path, written: InteractionTable, log: EventLog, user: str) -> list[tuple[str, str]]:
    """The (item, type) of a user's rows, in their order."""
    spec = written.table
    with MappedFile(path) as reader:
        table, found, part = KeyedTable.open(reader, spec), list[tuple[str, str]](), 0
        row = table.lookup(user)
        while row is not None:
            found += [(log.items[item], written.events[int(code)]) for item, code in zip(*row, strict=True)]
            part += 1
            row = table.lookup(f"{user}{CONTINUATION}{part}") if len(row.items) == spec.width else None
        return found


def test_the_newest_events_of_each_user_come_first(tmp_path: Path) -> None:
    log = event_log(ROWS)

    written = write_interactions(tmp_path / "i", log)

    assert written.events == ("Buy", "view")
    assert history(tmp_path / "i", written, log, "ann") == [("c", "view"), ("a", "Buy"), ("a", "view"), ("b", "view")]
    assert history(tmp_path / "i", written, log, "bea") == [("b", "view")]
    assert history(tmp_path / "i", written, log, "cid") == [("b", "Buy")]
    assert history(tmp_path / "i", written, log, "dan") == []


def test_the_bytes_are_the_golden_ones(tmp_path: Path) -> None:
    # A format keeps its bytes: published releases have them.
    written = write_interactions(tmp_path / "interactions.safetensors", event_log(ROWS))
    profiles = write_profiles(tmp_path, PROFILES)

    names = [written.table.file, profiles.file, profiles.users.file]
    assert sorted(names) == sorted(path.name for path in GOLDEN.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes(), name


def test_a_user_has_at_most_a_hundred_items_of_each_type(tmp_path: Path) -> None:
    rows = [("ann", f"{item:03}", item, "view") for item in range(150)]
    rows += [("ann", f"{item:03}", 1000 + item, "buy") for item in range(3)]
    log = event_log(rows)

    found = history(tmp_path / "i", write_interactions(tmp_path / "i", log), log, "ann")

    assert found == [
        *((f"{item:03}", "buy") for item in (2, 1, 0)),
        *((f"{item:03}", "view") for item in range(149, 49, -1)),
    ]


def test_of_too_many_types_the_most_frequent_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_data, "MAX_EVENT_TYPES", 1)
    log = event_log(ROWS)

    written = write_interactions(tmp_path / "i", log)

    assert written.events == ("view",)
    assert history(tmp_path / "i", written, log, "ann") == [("c", "view"), ("a", "view"), ("b", "view")]
    assert history(tmp_path / "i", written, log, "cid") == []


def blocks_of_one_user(log: EventLog) -> Iterator[NDArray[np.int64]]:
    """As ``EventLog.blocks`` of a log that is longer than memory for one block."""
    for user in range(len(log.users)):
        yield np.flatnonzero(log.user == user)


EVENTS = st.tuples(st.sampled_from("uvw"), st.sampled_from("abcde"), st.integers(0, 30), st.sampled_from(["x", "y"]))


@settings(max_examples=60)
@given(st.lists(EVENTS, min_size=1, max_size=40))
def test_any_log_is_written_as_a_walk_back_in_time(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, str]]
) -> None:
    log = event_log(rows)
    expected: dict[str, list[tuple[str, str]]] = {}
    for user, item, event in zip(log.user[::-1], log.item[::-1], log.event[::-1], strict=True):
        done = expected.setdefault(log.users[user], [])
        if (log.items[item], log.events[event]) not in done:
            done.append((log.items[item], log.events[event]))
    path = tmp_path_factory.getbasetemp() / "any-log"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventLog, "blocks", blocks_of_one_user)
        written = write_interactions(path, log)

    assert {user: history(path, written, log, user) for user in log.users} == expected


@pytest.mark.parametrize(
    ("lengths", "width"),
    [([5], 5), ([4] * 10, 4), ([1] * 100 + [4], 1), ([1] * 100 + [40], 10), ([0, 0, 3], 3), ([], 1)],
)
def test_rows_have_the_width_with_the_fewest_bytes_in_four_rows_a_user(lengths: list[int], width: int) -> None:
    assert row_width(np.array(lengths, np.int64)) == width


PROFILES: Profiles = user_profiles(
    MetadataTable(
        ids=["ann", "bea", "cid", "dan"],
        columns={
            "AGE": ("number", [30.0, 30.0, None, 41.0]),
            "CITY": ("category", ["Bonn", "Bonn", "Ulm", None]),
        },
        rows=4,
        dropped=0,
        duplicates=0,
    )
)


def profile(folder: Path, written: ProfileTables, user: str) -> dict[str, str | float | None] | None:
    with MappedFile(folder / written.users.file) as users, MappedFile(folder / written.file) as profiles:
        row = KeyedTable.open(users, written.users).lookup(user)
        vocabulary = Vocabulary.open(profiles)
        assert len(vocabulary) == written.profiles
        return None if row is None else {name: vocabulary.value(name, row.items[0]) for name in written.columns}


def test_each_different_profile_is_written_once(tmp_path: Path) -> None:
    written = write_profiles(tmp_path, PROFILES)

    assert (written.profiles, dict(written.columns)) == (3, {"AGE": "number", "CITY": "category"})
    assert profile(tmp_path, written, "ann") == profile(tmp_path, written, "bea") == {"AGE": 30.0, "CITY": "Bonn"}
    assert profile(tmp_path, written, "cid") == {"AGE": None, "CITY": "Ulm"}
    assert profile(tmp_path, written, "dan") == {"AGE": 41.0, "CITY": None}
    assert profile(tmp_path, written, "eve") is None


def test_columns_with_too_many_values_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_data, "MOST_PROFILES", 3)
    columns: dict[str, Column] = {"AGE": ("number", [1.0, 2.0, 3.0, 4.0]), "SEX": ("category", ["F", "M", "F", "M"])}
    table = MetadataTable(ids=["a", "b", "c", "d"], columns=columns, rows=4, dropped=0, duplicates=0)

    written = write_profiles(tmp_path, user_profiles(table))

    assert (written.profiles, dict(written.columns)) == (2, {"SEX": "category"})
    assert profile(tmp_path, written, "c") == {"SEX": "F"}
