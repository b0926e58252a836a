"""The rows of a table by number: read, check and unpack them, and cache those of a remote table."""

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
CACHED_BYTES: Final = 2**23  # the cache of a remote table's rows
ENTRY_BYTES: Final = 250  # overhead of one cached value in Python
_SLOT_BYTES: Final = 6
_ITEM_BYTES: Final = 4
_SCORE: Final = Struct("<e")
_EMPTY_BYTES: Final = EMPTY.to_bytes(_ITEM_BYTES, "little")

T = TypeVar("T")


class Row(NamedTuple):
    """The used slots of a row, in the table's order. A tuple, which is created faster than a dataclass.

    Attributes:
        items: Item numbers.
        scores: The score of each item.
    """

    items: tuple[int, ...]
    scores: tuple[float, ...]


class RowReader:
    """Reads the tensor ``rows`` of a table; caches the most recently used rows of a remote one.

    Attributes:
        reader: The reader of the file.
        spec: The table, as the manifest describes it.
        cached: The maximum number of cached rows; 0 for a local file.
    """

    __slots__ = ("_cache", "_items", "_start", "_stride", "_struct", "cached", "reader", "spec")

    def __init__(self, reader: Reader, spec: TableSpec, header: Header) -> None:
        self.reader = reader
        self.spec = spec
        self._stride = spec.width * _SLOT_BYTES
        self.cached = 0 if isinstance(reader, MappedFile) else 1 + CACHED_BYTES // (self._stride + ENTRY_BYTES)
        self._start = header.tensor("rows", "U8", (spec.rows, self._stride)).start
        self._struct = Struct(f"<{spec.width}I{spec.width}e")
        self._items = Struct(f"<{spec.width}I")
        self._cache: LRUCache[Buffer] = LRUCache(self.cached)

    @property
    def nbytes(self) -> int:
        """The memory of the cached rows, in bytes."""
        return len(self._cache) * (self._stride + ENTRY_BYTES)

    def row(self, number: int) -> Row:
        """Row ``number``, from the cache or the file."""
        return self.read((number,))[0]

    def read(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of ``numbers``, in that order; those not in the cache are read in one round trip."""
        return list(map(self._unpack, numbers, self._data(numbers)))

    def slots_of(self, numbers: Sequence[int], items: set[int]) -> list[dict[int, float]]:
        """For each row of ``numbers``, the score of each of ``items`` that it has; rows are read as by ``read``.

        Most rows have few of the items, so only their scores are unpacked.
        """
        matches, first, score_at = [], self.spec.width * _ITEM_BYTES, _SCORE.unpack_from
        for data in self._data(numbers):
            slots = self._items.unpack_from(data)
            hits = items.intersection(slots)
            matches.append({item: score_at(data, first + 2 * slots.index(item))[0] for item in hits} if hits else {})
        return matches

    def check(self, items: int, score_codes: int | None = None) -> None:
        """Read all rows, a megabyte at a time; raises InvalidTable for the first that is invalid.

        Every item must be below ``items`` and, if ``score_codes`` is given, every score a whole number below it.
        """
        step = max(1, 2**20 // self._stride)
        for first in range(0, self.spec.rows, step):
            numbers = range(first, min(first + step, self.spec.rows))
            data = read_exactly(
                self.reader, self._start + first * self._stride, len(numbers) * self._stride, self.spec.file
            )
            for index, number in enumerate(numbers):
                row = self._unpack(number, data[index * self._stride : (index + 1) * self._stride])
                if row.items and max(row.items) >= items:
                    raise invalid(
                        self.spec.file, f"row {number} has item {max(row.items)}, but there are {items} items"
                    )
                if score_codes is not None and not all(map(range(score_codes).__contains__, row.scores)):
                    problem = f"row {number} has a score that is not a whole number from 0 to {score_codes - 1}"
                    raise invalid(self.spec.file, problem)

    def _data(self, numbers: Sequence[int]) -> Sequence[Buffer]:
        if not self.cached:
            return self._fetch(numbers)
        rows = {number: data for number in numbers if (data := self._cache.get(number)) is not None}
        missing = [number for number in dict.fromkeys(numbers) if number not in rows]
        for number, data in zip(missing, self._fetch(missing), strict=True):
            self._cache.put(number, data)
            rows[number] = data
        return [rows[number] for number in numbers]

    def _fetch(self, numbers: Sequence[int]) -> Sequence[Buffer]:
        start, stride = self._start, self._stride
        for number in numbers:
            if not 0 <= number < self.spec.rows:
                raise invalid(self.spec.file, f"row {number} does not exist: there are {self.spec.rows}")
        ranges = [(start + number * stride, stride) for number in numbers]
        rows = self.reader.read_many(ranges) if len(ranges) > 1 else [self.reader.read(*span) for span in ranges]
        for data in rows:
            check_length(data, stride, self.spec.file)
        return rows

    def _unpack(self, number: int, data: Buffer) -> Row:
        values = self._struct.unpack(data)
        width = self.spec.width
        items, scores = values[:width], values[width:]
        # A search in bytes takes half the time of one in numbers; a match may span two numbers, so check again.
        if bytes(data).find(_EMPTY_BYTES, 0, width * _ITEM_BYTES) >= 0 and EMPTY in items:
            used = items.index(EMPTY)
            if items.count(EMPTY) != width - used:
                raise invalid(self.spec.file, f"row {number} has a used slot after an unused one")
            items, scores = items[:used], scores[:used]
        if not isfinite(sum(scores)):  # a sum of finite float16 is finite, and faster than checking each
            raise invalid(self.spec.file, f"row {number} has a score that is not finite")
        return Row(items, scores)


class LRUCache(Generic[T]):
    """The ``limit`` most recently used values, by number; 0 caches none. Thread-safe."""

    __slots__ = ("_entries", "_limit", "_lock")

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict[int, T] = OrderedDict()
        self._limit = limit
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: int) -> T | None:
        """The value of ``key``, or None if it is not in the cache."""
        if not self._limit:
            return None
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: int, value: T) -> None:
        """Add ``value``, and evict the least recently used one if there are too many."""
        if not self._limit:
            return
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
