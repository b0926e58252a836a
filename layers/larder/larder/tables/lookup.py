"""Rows of (item, score) slots: by number (``DenseTable``) or by text (``KeyedTable``)."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from larder.release.serving import TableSpec
from larder.tables.header import MAX_HEADER_BYTES, PREFIX_BYTES, Header, parse_header
from larder.tables.reader import Reader, invalid, read_exactly
from larder.tables.rows import ENTRY_BYTES, LRUCache, Row, RowReader

BLOCK: Final = 256  # keys per entry of the sparse index
_KEY_BYTES: Final = 8


def hash_key(text: str) -> int:
    """The 64-bit key of ``text``: BLAKE2b of its UTF-8, 8 bytes, little endian."""
    # JSON can hold half a surrogate pair: its hash is unknown, like the text, and not an error.
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


class DenseTable:
    """Rows by number, from 0. Thread-safe."""

    __slots__ = ("_rows",)

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows

    @classmethod
    def open(cls, reader: Reader, spec: TableSpec) -> "DenseTable":
        """Read the head, in one read, and check it against ``spec``; raises InvalidTable if they differ."""
        header, _ = _open_head(reader, spec, "dense", ("rows",), spec.head_bytes)
        return cls(RowReader(reader, spec, header))

    def __len__(self) -> int:
        return self._rows.spec.rows

    @property
    def nbytes(self) -> int:
        """The memory that this table holds, in bytes, without mapped pages."""
        return self._rows.nbytes

    def row(self, number: int) -> Row:
        """Row ``number``, in one read; raises InvalidTable if it does not exist or is malformed."""
        return self._rows.row(number)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of ``numbers``, in that order, in one round trip; raises as ``row``."""
        return self._rows.read(numbers)

    def slots_of(self, numbers: Sequence[int], items: set[int]) -> list[dict[int, float]]:
        """For each row of ``numbers``, the score of each of ``items`` that it has, in one round trip.

        Only the scores of these items are read, so a malformed row may go unnoticed. Raises InvalidTable for a row that
        does not exist.
        """
        return self._rows.slots_of(numbers, items)

    def check(self, items: int) -> None:
        """Read all rows; raises InvalidTable for the first that is malformed or has an item of ``items`` or more."""
        self._rows.check(items)


class KeyedTable:
    """Rows by text. Only the sparse index is in memory. Thread-safe.

    The key is a 64-bit hash: an unknown text gets the row of another once in ``2**64 / rows`` look-ups.
    """

    __slots__ = ("_index", "_keys_start", "_numbers", "_rows")

    def __init__(self, rows: RowReader, index: memoryview, keys_start: int) -> None:
        self._rows = rows
        self._index = index
        self._keys_start = keys_start
        self._numbers: LRUCache[int] = LRUCache(rows.cached)

    @classmethod
    def open(cls, reader: Reader, spec: TableSpec) -> "KeyedTable":
        """Read the head, in one read, and check it against ``spec``; raises InvalidTable if they differ."""
        blocks = -(-spec.rows // BLOCK)
        index_start = spec.head_bytes - blocks * _KEY_BYTES
        header, head = _open_head(reader, spec, "keyed", ("index", "keys", "rows"), index_start)
        index = header.tensor("index", "U64", (blocks,))
        keys = header.tensor("keys", "U64", (spec.rows,))
        if not index.start == header.data_start <= index.end == keys.start:
            raise invalid(spec.file, "its tensors are not in the order index, keys, rows")
        return cls(RowReader(reader, spec, header), head[index.start : index.end].cast("Q"), keys.start)

    def __len__(self) -> int:
        return self._rows.spec.rows

    @property
    def nbytes(self) -> int:
        """The memory that this table holds, in bytes, without mapped pages."""
        return self._index.nbytes + self._rows.nbytes + len(self._numbers) * ENTRY_BYTES

    def lookup(self, text: str) -> Row | None:
        """The row of ``text``, or None if it is unknown: at most two reads, for an unknown text at most one.

        Raises InvalidTable if the bytes are malformed.
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
        index = bisect_left(keys, key)
        return block * BLOCK + index if index < len(keys) and keys[index] == key else -1

    def _block(self, block: int) -> memoryview:
        first, spec = block * BLOCK, self._rows.spec
        length = min(BLOCK, spec.rows - first) * _KEY_BYTES
        keys = read_exactly(self._rows.reader, self._keys_start + first * _KEY_BYTES, length, spec.file).cast("Q")
        if keys[0] != self._index[block]:
            raise invalid(spec.file, f"entry {block} of its index is not the key of row {first}")
        return keys

    def check(self, items: int, score_codes: int | None = None) -> None:
        """Read all keys and rows; raises InvalidTable if the keys do not ascend, the index does not match them, or a
        row is malformed or has an item of ``items`` or more; or a score that is not a whole number below
        ``score_codes``, if that is given.
        """
        last = -1
        for block in range(len(self._index)):
            keys = self._block(block).tolist()
            if keys[0] <= last or any(left >= right for left, right in pairwise(keys)):
                raise invalid(self._rows.spec.file, f"its keys do not ascend within rows {block * BLOCK} and up")
            last = keys[-1]
        self._rows.check(items, score_codes)


def _open_head(
    reader: Reader, spec: TableSpec, table: str, names: tuple[str, ...], data_start: int
) -> tuple[Header, memoryview]:
    """The checked header and the bytes of the head; the header must end at ``data_start``."""
    if not PREFIX_BYTES <= data_start <= PREFIX_BYTES + MAX_HEADER_BYTES:
        raise invalid(spec.file, f"the manifest's head_bytes {spec.head_bytes} are impossible for {spec.rows} rows")
    head = read_exactly(reader, 0, spec.head_bytes, spec.file)
    header = parse_header(head, reader.size, spec.file)
    header.require(table)
    if header.data_start != data_start:
        raise invalid(
            spec.file, f"its header ends at byte {header.data_start}, but at {data_start} by the manifest's head_bytes"
        )
    if header.tensors.keys() != set(names):
        raise invalid(spec.file, f"it has the tensors {sorted(header.tensors)}, not {', '.join(names)}")
    return header, head
