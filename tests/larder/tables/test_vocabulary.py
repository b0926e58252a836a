"""The vocabulary compared with lists, and unknown items and columns."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.release.serving import ColumnType
from larder.store import StoreReader, open_store
from larder.tables import MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.release.tables import write_vocabulary

paths = itertools.count()
Columns = dict[str, tuple[ColumnType, Sequence[object]]]


@st.composite
def vocabularies(draw: st.DrawFn) -> tuple[list[str], Columns]:
    """Ids, and columns of any names and values."""
    ids = draw(st.lists(st.text(min_size=1), unique=True, max_size=20))
    columns: Columns = {}
    for name in draw(st.lists(st.text(max_size=8), unique=True, max_size=4)):
        kind: ColumnType = draw(st.sampled_from(("category", "number", "text")))
        value: st.SearchStrategy[object] = st.text(max_size=5)
        if kind == "number":
            value = st.floats(allow_nan=False, allow_infinity=False)
        column = st.lists(st.none() | value, min_size=len(ids), max_size=len(ids))
        columns[name] = kind, draw(column)
    return ids, columns


@given(vocabularies(), st.lists(st.text()))
def test_ids_numbers_and_values_round_trip(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[str], Columns], others: list[str]
) -> None:
    ids, columns = drawn
    path = tmp_path_factory.getbasetemp() / f"vocabulary-{next(paths)}.safetensors"
    write_vocabulary(path, ids, columns)
    with MappedFile(path) as reader:
        vocabulary = Vocabulary.open(reader)
        vocabulary.check()
        assert len(vocabulary) == len(ids)
        assert [vocabulary.id(number) for number in range(len(ids))] == ids
        assert [vocabulary.number(item) for item in ids] == list(range(len(ids)))
        assert all((vocabulary.number(item) is None) == (item not in ids) for item in others)
        assert dict(vocabulary.columns) == {name: kind for name, (kind, _) in columns.items()}
        for name, (_, values) in columns.items():
            assert [vocabulary.value(name, number) for number in range(len(ids))] == values
    path.unlink()


@pytest.fixture
def items(tmp_path: Path) -> Path:
    """Three thousand items: a file large enough to be mapped."""
    path = tmp_path / "items.safetensors"
    ids = [f"Artikel {number} ü" for number in range(3000)]
    write_vocabulary(path, ids, {"PRICE": ("number", range(3000)), "BRAND": ("category", ["a", None, "b"] * 1000)})
    return path


def test_a_remote_vocabulary_is_read_once(items: Path) -> None:
    store = open_store(f"file://{items.parent}")
    reader = StoreReader(store, items.name, items.stat().st_size)
    vocabulary = Vocabulary.open(reader)
    assert reader.round_trips == 1
    assert vocabulary.number("Artikel 2999 ü") == 2999
    assert [vocabulary.value("BRAND", number) for number in (0, 1, 2)] == ["a", None, "b"]
    assert reader.round_trips == 1


def test_a_mapped_vocabulary_outlives_its_file(items: Path) -> None:
    with MappedFile(items) as reader:
        vocabulary = Vocabulary.open(reader)
    assert vocabulary.nbytes == items.stat().st_size
    assert vocabulary.value("PRICE", 7) == 7.0


def test_an_unknown_column_is_an_invalid_request(items: Path) -> None:
    with (
        MappedFile(items) as reader,
        pytest.raises(InvalidRequest, match=r"'COLOUR' is not a column .*: use one of BRAND, P"),
    ):
        Vocabulary.open(reader).value("COLOUR", 0)


def test_items_without_columns_say_so(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "items.safetensors", ["a"])
    with MappedFile(tmp_path / "items.safetensors") as reader, pytest.raises(InvalidRequest, match="have no columns"):
        Vocabulary.open(reader).value("COLOUR", 0)


@pytest.mark.parametrize("number", [-1, 3000])
def test_an_unknown_number_is_an_index_error(items: Path, number: int) -> None:
    with MappedFile(items) as reader:
        vocabulary = Vocabulary.open(reader)
        with pytest.raises(IndexError):
            vocabulary.id(number)
        for column in vocabulary.columns:
            with pytest.raises(IndexError):
                vocabulary.value(column, number)


def test_another_id_with_the_same_hash_is_unknown(items: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MappedFile(items) as reader:
        vocabulary = Vocabulary.open(reader)
        key = vocabulary._hashes[0]
        monkeypatch.setattr("larder.tables.vocabulary.hash_key", lambda _: key)
        item = vocabulary.id(vocabulary._numbers[0])
        assert vocabulary.number(item) == vocabulary._numbers[0]
        assert vocabulary.number("another") is None
