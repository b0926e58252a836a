"""The bytes of the format: they stay the same, written and read, for as long as the format has its number."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from larder.errors import InvalidTable
from larder.tables import DenseTable, KeyedTable, MappedFile, Strings, parse_header, read_exactly
from larder.tables.vocabulary import Vocabulary

FILES = ["items.safetensors", "neighbours.safetensors", "probes.safetensors", "users.safetensors"]


def test_the_writers_still_write_these_bytes(golden: SimpleNamespace, tmp_path: Path) -> None:
    golden.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (golden.folder / name).read_bytes(), name


def test_the_same_input_always_gives_the_same_bytes(golden: SimpleNamespace, tmp_path: Path) -> None:
    # The safetensors library orders metadata by a hash that differs from call to call.
    for _ in range(20):
        golden.write(tmp_path)
        assert (tmp_path / "items.safetensors").read_bytes() == (golden.folder / "items.safetensors").read_bytes()


def test_users_and_neighbours_are_read(golden: SimpleNamespace, tmp_path: Path) -> None:
    specs = golden.write(tmp_path)
    with MappedFile(golden.folder / "users.safetensors") as reader:
        users = KeyedTable.open(reader, specs["users"])
        assert {user: users.lookup(user) for user in golden.USERS} == golden.USERS
        assert users.lookup("carl") is None
    with MappedFile(golden.folder / "neighbours.safetensors") as reader:
        assert DenseTable.open(reader, specs["neighbours"]).rows(range(3)) == golden.NEIGHBOURS


def test_the_vocabulary_is_read(golden: SimpleNamespace) -> None:
    with MappedFile(golden.folder / "items.safetensors") as reader:
        vocabulary = Vocabulary.open(reader)
        assert [vocabulary.id(number) for number in range(len(vocabulary))] == golden.IDS
        assert [vocabulary.number(item) for item in golden.IDS] == [0, 1, 2]
        assert dict(vocabulary.columns) == {name: kind for name, (kind, _) in golden.COLUMNS.items()}
        for name, (_, values) in golden.COLUMNS.items():
            assert [vocabulary.value(name, number) for number in range(3)] == values


def test_probes_are_read(golden: SimpleNamespace) -> None:
    with MappedFile(golden.folder / "probes.safetensors") as reader:
        data = read_exactly(reader, 0, reader.size, "probes.safetensors")
        header = parse_header(data, reader.size)
        header.require("probes")
        requests, answers = Strings(data, header, "request"), Strings(data, header, "answer")
        assert [requests[number] for number in range(len(requests))] == golden.REQUESTS
        assert [answers.text(number) for number in range(len(answers))] == golden.ANSWERS
        tensor = header.tensor("probabilities", "F32", (2, None))
        assert data[tensor.start : tensor.end].cast("f").tolist() == golden.PROBABILITIES.ravel().tolist()


@pytest.mark.parametrize("name", FILES)
def test_tensors_are_aligned(golden: SimpleNamespace, name: str) -> None:
    # numpy and a C reader may map them in place.
    data = (golden.folder / name).read_bytes()
    header = parse_header(data, len(data))
    size = {"U8": 1, "U32": 4, "F32": 4, "U64": 8, "F64": 8}
    assert header.data_start % 8 == 0
    assert all(tensor.start % size[tensor.dtype] == 0 for tensor in header.tensors.values())


@pytest.mark.parametrize("name", FILES)
def test_a_table_truncated_anywhere_is_refused(golden: SimpleNamespace, name: str) -> None:
    data = (golden.folder / name).read_bytes()
    for length in range(len(data)):
        with pytest.raises(InvalidTable, match=r"publish the release again\.$"):
            parse_header(data[:length], length, name)
