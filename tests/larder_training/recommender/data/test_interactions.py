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


def test_reads_ids_as_texts_in_the_order_of_time(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", HEAD + 'u1,007,30,view,\n"a, b",é,20.0,pay,2.5\nu1,7,10,view,\n')
    log, audit = read_interactions(path)
    assert rows_of(log) == [("u1", "7", 10, "view"), ("a, b", "é", 20, "pay"), ("u1", "007", 30, "view")]
    assert log.value[1] == 2.5
    assert np.isnan(log.value[[0, 2]]).all()
    assert audit.used == audit.rows == 3


def test_columns_may_be_fewer_more_and_in_any_order(tmp_path: Path) -> None:
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
        "u,i,5,view,nan",
        "u,i,5,view,inf",
        f"{'u' * 257},i,6,view,1",
        "u,i,7,,",
        "v,i,8,view,1",
        "w,i,9,view,1",
        "x,i,10,view,1",
    ]
    log, audit = read_interactions(write(tmp_path / "log.csv", HEAD + "\n".join(lines)))
    assert audit.document() == {
        "rows": 16,
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


def test_the_order_of_the_file_leaves_no_trace(tmp_path: Path) -> None:
    toss = random.Random(4)
    lines = [
        f"u{toss.randrange(9)},i{toss.randrange(9)},{toss.randrange(5)},e{toss.randrange(3)},1" for _ in range(500)
    ]
    first, _ = read_interactions(write(tmp_path / "a.csv", HEAD + "\n".join(lines)))
    toss.shuffle(lines)
    second, _ = read_interactions(write(tmp_path / "b.csv", HEAD + "\n".join(lines)))
    for name in ("user", "item", "event", "time", "value"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert (first.users, first.items, first.events) == (second.users, second.items, second.events)


def test_the_catalogue_s_items_are_there_without_events(tmp_path: Path) -> None:
    log, _ = read_interactions(write(tmp_path / "log.csv", HEAD + "u,b,1,view,\n"), ["a", "c"])
    assert log.items == ["a", "b", "c"]
    assert log.item.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("USER_ID,ITEM_ID\nu,i\n", r"log.csv has no column TIMESTAMP \(it has USER_ID, ITEM_ID\)"),
        (
            HEAD + "u,i,1,view,\nu,i,2011-01-01,view,\n",
            r"log.csv, column TIMESTAMP, data row 2: '2011-01-01' is no number",
        ),
        (HEAD + "u,i,1,view,much\n", r"log.csv, column EVENT_VALUE, data row 1: 'much' is no number"),
        (HEAD + "u,i,1291190400000,view,\n", "1 of 1 rows hold no time between 1970 and 2100.*divided by 1000"),
        (HEAD + ",i,1,view,\n", "log.csv holds no usable row of 1: without_user 1"),
        (HEAD, "log.csv holds no usable row of 0"),
        ("", "log.csv cannot be read as CSV"),
        (HEAD + "u,i,1,view,1,2,3\n", "log.csv cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(write(tmp_path / "log.csv", text))


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(HEAD.encode() + b"u\xff\xfe,i,1,view,\n")
    with pytest.raises(InvalidRequest, match=r"log.csv cannot be read as CSV.*UTF-8"):
        read_interactions(path)
    with pytest.raises(InvalidRequest, match="is no file"):
        read_interactions(tmp_path / "none.csv")


IDS = st.sampled_from(["", " ", "a", "b ", "B", "ü", "x" * 257])
TIMES = st.sampled_from(["", "-1", "0", "1", "1.9", "2e0", "4102444799", "4102444800", "nan"])
VALUES = st.sampled_from(["", "-0.0", "0", "1.5", "-2", "inf", "nan", "1e13"])


@given(rows=st.lists(st.tuples(IDS, IDS, TIMES, st.sampled_from(["", "view", "pay"]), VALUES), max_size=30))
def test_what_is_used_is_what_a_plain_reading_uses(rows: list[tuple[str, str, str, str, str]]) -> None:
    """THEN the events and the counts are those of a row by row reading in Python."""
    expected, dropped = set(), 0
    for user, item, time, event, value in rows:
        moment, number = float(time or "nan"), float(value or "0")
        usable = all(0 < len(each.strip()) <= 256 for each in (user, item)) and 0 <= moment < 4_102_444_800
        if usable and abs(number) <= 1e12:
            text = None if not value else number + 0.0
            expected.add((user.strip(), item.strip(), int(moment), event or "interaction", text))
        else:
            dropped += 1
    usual = [("u", "i", "5", "view", "1")] * (len(rows) + 1)  # so that most times are times
    expected.add(("u", "i", 5, "view", 1.0))
    with TemporaryDirectory() as folder:
        lines = (",".join(f'"{cell}"' for cell in row) for row in [*rows, *usual])
        log, audit = read_interactions(write(Path(folder) / "log.csv", HEAD + "\n".join(lines)))
    found = [
        (*row, None if np.isnan(value) else float(value)) for row, value in zip(rows_of(log), log.value, strict=True)
    ]
    assert len(found) == len(set(found)) == audit.used
    assert set(found) == expected
    assert audit.rows - audit.used - audit.duplicates == dropped
    assert log.users == sorted({row[0] for row in found})
    assert log.items == sorted({row[1] for row in found})
