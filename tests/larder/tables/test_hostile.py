"""Broken files: each is refused with its own message, and any bytes are either read or refused."""

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from larder.errors import InvalidTable
from larder.release.serving import TableSpec
from larder.tables import DenseTable, KeyedTable, MappedFile, parse_header
from larder.tables.vocabulary import Vocabulary

HERE = Path(__file__).parent
EXPECTED: dict[str, dict[str, Any]] = json.loads((HERE / "hostile" / "expected.json").read_text())


def read_all(path: Path, how: dict[str, Any]) -> list[object]:
    """Reads the whole table; returns all rows or values."""
    with MappedFile(path) as reader:
        if how["open"] == "vocabulary":
            return read_vocabulary(Vocabulary.open(reader), how["act"])
        spec = TableSpec(path.name, how["rows"], how["width"], how["head_bytes"])
        table: KeyedTable | DenseTable
        if how["open"] == "keyed":
            table = users = KeyedTable.open(reader, spec)
            rows: list[object] = [users.lookup(text) for text in how.get("texts", ("a", "b", "c"))]
        else:
            table = neighbours = DenseTable.open(reader, spec)
            rows = [neighbours.row(number) for number in range(len(neighbours))]
        if how["act"] == "check":
            table.check(3)
        return rows


def read_vocabulary(items: Vocabulary, act: str) -> list[object]:
    values: list[object] = [items.id(number) for number in range(len(items))]
    values += [items.value(column, number) for column in items.columns for number in range(len(items))]
    values += [items.number(item) for item in ("x", "y", "z")]
    if act == "check":
        items.check()
    return values


@pytest.mark.parametrize("name", EXPECTED)
def test_a_broken_file_is_refused_with_its_reason(name: str, hostile: SimpleNamespace) -> None:
    with pytest.raises(InvalidTable, match=r"train and publish the release again\.$") as caught:
        read_all(hostile.folder / f"{name}.safetensors", EXPECTED[name])
    assert EXPECTED[name]["message"] in str(caught.value)


def test_the_files_are_those_that_the_script_writes(hostile: SimpleNamespace, tmp_path: Path) -> None:
    hostile.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in hostile.folder.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (hostile.folder / path.name).read_bytes(), path.name


@pytest.mark.parametrize("kind", ["dense", "keyed", "vocabulary"])
def test_the_files_without_the_faults_are_valid(kind: str, hostile: SimpleNamespace, tmp_path: Path) -> None:
    # Otherwise all broken files could be refused for a fault that they share.
    case = hostile.Case("good", getattr(hostile, kind)(), "", kind, "check")
    (tmp_path / "good.safetensors").write_bytes(case.file.dump())
    assert read_all(tmp_path / "good.safetensors", case.expected())


def test_the_faults_have_different_messages() -> None:
    assert len({entry["message"] for entry in EXPECTED.values()}) >= 50


def test_a_header_of_a_hundred_thousand_brackets_is_refused() -> None:
    head = b'{"a":' + b"[" * 100_000
    data = len(head).to_bytes(8, "little") + head
    with pytest.raises(InvalidTable, match="is not JSON"):
        parse_header(data, len(data), "deep.safetensors")


@pytest.mark.parametrize("name", ["users", "neighbours"])
def test_a_flipped_bit_of_a_head_never_gives_a_wrong_row(name: str, golden: SimpleNamespace, tmp_path: Path) -> None:
    spec = golden.write(tmp_path)[name]
    how = {
        "open": "keyed" if name == "users" else "dense",
        "act": "look-up",
        "rows": spec.rows,
        "width": spec.width,
        "head_bytes": spec.head_bytes,
        "texts": list(golden.USERS),
    }
    data = (golden.folder / spec.file).read_bytes()
    expected = list((golden.USERS if name == "users" else dict(enumerate(golden.NEIGHBOURS))).values())
    refused = 0
    for position, bit in ((position, bit) for position in range(spec.head_bytes) for bit in range(8)):
        broken = bytearray(data)
        broken[position] ^= 1 << bit
        (tmp_path / spec.file).write_bytes(broken)
        try:
            rows = read_all(tmp_path / spec.file, how)
        except InvalidTable:
            refused += 1
            continue
        # A flip in the sparse index can send a look-up to the wrong block, which finds no row.
        assert all(row in {None, correct} for row, correct in zip(rows, expected, strict=True))
        assert position >= spec.head_bytes - 8 or rows == expected
    assert refused > 8 * (spec.head_bytes - 24)


@pytest.mark.parametrize("name", ["users", "neighbours", "items"])
def test_changed_bytes_are_read_or_refused(name: str, golden: SimpleNamespace, tmp_path: Path) -> None:
    specs = golden.write(tmp_path)
    path = tmp_path / f"{name}.safetensors"
    data, draw = path.read_bytes(), random.Random(name)
    how: dict[str, Any] = {
        "open": {"users": "keyed", "neighbours": "dense", "items": "vocabulary"}[name],
        "act": "check",
    }
    if name in specs:
        how |= {"rows": specs[name].rows, "width": 2, "head_bytes": specs[name].head_bytes, "texts": list(golden.USERS)}
    outcomes = set()
    for _ in range(800):
        broken = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        path.write_bytes(broken)
        try:
            read_all(path, how)
            outcomes.add("read")
        except InvalidTable:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
