"""Write ``hostile/``: small broken files, and ``expected.json``, which says how to read each and which error it gives.

    .venv/bin/python tests/larder/tables/make_hostile.py tests/larder/tables/hostile

Each case is a valid file, written without Larder's code, with one fault. To add one, add it to ``cases`` and run this.
An entry of ``expected.json`` has ``open``, how to read the file (``dense``, ``keyed`` or ``vocabulary``); ``rows``,
``width`` and ``head_bytes``, as a manifest states them; ``act``, what to do after opening it (``look-up`` reads
everything, ``check`` is the check of a rollout); and ``message``, a part of the error message.
"""

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any

EMPTY = 0xFFFFFFFF
LETTERS = {"U8": "B", "U32": "I", "U64": "Q", "I64": "q", "F64": "d"}


def key_of(text: str) -> int:
    """The 64-bit key of a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def row(*slots: tuple[int, float]) -> bytes:
    """One row of (item, score) slots."""
    return struct.pack(f"<{len(slots)}I{len(slots)}e", *(item for item, _ in slots), *(score for _, score in slots))


USERS = sorted(("a", "b"), key=key_of)
KEYS = [key_of(user) for user in USERS]
ROWS = row((0, 1.0), (1, 0.5)) + row((1, 0.25), (EMPTY, 0.0))
ITEMS = ["x", "y"]


@dataclass
class File:
    """A safetensors file to be written: tensors as (dtype, shape, bytes), in the order of the file."""

    tensors: dict[str, tuple[str, list[int], bytes]]
    metadata: object
    entries: dict[str, Any] = field(default_factory=dict)  # replaces the header's entry of a tensor
    raw: bytes | None = None  # replaces the header
    length: int | None = None  # replaces the header's length
    tail: bytes = b""
    cut: int = 0  # bytes to remove at the end

    def header(self) -> dict[str, Any]:
        """The header as an object."""
        ends = list(accumulate(len(data) for _, _, data in self.tensors.values()))
        entries = {
            name: {"dtype": dtype, "shape": shape, "data_offsets": [end - len(data), end]}
            for (name, (dtype, shape, data)), end in zip(self.tensors.items(), ends, strict=True)
        }
        return {"__metadata__": self.metadata, **entries, **self.entries}

    def head(self) -> bytes:
        """The header as bytes, padded as the safetensors library pads it."""
        if self.raw is not None:
            return self.raw
        text = json.dumps(self.header(), separators=(",", ":")).encode()
        return text.ljust(-(-len(text) // 8) * 8)

    def dump(self) -> bytes:
        """The file."""
        head = self.head()
        length = len(head) if self.length is None else self.length
        data = length.to_bytes(8, "little") + head + b"".join(data for _, _, data in self.tensors.values()) + self.tail
        return data[: len(data) - self.cut]


def array(dtype: str, values: list[Any]) -> tuple[str, list[int], bytes]:
    """A one-dimensional tensor."""
    return dtype, [len(values)], struct.pack(f"<{len(values)}{LETTERS[dtype]}", *values)


def strings(name: str, values: list[bytes]) -> dict[str, tuple[str, list[int], bytes]]:
    """A column of strings."""
    offsets = [0, *accumulate(len(value) for value in values)]
    return {f"{name}.offsets": array("U64", offsets), f"{name}.bytes": array("U8", list(b"".join(values)))}


def dense() -> File:
    """A valid dense table: two rows, two slots."""
    return File({"rows": ("U8", [2, 12], ROWS)}, {"larder_format": "1", "table": "dense"})


def keyed() -> File:
    """A valid keyed table: users a and b."""
    tensors = {"index": array("U64", KEYS[:1]), "keys": array("U64", KEYS), "rows": ("U8", [2, 12], ROWS)}
    return File(tensors, {"larder_format": "1", "table": "keyed"})


def vocabulary() -> File:
    """A valid vocabulary: items x and y, one text and one number column."""
    order = sorted(range(2), key=lambda number: key_of(ITEMS[number]))
    tensors = {
        **strings("id", [item.encode() for item in ITEMS]),
        "key.hashes": array("U64", [key_of(ITEMS[number]) for number in order]),
        "key.numbers": array("U32", order),
        "column.C.codes": array("U32", [0, EMPTY]),
        **strings("column.C.values", [b"red"]),
        "column.P.numbers": array("F64", [1.5, float("nan")]),
    }
    columns = json.dumps({"C": "category", "P": "number"})
    return File(tensors, {"larder_format": "1", "table": "vocabulary", "columns": columns})


@dataclass(frozen=True)
class Case:
    """One broken file and how to read it."""

    name: str
    file: File
    message: str
    open: str = "dense"
    act: str = "look-up"
    rows: int = 2
    width: int = 2
    head_bytes: int | None = None  # None: the correct value

    def expected(self) -> dict[str, Any]:
        """Its entry of expected.json."""
        index = 8 * -(-self.rows // 256) if self.open == "keyed" else 0
        head_bytes = 8 + len(self.file.head()) + index if self.head_bytes is None else self.head_bytes
        entry = {"open": self.open, "act": self.act, "message": self.message}
        if self.open == "vocabulary":
            return entry
        return {**entry, "rows": self.rows, "width": self.width, "head_bytes": head_bytes}


def with_rows(entry: object) -> File:
    """The dense table whose header has ``entry`` for its rows."""
    return replace(dense(), entries={"rows": entry})


def headed(text: str) -> File:
    """The dense table with this text as its header."""
    return replace(dense(), raw=text.encode())


def changed(file: File, **tensors: tuple[str, list[int], bytes]) -> File:
    """``file`` with some tensors replaced; in names, a double underscore stands for a dot."""
    return replace(
        file, tensors={**file.tensors, **{name.replace("__", "."): value for name, value in tensors.items()}}
    )


def without(file: File, name: str) -> File:
    """``file`` without one tensor."""
    return replace(file, tensors={key: value for key, value in file.tensors.items() if key != name})


def header_cases() -> Iterator[Case]:
    """Faults of a header, independent of the table."""
    good = {"dtype": "U8", "shape": [2, 12], "data_offsets": [0, 24]}
    text = dense().head().decode()
    yield Case("empty", replace(dense(), cut=len(dense().dump())), "ends at byte 0")
    yield Case("four-bytes", replace(dense(), cut=len(dense().dump()) - 4), "ends at byte 4")
    yield Case("header-over-limit", replace(dense(), length=2**20 + 1), "the limit is 1048576")
    yield Case("header-of-exabytes", replace(dense(), length=2**64 - 1), "the limit is 1048576")
    yield Case("header-past-the-end", replace(dense(), length=4096), "goes past its end")
    yield Case("header-empty", replace(dense(), raw=b""), "does not begin with '{'")
    yield Case("header-a-list", headed("[1]     "), "does not begin with '{'")
    yield Case("header-begins-with-a-space", headed(" " + text), "does not begin with '{'")
    yield Case("header-not-utf8", replace(dense(), raw=b'{"\xff\xfe": 1}'), "is not UTF-8")
    yield Case("header-cut", headed(text[:40]), "is not JSON")
    yield Case("header-with-more-after-it", headed(text.rstrip() + "{}"), "is not JSON")
    yield Case("header-number-too-long", headed('{"rows": ' + "9" * 5000 + "}"), "is not JSON")
    yield Case("nan", with_rows({**good, "shape": [float("nan"), 12]}), "NaN is not a JSON number")
    yield Case("infinity", with_rows({**good, "shape": [float("inf"), 12]}), "Infinity is not a JSON number")
    yield Case("name-twice", headed(text.rstrip()[:-1] + ',"rows":' + json.dumps(good) + "}"), "has a duplicate name")
    yield Case("field-twice", headed(text.replace('"dtype":"U8"', '"dtype":"U8","dtype":"U8"')), "has a duplicate name")
    yield Case("metadata-a-list", replace(dense(), metadata=["1"]), "__metadata__ is not an object of texts")
    yield Case("metadata-a-number", replace(dense(), metadata={"larder_format": 1}), "is not an object of texts")
    yield Case("tensor-a-list", with_rows([]), "is not an object of dtype, shape and data_offsets")
    yield Case("tensor-without-shape", with_rows({"dtype": "U8", "data_offsets": [0, 24]}), "is not an object of dtype")
    yield Case("tensor-with-more", with_rows({**good, "url": "x"}), "is not an object of dtype")
    yield Case("dtype-unknown", with_rows({**good, "dtype": "U9"}), "the unknown dtype 'U9'")
    yield Case("dtype-a-list", with_rows({**good, "dtype": ["U8"]}), "the unknown dtype ['U8']")
    yield Case("shape-negative", with_rows({**good, "shape": [-2, -12]}), "the shape [-2, -12]")
    yield Case("shape-fraction", with_rows({**good, "shape": [2.0, 12]}), "the shape [2.0, 12]")
    yield Case("shape-boolean", with_rows({**good, "shape": [True, 24]}), "the shape [True, 24]")
    yield Case("shape-a-text", with_rows({**good, "shape": "24"}), "the shape '24'")
    yield Case("shape-too-large", with_rows({**good, "shape": [2**62, 2**62]}), "does not match its shape and dtype")
    yield Case("offsets-descend", with_rows({**good, "data_offsets": [24, 0]}), "the data_offsets [24, 0]")
    yield Case("offsets-negative", with_rows({**good, "data_offsets": [-24, 0]}), "the data_offsets [-24, 0]")
    yield Case("offsets-of-three", with_rows({**good, "data_offsets": [0, 24, 24]}), "the data_offsets [0, 24, 24]")
    yield Case("hole", replace(with_rows({**good, "data_offsets": [8, 32]}), tail=bytes(8)), "begins at byte")
    more = {"more": {"dtype": "U8", "shape": [4], "data_offsets": [20, 24]}}
    yield Case("overlap", replace(dense(), entries=more), "where the previous one ends")
    yield Case("cut-short", replace(dense(), cut=1), "it is truncated")
    yield Case("bytes-after-the-last-tensor", replace(dense(), tail=b"\0"), "it has 1 bytes after its last tensor")


def table_cases() -> Iterator[Case]:
    """Valid safetensors files that are not the expected table."""
    future = {"larder_format": "2", "table": "dense"}
    yield Case("future-format", replace(dense(), metadata=future), "its larder_format is '2'")
    yield Case("no-format", replace(dense(), metadata={}), "its larder_format is None")
    yield Case("keyed-as-dense", keyed(), "a table of kind 'keyed', not 'dense'")
    yield Case("no-rows", without(dense(), "rows"), "it has the tensors []")
    yield Case("one-tensor-more", changed(dense(), more=array("U8", [1])), "it has the tensors ['more', 'rows']")
    yield Case("fewer-rows", dense(), "not U8 [3, 12]", rows=3)
    yield Case("other-width", dense(), "not U8 [2, 18]", width=3)
    yield Case("head-too-short", dense(), "its header ends at byte", head_bytes=100)
    yield Case("head-too-long", dense(), "by the manifest's head_bytes", head_bytes=8 + len(dense().head()) + 8)
    yield Case("head-of-terabytes", dense(), "head_bytes 1099511627776 are impossible", head_bytes=2**40)
    yield Case("head-shorter-than-index", keyed(), "are impossible for 2 rows", open="keyed", head_bytes=8)
    yield Case("many-rows-said", keyed(), "before byte 34359738608", open="keyed", rows=2**40)
    signed = changed(keyed(), keys=array("I64", [1, 2]))
    yield Case("signed-keys", signed, "tensor 'keys' is I64 [2], not U64 [2]", open="keyed")
    tensors = keyed().tensors
    swapped = {name: tensors[name] for name in ("keys", "index", "rows")}
    yield Case("keys-before-index", replace(keyed(), tensors=swapped), "are not in the order", open="keyed")
    index = changed(keyed(), index=array("U64", [KEYS[0] - 1]))
    yield Case("index-not-of-keys", index, "entry 0 of its index is not the key of row 0", open="keyed")
    for name, values in (("keys-descend", KEYS[::-1]), ("key-twice", KEYS[:1] * 2)):
        broken = changed(keyed(), index=array("U64", values[:1]), keys=array("U64", values))
        yield Case(name, broken, "its keys do not ascend", open="keyed", act="check")
    for name, score in (("score-nan", float("nan")), ("score-infinite", float("-inf"))):
        broken = changed(dense(), rows=("U8", [2, 12], ROWS[:12] + row((0, score), (1, 0.0))))
        yield Case(name, broken, "row 1 has a score that is not finite")
    both = row((0, float("inf")), (1, float("-inf")))
    yield Case("scores-infinite-both-ways", changed(dense(), rows=("U8", [2, 12], both * 2)), "is not finite")
    gap = changed(dense(), rows=("U8", [2, 12], ROWS[:12] + row((EMPTY, 0.0), (1, 1.0))))
    yield Case("gap-in-a-row", gap, "row 1 has a used slot after an unused one")
    beyond = changed(dense(), rows=("U8", [2, 12], ROWS[:12] + row((3, 1.0), (1, 1.0))))
    yield Case("item-beyond-all", beyond, "row 1 has item 3, but there are 3 items", act="check")


def vocabulary_cases() -> Iterator[Case]:
    """A vocabulary whose parts do not match."""

    def case(name: str, message: str, act: str = "look-up", **tensors: tuple[str, list[int], bytes]) -> Case:
        return Case(name, changed(vocabulary(), **tensors), message, "vocabulary", act)

    def with_columns(name: str, columns: str, message: str) -> Case:
        metadata = {"larder_format": "1", "table": "vocabulary", "columns": columns}
        return Case(name, replace(vocabulary(), metadata=metadata), message, "vocabulary")

    numbers = list(struct.unpack("<2I", vocabulary().tensors["key.numbers"][2]))
    hashes = list(struct.unpack("<2Q", vocabulary().tensors["key.hashes"][2]))
    yield Case("dense-as-vocabulary", dense(), "a table of kind 'dense', not 'vocabulary'", "vocabulary")
    yield Case("no-ids", without(vocabulary(), "id.offsets"), "it has no tensor 'id.offsets'", "vocabulary")
    yield case("offsets-none", "id.offsets do not start at 0", id__offsets=array("U64", []))
    yield case("offsets-past-the-bytes", "do not start at 0 and end at 2", id__offsets=array("U64", [0, 1, 3]))
    yield case("offsets-out-of-order", "id.offsets go from 0 to 9 at 0", id__offsets=array("U64", [0, 9, 2]))
    yield case("id-not-utf8", "id 0 is not UTF-8", id__bytes=array("U8", [0xFF, 0x79]))
    yield case("hashes-too-few", "tensor 'key.hashes' is U64 [1]", key__hashes=array("U64", hashes[:1]))
    yield case("number-beyond-all", "is that of item 7, but there are 2 items", key__numbers=array("U32", [7, 7]))
    yield case("numbers-swapped", "cannot be looked up by its id", "check", key__numbers=array("U32", numbers[::-1]))
    yield case("hashes-descend", "key.hashes do not ascend", "check", key__hashes=array("U64", hashes[::-1]))
    yield case("codes-too-many", "is U32 [3], not U32 [2]", column__C__codes=array("U32", [0, 0, 0]))
    yield case(
        "code-beyond-all", "item 1 has code 1 in 'C', but there are 1 values", column__C__codes=array("U32", [0, 1])
    )
    yield case("number-infinite", "item 0 is infinite in 'P'", column__P__numbers=array("F64", [float("inf"), 0.0]))
    yield with_columns("columns-not-json", "{", "its columns are not JSON")
    yield with_columns("columns-a-list", "[]", "its columns are not an object")
    yield with_columns("column-of-no-type", '{"C": "colour"}', "its columns are not an object")
    yield with_columns("column-not-there", '{"D": "text"}', "it has no tensor 'column.D.codes'")


def cases() -> list[Case]:
    """All of them."""
    return [*header_cases(), *table_cases(), *vocabulary_cases()]


def write(folder: Path) -> None:
    """Writes each case's file, and expected.json."""
    for case in cases():
        (folder / f"{case.name}.safetensors").write_bytes(case.file.dump())
    expected = {case.name: case.expected() for case in cases()}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
