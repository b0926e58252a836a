import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.interactions import read_interactions
from larder_training.recommender.log import Log

HEAD = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(log: Log) -> list[tuple[str, str, int, str]]:
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
