import gzip
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interactions import read_interactions

HEAD = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(log: EventLog) -> list[tuple[str, str, int, str]]:
    return [
        (log.users[u], log.items[i], int(t), log.events[e])
        for u, i, t, e in zip(log.user, log.item, log.time, log.event, strict=True)
    ]


def test_ids_are_texts_and_events_are_sorted_by_time(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", HEAD + 'u1,007,30,view,\n"a, b",é,20.0,pay,2.5\nu1,7,10,view,\n')
    log, counts = read_interactions(path)
    assert rows_of(log) == [("u1", "7", 10, "view"), ("a, b", "é", 20, "pay"), ("u1", "007", 30, "view")]
    assert log.value[1] == 2.5
    assert np.isnan(log.value[[0, 2]]).all()
    assert counts.used == counts.rows == 3


def test_columns_may_be_missing_additional_and_in_any_order(tmp_path: Path) -> None:
    log, _ = read_interactions(write(tmp_path / "log.csv", "X,TIMESTAMP,ITEM_ID,USER_ID\n1,5,i,u\n"))
    assert rows_of(log) == [("u", "i", 5, "interaction")]


def test_reads_gzip(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "u,i,5,view,\nv,j,6,view,\n").encode()))
    assert len(read_interactions(path)[0]) == 2


def test_unusable_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    lines = [
        "u,i,1,view,1",
        "u,i,1,view,1",  # again
        ",i,2,view,1",
        "  ,i,2,view,1",
        "u,,3,view,1",
        "u,i,-4,view,1",
        "u,i,,view,1",
        "u,i,99999999999,view,1",
        "u,i,NaN,view,1",
        "u,i,5,view,much",
        "u,i,5,view,inf",
        f"{'u' * 257},i,6,view,1",
        "u,i,7,,",
        "v,i,8,view,1",
        "w,i,9,view,1",
        "x,i,10,view,1",
    ]
    log, counts = read_interactions(write(tmp_path / "log.csv", HEAD + "\n".join(lines)))
    assert counts.document() == {
        "rows": 16,
        "malformed": 0,
        "without_user": 2,
        "without_item": 1,
        "ids_too_long": 1,
        "bad_timestamps": 4,
        "bad_values": 2,
        "duplicates": 1,
        "below_threshold": 0,
        "not_in_catalogue": 0,
        "stray_times": 0,
        "bots": 0,
        "bot_users": 0,
        "used": 5,
    }
    assert ("u", "i", 7, "interaction") in rows_of(log)


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    draw = random.Random(4)
    lines = [
        f"u{draw.randrange(9)},i{draw.randrange(9)},{draw.randrange(5)},e{draw.randrange(3)},1" for _ in range(500)
    ]
    first, _ = read_interactions(write(tmp_path / "a.csv", HEAD + "\n".join(lines)))
    draw.shuffle(lines)
    second, _ = read_interactions(write(tmp_path / "b.csv", HEAD + "\n".join(lines)))
    for name in ("user", "item", "event", "time", "value"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert (first.users, first.items, first.events) == (second.users, second.items, second.events)


def test_items_of_the_metadata_may_have_no_events(tmp_path: Path) -> None:
    log, _ = read_interactions(write(tmp_path / "log.csv", HEAD + "u,b,1,view,\n"), ["a", "c"])
    assert log.items == ["a", "b", "c"]
    assert log.item.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("USER_ID,ITEM_ID\nu,i\n", r"log.csv has no column TIMESTAMP \(it has USER_ID, ITEM_ID\)"),
        (
            HEAD + "u,i,1,view,\nu,i,2011-01-32,view,\nu,j,soon,view,\n",
            r"column TIMESTAMP: 2 of 3 rows have no time between 1970 and 2100 \(log.csv, data row 2: '2011-01-32'\)",
        ),
        (
            HEAD + "u,i,1,view,much\n",
            r"column EVENT_VALUE: 1 of 1 row has no number \(log.csv, data row 1: 'much'\)",
        ),
        (HEAD + ",i,1,view,\n", "log.csv: none of the 1 row is usable: without_user 1"),
        (HEAD, "log.csv: none of the 0 rows is usable"),
        ("", "log.csv is empty"),
        (HEAD + "u,i,1,view,1,2,3\n", "log.csv: 1 of 1 row cannot be read; line 2: 7 cells, and the header has 5"),
    ],
)
def test_errors_name_file_column_and_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(write(tmp_path / "log.csv", text))


def test_damaged_utf8_and_missing_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes((HEAD + "äöüäöüäöü,é,1,view,\n").encode() + b"u\xff\xfe,i,1,view,\n")
    with pytest.raises(InvalidRequest, match=r"log.csv, line 3: .*UTF-8"):
        read_interactions(path)
    with pytest.raises(InvalidRequest, match="does not exist"):
        read_interactions(tmp_path / "none.csv")


IDS = st.sampled_from(["", " ", "a", "b ", "B", "ü", "x" * 257])
TIMES = st.sampled_from(["", "-1", "0", "1", "1.9", "2e0", "4102444799", "4102444800", "nan"])
VALUES = st.sampled_from(["", "-0.0", "0", "1.5", "-2", "inf", "nan", "1e13"])


@given(rows=st.lists(st.tuples(IDS, IDS, TIMES, st.sampled_from(["", "view", "pay"]), VALUES), max_size=30))
def test_the_events_are_those_of_a_plain_reader(rows: list[tuple[str, str, str, str, str]]) -> None:
    """THEN events and counts equal those of reading row by row in Python."""
    expected, dropped = set(), 0
    for user, item, time, event, value in rows:
        moment, number = float(time or "nan"), 0.0 if value in ("", "nan") else float(value)
        usable = all(0 < len(text.strip()) <= 256 for text in (user, item)) and 0 <= moment < 4_102_444_800
        if usable and abs(number) <= 1e12:
            given_value = None if value in ("", "nan") else number + 0.0
            expected.add((user.strip(), item.strip(), int(moment), event or "interaction", given_value))
        else:
            dropped += 1
    valid = [("u", "i", "5", "view", "1")] * (len(rows) + 1)  # so that most times are valid
    expected.add(("u", "i", 5, "view", 1.0))
    with TemporaryDirectory() as folder:
        lines = (",".join(f'"{cell}"' for cell in row) for row in [*rows, *valid])
        log, counts = read_interactions(write(Path(folder) / "log.csv", HEAD + "\n".join(lines)))
    events = [
        (*row, None if np.isnan(value) else float(value)) for row, value in zip(rows_of(log), log.value, strict=True)
    ]
    assert len(events) == len(set(events)) == counts.used
    assert set(events) == expected
    assert counts.rows - counts.used - counts.duplicates == dropped
    assert log.users == sorted({row[0] for row in events})
    assert log.items == sorted({row[1] for row in events})


@pytest.mark.parametrize(
    ("cells", "values"),
    [(("2,55", "3", "", "-0,5"), [2.55, 3, None, -0.5]), (("1,234", "0,5"), [1.234, 0.5])],
)
def test_decimal_commas_are_read_where_the_separator_is_none(
    tmp_path: Path, cells: tuple[str, ...], values: list[float | None]
) -> None:
    rows = "".join(f"u{number};i;{number};pay;{cell}\n" for number, cell in enumerate(cells))
    log, counts = read_interactions(write(tmp_path / "log.csv", HEAD.replace(",", ";") + rows))
    np.testing.assert_allclose(log.value, np.array(values, float), rtol=1e-6)
    assert [notice for notice in counts.notices if "decimal comma" in notice] == [
        "log.csv: numbers like 2,55 in EVENT_VALUE are read with a decimal comma."
    ]


@pytest.mark.parametrize(
    "cells", [("1,234", "5,678"), ("2,55", "1.234,50"), ("1,234,567", "2,5"), ("2,5", "2.5", "3,5")]
)
def test_separators_of_thousands_are_not_guessed(tmp_path: Path, cells: tuple[str, ...]) -> None:
    rows = "".join(f"u{number};i;{number};pay;{cell}\n" for number, cell in enumerate(cells))
    with pytest.raises(InvalidRequest, match=r"have no number \(.*Give numbers like 1234\.5, without separators"):
        read_interactions(write(tmp_path / "log.csv", HEAD.replace(",", ";") + rows))
