"""Rows of (item, score) slots: by number (``DenseTable``) or by text (``KeyedTable``)."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from larder.release.serving import TableSpec
from larder.tables.header import MAX_HEADER_BYTES, PREFIX_BYTES, Header, parse_header
from larder.tables.reader import Reader, invalid, read_exactly
from larder.tables.rows import ENTRY_BYTES, Recent, Row, Rows

BLOCK: Final = 256  # keys to one entry of the sparse index
_KEY_BYTES: Final = 8


def hash_key(text: str) -> int:
    """The 64-bit key of ``text``: BLAKE2b of its UTF-8, 8 bytes, little endian."""
    # A request's JSON can hold half a surrogate pair; its hash is as unknown as that text, and no error.
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


class DenseTable:
    """A row for each number from 0 up. Reading is thread-safe."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @classmethod
    def open(cls, reader: Reader, spec: TableSpec) -> "DenseTable":
        """Reads the head (one read) and checks it against ``spec``; raises InvalidTable where they disagree."""
        header, _ = _open_head(reader, spec, "dense", ("rows",), spec.head_bytes)
        return cls(Rows(reader, spec, header))

    def __len__(self) -> int:
        return self._rows.spec.rows

    @property
    def nbytes(self) -> int:
        """Bytes of memory that this table holds, mapped pages not counted."""
        return self._rows.nbytes

    def row(self, number: int) -> Row:
        """Row ``number``, in one read; raises InvalidTable where there is none or its bytes are malformed."""
        return self._rows.row(number)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of ``numbers``, in that order, in one round trip; raises as ``row``."""
        return self._rows.read(numbers)

    def among(self, numbers: Sequence[int], wanted: set[int]) -> list[dict[int, float]]:
        """Of each row of ``numbers`` the slots whose items are ``wanted``, item to score, in one round trip.

        A malformed row is not told here: only what is wanted of it is looked at. Raises InvalidTable for a number that
        is no row's.
        """
        return self._rows.among(numbers, wanted)

    def check(self, items: int) -> None:
        """Reads every row; raises InvalidTable at the first that is malformed or names an item from ``items`` up."""
        self._rows.check(items)


class KeyedTable:
    """A row for each known text. Holds the sparse index alone; reading is thread-safe.

    The key is a 64-bit hash: a text that is in no table finds another's row once in ``2**64 / rows`` look-ups.
    """

    __slots__ = ("_index", "_keys_start", "_numbers", "_rows")

    def __init__(self, rows: Rows, index: memoryview, keys_start: int) -> None:
        self._rows = rows
        self._index = index
        self._keys_start = keys_start
        self._numbers: Recent[int] = Recent(rows.cached)

    @classmethod
    def open(cls, reader: Reader, spec: TableSpec) -> "KeyedTable":
        """Reads the head (one read) and checks it against ``spec``; raises InvalidTable where they disagree."""
        blocks = -(-spec.rows // BLOCK)
        index_start = spec.head_bytes - blocks * _KEY_BYTES
        header, head = _open_head(reader, spec, "keyed", ("index", "keys", "rows"), index_start)
        index = header.tensor("index", "U64", (blocks,))
        keys = header.tensor("keys", "U64", (spec.rows,))
        if not index.start == header.data_start <= index.end == keys.start:
            raise invalid(spec.file, "its tensors do not lie in the order index, keys, rows")
        return cls(Rows(reader, spec, header), head[index.start : index.end].cast("Q"), keys.start)

    def __len__(self) -> int:
        return self._rows.spec.rows

    @property
    def nbytes(self) -> int:
        """Bytes of memory that this table holds, mapped pages not counted."""
        return self._index.nbytes + self._rows.nbytes + len(self._numbers) * ENTRY_BYTES

    def lookup(self, text: str) -> Row | None:
        """The row of ``text``, or None where it is unknown: at most two reads, at most one for an unknown text.

        Raises InvalidTable where the bytes are malformed.
        """
        key = hash_key(text)
        number = self._numbers.get(key)
        if number is None:
            number = self._find(key)
            self._numbers.put(key, number)
        return None if number < 0 else self._rows.row(number)

    def _find(self, key: int) -> int:
        block = bisect_right(self._index, key) - 1
        if block < 0:
            return -1
        keys = self._block(block)
        at = bisect_left(keys, key)
        return block * BLOCK + at if at < len(keys) and keys[at] == key else -1

    def _block(self, block: int) -> memoryview:
        first, spec = block * BLOCK, self._rows.spec
        length = min(BLOCK, spec.rows - first) * _KEY_BYTES
        keys = read_exactly(self._rows.reader, self._keys_start + first * _KEY_BYTES, length, spec.file).cast("Q")
        if keys[0] != self._index[block]:
            raise invalid(spec.file, f"entry {block} of its index is not the key of row {first}")
        return keys

    def check(self, items: int) -> None:
        """Reads every key and row; raises InvalidTable where keys do not ascend, the index is not made of them, or a
        row is malformed or names an item from ``items`` up.
        """
        last = -1
        for block in range(len(self._index)):
            keys = self._block(block).tolist()
            if keys[0] <= last or any(left >= right for left, right in pairwise(keys)):
                raise invalid(self._rows.spec.file, f"its keys do not ascend within rows {block * BLOCK} and up")
            last = keys[-1]
        self._rows.check(items)


def _open_head(
    reader: Reader, spec: TableSpec, table: str, names: tuple[str, ...], data_start: int
) -> tuple[Header, memoryview]:
    """The checked header and the head's bytes. ``data_start`` is where the manifest's numbers say the header ends."""
    if not PREFIX_BYTES <= data_start <= PREFIX_BYTES + MAX_HEADER_BYTES:
        raise invalid(spec.file, f"head_bytes {spec.head_bytes} cannot be right for {spec.rows} rows")
    head = read_exactly(reader, 0, spec.head_bytes, spec.file)
    header = parse_header(head, reader.size, spec.file)
    header.require(table)
    if header.data_start != data_start:
        raise invalid(
            spec.file, f"its header ends at byte {header.data_start}, the manifest's head_bytes mean {data_start}"
        )
    if header.tensors.keys() != set(names):
        raise invalid(spec.file, f"it holds {sorted(header.tensors)}, not {', '.join(names)}")
    return header, head
