"""Tables compared with a dict: sizes around the block size, any text, local and remote."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidTable
from larder.release.serving import TableSpec
from larder.store import StoreReader, open_store
from larder.tables import EMPTY, DenseTable, KeyedTable, MappedFile, Reader, hash_key
from larder.tables.rows import ENTRY_BYTES, LRUCache
from larder_training.release.tables import write_dense, write_keyed

SIZES = [0, 1, 2, 255, 256, 257, 512, 10_000]
names = itertools.count()


@pytest.fixture(params=["local", "remote"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Reader]]:
    """Opens a file as a memory map, or as an object in a store."""
    readers: list[MappedFile] = []

    def open_file(path: Path) -> Reader:
        if request.param == "remote":
            store = open_store("memory://")
            store.put("table", path.read_bytes())
            return StoreReader(store, "table", path.stat().st_size)
        readers.append(MappedFile(path))
        return readers[-1]

    yield open_file
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("rows", SIZES)
def test_a_keyed_table_is_a_dict(
    rows: int, tmp_path: Path, toy: Callable[..., Any], as_dict: Callable[..., Any], opened: Callable[[Path], Reader]
) -> None:
    users = toy(rows)
    spec = write_keyed(tmp_path / "users.safetensors", *users)
    table = KeyedTable.open(opened(tmp_path / "users.safetensors"), spec)
    assert len(table) == rows
    assert {user: table.lookup(user) for user in users[0]} == as_dict(users)
    assert [table.lookup(f"unknown {number}") for number in range(50)] == [None] * 50
    assert table.lookup("") is None
    table.check(1000)


@pytest.mark.parametrize("rows", SIZES)
def test_a_dense_table_is_a_list(
    rows: int, tmp_path: Path, toy: Callable[..., Any], as_dict: Callable[..., Any], opened: Callable[[Path], Reader]
) -> None:
    users = toy(rows, width=5)
    spec = write_dense(tmp_path / "neighbours.safetensors", *users[1:])
    table = DenseTable.open(opened(tmp_path / "neighbours.safetensors"), spec)
    assert len(table) == rows
    expected = list(as_dict(users).values())
    assert table.rows(range(rows)) == expected
    assert [table.row(number) for number in range(0, rows, 17)] == expected[::17]
    assert table.rows([]) == []
    for number in (-1, rows, 2**32):
        with pytest.raises(InvalidTable, match=rf"row {number} does not exist: there are {rows}; train and publish"):
            table.rows([number])
    table.check(1000)


def test_rows_come_in_the_requested_order_with_repetitions(
    tmp_path: Path, toy: Callable[..., Any], opened: Callable[[Path], Reader]
) -> None:
    spec = write_dense(tmp_path / "neighbours.safetensors", *toy(9)[1:])
    table = DenseTable.open(opened(tmp_path / "neighbours.safetensors"), spec)
    assert table.rows([7, 2, 7, 0]) == [table.row(7), table.row(2), table.row(7), table.row(0)]


@st.composite
def users(draw: st.DrawFn) -> tuple[int, dict[str, list[tuple[int, float]]]]:
    """A width, and rows of up to that many slots for any texts."""
    width = draw(st.integers(1, 4))
    score = st.floats(width=16, allow_nan=False, allow_infinity=False)
    slots = st.lists(st.tuples(st.integers(0, EMPTY - 1), score), max_size=width)
    return width, draw(st.dictionaries(st.text(), slots, max_size=30))


@given(users(), st.lists(st.text()))
def test_any_text_gets_its_own_row_and_no_other(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[int, dict[str, list[tuple[int, float]]]],
    others: list[str],
) -> None:
    width, rows = drawn
    padded = [[*slots, *[(EMPTY, 0.0)] * (width - len(slots))] for slots in rows.values()]
    items = np.array([[item for item, _ in row] for row in padded], np.uint32).reshape(-1, width)
    scores = np.array([[score for _, score in row] for row in padded]).reshape(-1, width)
    path = tmp_path_factory.getbasetemp() / f"property-{next(names)}.safetensors"
    spec = write_keyed(path, list(rows), items, scores)
    with MappedFile(path) as reader:
        table = KeyedTable.open(reader, spec)
        for key, slots in rows.items():
            row = table.lookup(key)
            assert row is not None
            assert list(zip(*row, strict=True)) == slots
        for key in others:
            assert (table.lookup(key) is None) == (key not in rows)
    path.unlink()


def test_the_first_and_last_keys_of_blocks_are_found(tmp_path: Path, toy: Callable[..., Any]) -> None:
    keys, items, scores = toy(700)
    spec = write_keyed(tmp_path / "users.safetensors", keys, items, scores)
    ordered = sorted(keys, key=hash_key)
    with MappedFile(tmp_path / "users.safetensors") as reader:
        table = KeyedTable.open(reader, spec)
        for index in (0, 255, 256, 511, 512, 699):
            assert table.lookup(ordered[index]) is not None


def test_half_a_surrogate_pair_is_an_unknown_text(tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(300))
    with MappedFile(tmp_path / "users.safetensors") as reader:
        assert KeyedTable.open(reader, spec).lookup("\ud800") is None


def test_a_key_is_the_digest_of_the_format() -> None:
    # printf anna | b2sum -l 64, read from the last byte to the first
    assert hash_key("anna") == 0x8C4A844BCC7444D0
    assert hash_key("") != hash_key(" ")


def test_many_threads_read_one_table(tmp_path: Path, toy: Callable[..., Any], as_dict: Callable[..., Any]) -> None:
    users = toy(2000)
    spec = write_keyed(tmp_path / "users.safetensors", *users)
    store = open_store(f"file://{tmp_path}")
    remote = KeyedTable.open(StoreReader(store, spec.file), spec)
    with MappedFile(tmp_path / spec.file) as reader, ThreadPoolExecutor(8) as pool:
        local = KeyedTable.open(reader, spec)
        for table in (local, remote):
            assert dict(zip(users[0], pool.map(table.lookup, users[0]), strict=True)) == as_dict(users)


def test_memory_is_bounded(tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(2000))
    table = KeyedTable.open(StoreReader(open_store(f"file://{tmp_path}"), spec.file), spec)
    before = table.nbytes
    for cache in (table._rows._cache, table._numbers):
        cache._limit = 100
    for number in range(2000):
        table.lookup(f"Nutzer {number} ü")
    assert table.nbytes == before + 100 * (6 * spec.width + 2 * ENTRY_BYTES)


def test_the_least_cachely_used_value_is_evicted() -> None:
    cache: LRUCache[str] = LRUCache(2)
    cache.put(1, "a")
    cache.put(2, "b")
    assert cache.get(1) == "a"
    cache.put(3, "c")
    assert [cache.get(key) for key in (1, 2, 3)] == ["a", None, "c"]


def test_a_file_that_is_shorter_than_the_manifests_head_is_refused(tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(300))
    more = TableSpec(spec.file, spec.rows, spec.width, spec.head_bytes + 2**19)
    with MappedFile(tmp_path / spec.file) as reader, pytest.raises(InvalidTable, match="it ends at byte"):
        KeyedTable.open(reader, more)
