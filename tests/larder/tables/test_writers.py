"""What the writers take and refuse, and their files read by the safetensors library."""

import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from safetensors import safe_open
from safetensors.numpy import load_file

from larder.errors import InvalidTable
from larder.release.serving import ColumnType
from larder.tables import EMPTY, KeyedTable, MappedFile, hash_key
from larder_training.release import tables
from larder_training.release.tables import pack_strings, write_dense, write_keyed, write_probes, write_vocabulary

ONE = np.array([[1, 2]], np.uint32)
Columns = dict[str, tuple[ColumnType, Sequence[object]]]
SCORES = np.array([[0.5, 0.25]])


@pytest.mark.parametrize("rows", [0, 1, 256, 257, 10_000])
@pytest.mark.parametrize("width", [1, 3, 60])
def test_a_users_table_has_the_documented_size(rows: int, width: int, tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(rows, width))
    index = 8 * -(-rows // 256)
    header = spec.head_bytes - index
    assert (tmp_path / "users.safetensors").stat().st_size == rows * (8 + 6 * width) + index + header
    assert header == 8 + int.from_bytes((tmp_path / "users.safetensors").read_bytes()[:8], "little")
    assert (spec.file, spec.rows, spec.width) == ("users.safetensors", rows, width)


def test_the_safetensors_library_reads_the_same_rows(tmp_path: Path, toy: Callable[..., Any]) -> None:
    keys, items, scores = toy(600, 4)
    write_keyed(tmp_path / "users.safetensors", keys, items, scores)
    tensors = load_file(tmp_path / "users.safetensors")
    assert (np.diff(tensors["keys"].astype(object)) > 0).all()
    np.testing.assert_array_equal(tensors["index"], tensors["keys"][::256])
    for number, key in enumerate(keys):
        row = tensors["rows"][np.searchsorted(tensors["keys"], np.uint64(hash_key(key)))]
        np.testing.assert_array_equal(row[:16].view("<u4"), items[number])
        np.testing.assert_array_equal(row[16:].view("<f2"), scores[number])
    with safe_open(tmp_path / "users.safetensors", "numpy") as file:
        assert file.metadata() == {"larder_format": "1", "table": "keyed"}


def test_the_head_is_at_the_front_of_the_file(tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(600, 4))
    tensors = load_file(tmp_path / "users.safetensors")
    data = (tmp_path / "users.safetensors").read_bytes()
    assert data[: spec.head_bytes].endswith(tensors["index"].tobytes())
    assert data[spec.head_bytes :] == tensors["keys"].tobytes() + tensors["rows"].tobytes()


def test_unused_slots_lose_their_scores(tmp_path: Path) -> None:
    write_dense(tmp_path / "t.safetensors", [[7, EMPTY]], [[1.0, np.nan]])
    assert load_file(tmp_path / "t.safetensors")["rows"].tolist() == [[7, 0, 0, 0, 255, 255, 255, 255, 0, 60, 0, 0]]


@pytest.mark.parametrize(
    ("items", "scores", "message"),
    [
        (ONE, SCORES[:, :1], r"items \[1, 2\] and scores \[1, 1\] are not both"),
        (ONE[0], SCORES[0], r"items \[2\] and scores \[2\] are not both"),
        (ONE[:, :0], SCORES[:, :0], r"items \[1, 0\] and scores \[1, 0\] are not both"),
        (ONE.astype(float), SCORES, "items are float64"),
        (ONE, SCORES.astype(str), "scores <U32"),
        (np.array([[1, -2]]), SCORES, "an item number is not from 0 to 4294967295"),
        (np.array([[1, 2**32]]), SCORES, "an item number is not from 0 to 4294967295"),
        (ONE, [[0.5, np.nan]], "the score nan does not fit float16"),
        (ONE, [[-np.inf, 0.5]], "the score -inf does not fit float16"),
        (ONE, [[65_520.0, 0.5]], "the score 65520.0 does not fit float16"),
        ([[EMPTY, 1]], SCORES, "a used slot follows an unused one"),
    ],
)
def test_invalid_slots_are_refused(tmp_path: Path, items: ArrayLike, scores: ArrayLike, message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        write_dense(tmp_path / "t.safetensors", items, scores)
    with pytest.raises(InvalidTable, match=message):
        write_keyed(tmp_path / "t.safetensors", ["a"], items, scores)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_score_and_item_are_stored(tmp_path: Path) -> None:
    spec = write_keyed(tmp_path / "t.safetensors", ["a"], [[EMPTY - 1]], [[-65_504.0]])
    with MappedFile(tmp_path / "t.safetensors") as reader:
        assert KeyedTable.open(reader, spec).lookup("a") == ((EMPTY - 1,), (-65_504.0,))


def test_a_duplicate_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match="'b' is duplicated; keep one row"):
        write_keyed(tmp_path / "t.safetensors", ["b", "a", "b"], np.repeat(ONE, 3, 0), np.repeat(SCORES, 3, 0))


def test_two_keys_with_the_same_hash_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No two texts with the same 64 bits of BLAKE2b are known, so use a shorter hash.
    monkeypatch.setattr(tables, "hash_key", len)
    with pytest.raises(InvalidTable, match="'aa' and 'bb' have the same 64-bit hash; rename one of them"):
        write_keyed(tmp_path / "t.safetensors", ["aa", "b", "bb"], np.repeat(ONE, 3, 0), np.repeat(SCORES, 3, 0))


def test_keys_must_be_valid_text_and_one_per_row(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match="2 keys for 1 rows; give one key per row"):
        write_keyed(tmp_path / "t.safetensors", ["a", "b"], ONE, SCORES)
    with pytest.raises(InvalidTable, match=r"'\\ud800' is not valid Unicode; read your data as UTF-8"):
        write_keyed(tmp_path / "t.safetensors", ["\ud800"], ONE, SCORES)


@pytest.mark.parametrize(
    ("ids", "columns", "message"),
    [
        (["a", "a"], {}, "'a' is duplicated"),
        (["a", ""], {}, "an id is empty"),
        (["a"], {"C": ("text", ["x", "y"])}, "column 'C' has 2 values for 1 items"),
        (["a"], {"C": ("text", [3])}, "3 in column 'C' is not text"),
        (["a"], {"C": ("category", ["\udfff"])}, "is not valid Unicode"),
        (["a"], {"P": ("number", ["cheap"])}, "a value of column 'P' is not a number"),
        (["a"], {"P": ("number", [np.inf])}, "a value of column 'P' is infinite"),
        (["a"], {"C" * 2**19: ("number", [1.0])}, "use fewer or shorter column names"),
    ],
)
def test_an_invalid_vocabulary_is_refused(tmp_path: Path, ids: list[str], columns: Columns, message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        write_vocabulary(tmp_path / "items.safetensors", ids, columns)
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_one_expected_response_per_request(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match="1 of 'answer' for 2 requests"):
        write_probes(tmp_path / "probes.safetensors", [b"a", b"b"], answer=["x"])


def test_an_existing_file_is_replaced_without_leftovers(tmp_path: Path) -> None:
    (tmp_path / "t.safetensors").write_bytes(b"older")
    write_dense(tmp_path / "t.safetensors", ONE, SCORES)
    assert [path.name for path in tmp_path.iterdir()] == ["t.safetensors"]
    assert (tmp_path / "t.safetensors").stat().st_size > 100


def test_the_order_of_rows_in_memory_does_not_matter(tmp_path: Path, toy: Callable[..., Any]) -> None:
    keys, items, scores = toy(50)
    write_keyed(tmp_path / "c.safetensors", keys, items, scores)
    write_keyed(tmp_path / "f.safetensors", keys, np.asfortranarray(items), np.asfortranarray(scores))
    write_keyed(tmp_path / "r.safetensors", keys[::-1], items[::-1], scores[::-1].astype(float))
    assert len({(tmp_path / f"{name}.safetensors").read_bytes() for name in "cfr"}) == 1


def test_a_table_from_disk_is_written_in_little_memory(tmp_path: Path) -> None:
    rows, width = 100_000, 60
    items: NDArray[np.uint32] = np.memmap(tmp_path / "items", np.uint32, "w+", shape=(rows, width))
    scores: NDArray[np.float16] = np.memmap(tmp_path / "scores", np.float16, "w+", shape=(rows, width))
    keys = [str(number) for number in range(rows)]
    tracemalloc.start()
    try:
        spec = write_keyed(tmp_path / "users.safetensors", keys, items, scores)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / spec.file).stat().st_size > 36e6
    assert peak < rows * 24 + 12e6


def test_strings_are_packed_end_to_end() -> None:
    packed = pack_strings("id", ["a", "", "ü"])
    assert packed["id.offsets"].tolist() == [0, 1, 1, 3]
    assert packed["id.bytes"].tobytes() == "aü".encode()
    assert pack_strings("id", [])["id.offsets"].tolist() == [0]
