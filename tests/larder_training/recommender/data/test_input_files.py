"""Every way to name an input and every format give the rows of the same log in one CSV file."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import S3
from tests.larder_training.recommender.data.test_interactions import HEAD, rows_of, write

from larder.errors import InvalidRequest
from larder.store import open_store
from larder_training.io.inputs import InputSource, open_input
from larder_training.recommender.config.log_format import LogFormat
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.metadata import read_metadata

ROWS = [("u1", "007", 30, "view", None), ("u2", "7", 20, "pay", 2.5), ("u1", "7", 10, "view", None)]
EXPECTED = [("u1", "7", 10, "view"), ("u2", "7", 20, "pay"), ("u1", "007", 30, "view")]
TABLE = pl.DataFrame(ROWS, ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE"], orient="row")


def as_lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".csv": lambda table, path: table.write_csv(path),
    ".csv.gz": lambda table, path: path.write_bytes(gzip.compress(table.write_csv().encode())),
    ".parquet": lambda table, path: table.write_parquet(path),
    ".jsonl": lambda table, path: path.write_bytes(as_lines(table.to_dicts())),
    ".jsonl.gz": lambda table, path: path.write_bytes(gzip.compress(as_lines(table.to_dicts()))),
    ".json": lambda table, path: path.write_bytes(as_lines(table.to_dicts())),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_log(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"log{suffix}"
    WRITERS[suffix](TABLE, path)
    log, counts = read_interactions(path)
    assert rows_of(log) == EXPECTED
    assert log.value[1] == 2.5
    assert counts.used == counts.rows == 3


def test_typed_columns_of_parquet_become_plain_text(tmp_path: Path) -> None:
    """GIVEN ids as floats, as pandas writes integers with missing values, and times as datetimes."""
    moment = datetime(2011, 12, 1, 8, 26, tzinfo=UTC)
    pl.DataFrame(
        {
            "USER_ID": [17.0, float("nan"), 18.0],
            "ITEM_ID": pl.Series([2**53 + 1, 5, 6], dtype=pl.Int64),
            "TIMESTAMP": [moment, moment, moment],
            "EVENT_TYPE": pl.Series(["view", "view", None], dtype=pl.Categorical),
            "EVENT_VALUE": pl.Series([1.5, None, float("nan")], dtype=pl.Float32),
        }
    ).write_parquet(tmp_path / "log.parquet")
    log, counts = read_interactions(tmp_path / "log.parquet")
    assert rows_of(log) == [
        ("17", "9007199254740993", 1322727960, "view"),
        ("18", "6", 1322727960, "interaction"),
    ]
    assert counts.without_user == 1
    assert log.value[0] == 1.5


def test_typed_columns_of_item_metadata(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "ITEM_ID": [2, 1],
            "PRICE": [2.5, 3.0],
            "NEW": [True, False],
            "TAGS": [["a", "b"], ["a"]],
            "SINCE": [datetime(1970, 1, 2, tzinfo=UTC), None],
        }
    ).write_parquet(tmp_path / "items.parquet")
    table = read_metadata(tmp_path / "items.parquet", "ITEM_ID")
    assert table.ids == ["1", "2"]
    assert table.columns["PRICE"] == ("number", [3.0, 2.5])
    assert table.columns["NEW"][1] == ["false", "true"]
    assert table.columns["TAGS"][1] == ["a", "a|b"]
    assert table.columns["SINCE"] == ("number", [None, 86400.0])


def test_lines_of_json_may_lack_keys_and_mix_types(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(as_lines([{"ITEM_ID": 1}, {"ITEM_ID": "x", "BRAND": "b"}, {"ITEM_ID": "y", "BRAND": "b"}]))
    assert read_metadata(path, "ITEM_ID").columns["BRAND"] == ("category", [None, "b", "b"])
    first: list[dict[str, object]] = [{"USER_ID": 1, "ITEM_ID": 1, "TIMESTAMP": 5}]
    second = {"USER_ID": "1", "ITEM_ID": "a", "TIMESTAMP": "6"}
    third = {"USER_ID": "2", "ITEM_ID": "a", "TIMESTAMP": 7, "EVENT_TYPE": "pay"}
    path.write_bytes(as_lines([*first, second, third]))
    expected = [("1", "1", 5, "interaction"), ("1", "a", 6, "interaction"), ("2", "a", 7, "pay")]
    assert rows_of(read_interactions(path)[0]) == expected


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with the log in three formats, and files that are not part of it."""
    folder = tmp_path / "parts"
    (folder / "later").mkdir(parents=True)
    TABLE[:1].write_csv(folder / "a.csv")
    TABLE[1:2].write_parquet(folder / "b.parquet")
    WRITERS[".jsonl"](TABLE[2:], folder / "later" / "c.jsonl")
    write(folder / "_SUCCESS.csv", "not a log")
    write(folder / ".hidden.csv", "not a log")
    write(folder / "notes.txt", "not a log")
    return folder


@pytest.mark.parametrize(
    "given",
    [
        lambda folder: folder,
        str,
        lambda folder: (folder / "a.csv", folder / "b.parquet", folder / "later"),
        lambda folder: [folder / "?.*", str(folder / "**" / "*.jsonl")],
        lambda folder: [folder, folder / "a.csv"],  # each file is read once
    ],
)
def test_many_files_are_one_log(parts: Path, given: Callable[[Path], InputSource]) -> None:
    log, counts = read_interactions(given(parts))
    assert rows_of(log) == EXPECTED
    assert counts.rows == 3


def test_the_fingerprint_covers_every_file(parts: Path) -> None:
    with open_input(parts / "a.csv") as files:
        one = files.fingerprint()
    assert one["file"] == "a.csv"
    with open_input(parts) as files:
        whole = files.fingerprint()
        assert files.name == "a.csv and 2 more"
    prints = whole["files"]
    assert isinstance(prints, list)
    assert [file["file"] for file in prints] == ["a.csv", "b.parquet", "later/c.jsonl"]
    assert prints[0] == one
    assert whole["bytes"] == sum(file["bytes"] for file in prints)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("USER_ID,ITEM_ID,TIMESTAMP\nu,i,5\n", "b.csv and a.csv differ in the column EVENT_TYPE"),
        ("USER_ID,ITEM_ID\nu,i\n", "b.csv has no column TIMESTAMP"),
        (
            HEAD + "u,i,1,view,\nu,i,soon,view,\nu,j,later,view,\nu,k,,view,\n",
            r"column TIMESTAMP: 3 of 5 rows .*b.csv, data row 2: 'soon'",
        ),
        (HEAD + "u,i,1,view,1,2,3\n", "b.csv: 1 of 1 row cannot be read; line 2: 7 cells, and the header has 5"),
    ],
)
def test_an_error_names_the_file_among_many(tmp_path: Path, second: str, message: str) -> None:
    write(tmp_path / "a.csv", HEAD + "u,i,5,view,\n")
    write(tmp_path / "b.csv", second)
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(tmp_path)


def test_metadata_of_many_files_must_have_the_same_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "ITEM_ID,BRAND\n1,x\n")
    write(tmp_path / "b.csv", "BRAND,ITEM_ID\nx,2\n")
    assert read_metadata(tmp_path, "ITEM_ID").columns["BRAND"] == ("category", ["x", "x"])
    write(tmp_path / "c.csv", "ITEM_ID,COLOUR\n1,x\n")
    with pytest.raises(
        InvalidRequest, match="differ in the column BRAND: give all files of one input the same columns"
    ):
        read_metadata(tmp_path, "ITEM_ID")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.txt", b"", "log.txt has no supported suffix: give CSV"),
        ("log.parquet", b"PAR0", "log.parquet cannot be read as Parquet"),
        (
            "log.jsonl",
            b'{"USER_ID": "u", "ITEM_ID": 1, "TIMESTAMP": 1}\n{\'USER\n{\'USER',
            "log.jsonl: 2 of 3 rows cannot be read; line 2: not a JSON object: {'USER",
        ),
        ("log.csv.gz", gzip.compress(HEAD.encode(), mtime=0)[:-9], "log.csv.gz is cut off: gzip cannot decompress it"),
        ("log.csv.gz", b"\x1f\x8b" + bytes(50), "log.csv.gz is damaged: gzip cannot decompress it"),
        ("log.csv", b"", r"log.csv is empty \(0 bytes\)"),
        ("log.parquet", b"", r"log.parquet is empty \(0 bytes\)"),
        ("log.csv", b"PK\x03\x04" + bytes(50), "log.csv is not text but a zip archive or an Excel workbook"),
    ],
)
def test_files_of_the_wrong_format_are_errors(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(tmp_path / name)


def test_nested_ids_are_errors(tmp_path: Path) -> None:
    pl.DataFrame({"ITEM_ID": [{"w": 1}]}).write_parquet(tmp_path / "items.parquet")
    with pytest.raises(
        InvalidRequest, match=r"items.parquet, column ITEM_ID: it holds objects. Give texts, numbers or times"
    ):
        read_metadata(tmp_path / "items.parquet", "ITEM_ID")


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("none.csv", "none.csv does not exist: give CSV"),
        ("none-*.csv", r"none-\*.csv has no readable file"),
        ("empty", "empty has no readable file"),
        ("gs://bucket/log.csv", "'gs:/.*cannot be read"),
    ],
)
def test_missing_inputs_are_errors(
    tmp_path: Path, location: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequest, match=message):
        read_interactions(location)
    with pytest.raises(InvalidRequest, match="an input without files"):
        read_interactions([])


@pytest.fixture
def in_s3(parts: Path, s3: S3, s3_url: str) -> str:
    store = open_store(s3_url)
    for path in parts.rglob("*"):
        if path.is_file():
            store.upload(f"logs/2026/{path.relative_to(parts).as_posix()}", path)
    return f"s3://{s3.bucket}/logs"


@pytest.mark.parametrize(
    ("places", "rows"),
    [
        (("",), EXPECTED),
        (("/2026/",), EXPECTED),
        (("/2026/a.csv",), EXPECTED[2:]),
        (("/*/b.*", "/2026/a.csv"), EXPECTED[1:]),
    ],
)
def test_s3_is_read_like_local_files(in_s3: str, places: tuple[str, ...], rows: list[object]) -> None:
    given = tuple(in_s3 + place for place in places)
    assert rows_of(read_interactions(given)[0]) == rows
    with open_input(given) as files:
        copies = [file.path for file in files.files]
        assert all(path.is_file() for path in copies)
    assert not any(path.exists() for path in copies)


def test_missing_objects_in_s3_are_errors(in_s3: str) -> None:
    with pytest.raises(InvalidRequest, match=r"none\.csv does not exist, or access is denied"):
        read_interactions(f"{in_s3}/none.csv")
    with pytest.raises(InvalidRequest, match="has no readable file"):
        read_interactions(f"{in_s3}/none")


@pytest.mark.parametrize(
    ("values", "texts", "noted"),
    [
        ((True, ["x", "y"]), ["true", "x|y"], True),
        ((["x"], {"a": 1}), ["x", '{"a": 1}'], True),
        ((2, [3, 4.5]), ["2", "3|4.5"], True),
        (("x", ["y", None]), ["x", "y"], True),
        (("[x]", "[1, 2]"), ["[x]", "[1, 2]"], False),
        ((["x"], []), ["x", None], False),
    ],
)
def test_json_that_mixes_lists_with_other_values_is_read_as_texts(
    tmp_path: Path, values: tuple[object, object], texts: list[str | None], noted: bool
) -> None:
    rows = [{"ITEM_ID": f"i{number}", "KIND": value} for number, value in enumerate(values)]
    path = tmp_path / "items.jsonl"
    path.write_bytes(as_lines(rows))
    table = read_metadata(path, "ITEM_ID")
    assert table.columns["KIND"][1] == texts
    assert any("items.jsonl: KIND mixes lists with other values" in notice for notice in table.notices) == noted


@pytest.mark.parametrize("columns", [{"EVENT_TYPE": "what"}, {}])
def test_a_column_of_json_may_begin_late(tmp_path: Path, columns: dict[str, str]) -> None:
    """GIVEN more lines without the column than types are inferred from."""
    rows = [{"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": number} for number in range(1200)]
    late = {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": 5000, "what" if columns else "EVENT_TYPE": "buy"}
    path = tmp_path / "log.jsonl"
    path.write_bytes(as_lines([*rows, late]))
    log, _ = read_interactions(path, log_format=LogFormat(columns))
    assert log.events == ["buy", "interaction"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig", "utf-16"])
def test_empty_rows_do_not_count_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    rows = "USER_ID,ITEM_ID,TIMESTAMP\r\nu1,i1,5\r\nu2,i2,6\r\n" + ",,\r\n" * 9
    (tmp_path / "log.csv").write_bytes(rows.encode(encoding))
    log, counts = read_interactions(tmp_path / "log.csv")
    assert (log.users, counts.rows, counts.used) == (["u1", "u2"], 2, 2)
