"""The rows of a table, by number: read, checked, unpacked, and of a remote table the latest kept."""

from collections import OrderedDict
from collections.abc import Sequence
from math import isfinite
from struct import Struct
from threading import Lock
from typing import Final, Generic, NamedTuple, TypeVar

from larder.release.serving import TableSpec
from larder.tables.header import Header
from larder.tables.reader import Buffer, MappedFile, Reader, check_length, invalid, read_exactly

EMPTY: Final = 0xFFFFFFFF
CACHED_BYTES: Final = 2**23  # of a remote table: what was read once is not read again soon
ENTRY_BYTES: Final = 250  # what Python needs to keep one value by a number, beside the value
_SLOT_BYTES: Final = 6
_ITEM_BYTES: Final = 4
_SCORE: Final = Struct("<e")
_EMPTY_BYTES: Final = EMPTY.to_bytes(_ITEM_BYTES, "little")

T = TypeVar("T")


class Row(NamedTuple):
    """The used slots of a row, in the table's order. A tuple, since one is made for each look-up."""

    items: tuple[int, ...]
    scores: tuple[float, ...]


class Rows:
    """The tensor ``rows`` of a table, whole rows at a time; of a remote one, the latest are kept."""

    __slots__ = ("_items", "_recent", "_start", "_stride", "_struct", "cached", "reader", "spec")

    def __init__(self, reader: Reader, spec: TableSpec, header: Header) -> None:
        self.reader = reader
        self.spec = spec
        self._stride = spec.width * _SLOT_BYTES
        self.cached = 0 if isinstance(reader, MappedFile) else 1 + CACHED_BYTES // (self._stride + ENTRY_BYTES)
        self._start = header.tensor("rows", "U8", (spec.rows, self._stride)).start
        self._struct = Struct(f"<{spec.width}I{spec.width}e")
        self._items = Struct(f"<{spec.width}I")
        self._recent: Recent[Buffer] = Recent(self.cached)

    @property
    def nbytes(self) -> int:
        """Bytes that the kept rows hold."""
        return len(self._recent) * (self._stride + ENTRY_BYTES)

    def row(self, number: int) -> Row:
        """Row ``number``, kept or read."""
        return self.read((number,))[0]

    def read(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of ``numbers``, in that order; what is not kept is read in one round trip."""
        return list(map(self._unpack, numbers, self._kept(numbers)))

    def among(self, numbers: Sequence[int], wanted: set[int]) -> list[dict[int, float]]:
        """Of each row of ``numbers`` the slots whose items are ``wanted``, item to score: most rows have few of them,
        and what is not looked at need not be unpacked. Read as by ``read``.
        """
        found, first, score_at = [], self.spec.width * _ITEM_BYTES, _SCORE.unpack_from
        for data in self._kept(numbers):
            items = self._items.unpack_from(data)
            hits = wanted.intersection(items)
            found.append({item: score_at(data, first + 2 * items.index(item))[0] for item in hits} if hits else {})
        return found

    def check(self, items: int) -> None:
        """Reads every row, a megabyte at a time; raises InvalidTable at the first that must not be served."""
        step = max(1, 2**20 // self._stride)
        for first in range(0, self.spec.rows, step):
            numbers = range(first, min(first + step, self.spec.rows))
            data = read_exactly(
                self.reader, self._start + first * self._stride, len(numbers) * self._stride, self.spec.file
            )
            for place, number in enumerate(numbers):
                row = self._unpack(number, data[place * self._stride : (place + 1) * self._stride])
                if row.items and max(row.items) >= items:
                    raise invalid(self.spec.file, f"row {number} names item {max(row.items)} of {items}")

    def _kept(self, numbers: Sequence[int]) -> Sequence[Buffer]:
        if not self.cached:
            return self._fetch(numbers)
        rows = {number: data for number in numbers if (data := self._recent.get(number)) is not None}
        missing = [number for number in dict.fromkeys(numbers) if number not in rows]
        for number, data in zip(missing, self._fetch(missing), strict=True):
            self._recent.put(number, data)
            rows[number] = data
        return [rows[number] for number in numbers]

    def _fetch(self, numbers: Sequence[int]) -> Sequence[Buffer]:
        start, stride = self._start, self._stride
        for number in numbers:
            if not 0 <= number < self.spec.rows:
                raise invalid(self.spec.file, f"row {number} is wanted of {self.spec.rows}")
        ranges = [(start + number * stride, stride) for number in numbers]
        rows = self.reader.read_many(ranges) if len(ranges) > 1 else [self.reader.read(*each) for each in ranges]
        for data in rows:
            check_length(data, stride, self.spec.file)
        return rows

    def _unpack(self, number: int, data: Buffer) -> Row:
        values = self._struct.unpack(data)
        width = self.spec.width
        items, scores = values[:width], values[width:]
        # A search of bytes takes half the time of one of numbers; where it finds something, that may lie across two.
        if bytes(data).find(_EMPTY_BYTES, 0, width * _ITEM_BYTES) >= 0 and EMPTY in items:
            used = items.index(EMPTY)
            if items.count(EMPTY) != width - used:
                raise invalid(self.spec.file, f"row {number} has a used slot after an unused one")
            items, scores = items[:used], scores[:used]
        if not isfinite(sum(scores)):  # of float16: the sum of finite ones is finite, and cheaper than asking each
            raise invalid(self.spec.file, f"row {number} has a score that is no finite number")
        return Row(items, scores)


class Recent(Generic[T]):
    """The values that were used last, up to ``limit`` of them (0: none is kept)."""

    __slots__ = ("_entries", "_limit", "_lock")

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict[int, T] = OrderedDict()
        self._limit = limit
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: int) -> T | None:
        """The value of ``key``, or None where it is not kept."""
        if not self._limit:
            return None
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: int, value: T) -> None:
        """Keeps ``value``, and lets go of the one that was used longest ago where there are too many."""
        if not self._limit:
            return
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
