"""The items of a recommender: their numbers, ids and metadata columns.

An item's number is its index in every table of a release. To open the file, only its header is parsed; ids and values
are decoded at use. A local file is mapped, and a remote one is read into memory once.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from math import isfinite, isnan
from types import MappingProxyType
from typing import Any, Final, cast

from larder.errors import InvalidRequest
from larder.release.serving import COLUMN_TYPES, ColumnType
from larder.tables import EMPTY, Header, Reader, Strings, hash_key, invalid, parse_header, read_exactly
from larder.tables.value_index import ValueIndex

_FILE: Final = "items.safetensors"
# Formats of memoryview.cast. Any, since its stubs have an overload for each literal.
_FORMATS: Final[Mapping[str, Any]] = {"U32": "I", "U64": "Q", "F64": "d"}


class _Texts:
    """A category or text column: a code for each item, and the distinct values."""

    __slots__ = ("_codes", "_header", "_index", "_name", "_values")

    def __init__(self, data: memoryview, header: Header, name: str, items: int) -> None:
        self._header, self._name = header, name
        self._codes = _numbers(data, header, f"column.{name}.codes", "U32", items)
        self._values = Strings(data, header, f"column.{name}.values")
        self._index = ValueIndex(self._values)

    def __contains__(self, text: str) -> bool:
        return text in self._index

    def is_empty(self) -> bool:
        return not len(self._values)

    def __getitem__(self, number: int) -> str | None:
        code = self._codes[number]
        if code == EMPTY:
            return None
        if code >= len(self._values):
            raise invalid(
                self._header.file,
                f"item {number} has code {code} in {self._name!r}, but there are {len(self._values)} values",
            )
        return self._values.text(code)


class _Floats:
    """A number column."""

    __slots__ = ("_empty", "_header", "_name", "_values")

    def __init__(self, data: memoryview, header: Header, name: str, items: int) -> None:
        self._header, self._name = header, name
        self._values = _numbers(data, header, f"column.{name}.numbers", "F64", items)
        self._empty: bool | None = None

    def __contains__(self, text: str) -> bool:
        return False

    def is_empty(self) -> bool:
        if self._empty is None:  # found at the first number, or, once, after the last item
            self._empty = all(map(isnan, self._values))
        return self._empty

    def __getitem__(self, number: int) -> float | None:
        value = cast("float", self._values[number])
        if isfinite(value):
            return value
        if isnan(value):
            return None
        raise invalid(self._header.file, f"item {number} is infinite in {self._name!r}")


class Vocabulary:
    """Item numbers, ids and the values of metadata columns. Thread-safe.

    Attributes:
        columns: The type of each column.
    """

    __slots__ = ("_columns", "_data", "_hashes", "_header", "_ids", "_numbers", "columns")

    def __init__(self, data: memoryview, header: Header) -> None:
        header.require("vocabulary")
        self._data, self._header = data, header
        self._ids = Strings(data, header, "id")
        items = len(self._ids)
        self._hashes = _numbers(data, header, "key.hashes", "U64", items)
        self._numbers = _numbers(data, header, "key.numbers", "U32", items)
        self.columns: Mapping[str, ColumnType] = MappingProxyType(_columns(header))
        self._columns: dict[str, _Texts | _Floats] = {
            name: (_Floats if kind == "number" else _Texts)(data, header, name, items)
            for name, kind in self.columns.items()
        }

    @classmethod
    def open(cls, reader: Reader, file: str = _FILE) -> "Vocabulary":
        """Open the file, in one read; raises InvalidTable if its header, types or lengths are invalid."""
        data = read_exactly(reader, 0, reader.size, file)
        return cls(data, parse_header(data, len(data), file))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def nbytes(self) -> int:
        """The size of the file in bytes; all of it is in memory or in the page cache."""
        return self._data.nbytes

    def number(self, item: str) -> int | None:
        """The number of the item with this id, or None if it is unknown."""
        key = hash_key(item)
        index = bisect_left(self._hashes, key)
        if index == len(self._hashes) or self._hashes[index] != key:
            return None
        number = self._numbers[index]
        if number >= len(self._ids):
            raise invalid(
                self._header.file, f"key {index} is that of item {number}, but there are {len(self._ids)} items"
            )
        # Another text can have the same hash, so compare the id itself.
        return number if self._ids[number] == item.encode(errors="surrogatepass") else None

    def id(self, number: int) -> str:
        """The id of item ``number``; raises IndexError if it does not exist."""
        return self._ids.text(number)

    def value(self, column: str, number: int) -> str | float | None:
        """The value of item ``number`` in ``column``, or None if it is missing.

        Raises InvalidRequest for an unknown column, IndexError for an unknown number.
        """
        values = self._columns.get(column)
        if values is None:
            known = ", ".join(sorted(self.columns)) or "none; this model's items have no columns"
            raise InvalidRequest(f"{column[:80]!r} is not a column of the items: use one of {known}.")
        if not 0 <= number < len(self._ids):
            raise IndexError(number)
        return values[number]

    def has(self, column: str, text: str) -> bool:
        """Whether an item has ``text`` in the column of texts, as its whole value or between the ``|`` of it."""
        return text in self._columns[column]

    def is_empty(self, column: str) -> bool:
        """Whether no item has a value in the column."""
        return self._columns[column].is_empty()

    def check(self) -> None:
        """Read everything; raises InvalidTable unless each id has its own number and each value can be read."""
        if any(left >= right for left, right in pairwise(self._hashes)):
            raise invalid(self._header.file, "its key.hashes do not ascend")
        for number in range(len(self)):
            if self.number(self.id(number)) != number:
                raise invalid(self._header.file, f"item {number} cannot be looked up by its id")
            for values in self._columns.values():
                _ = values[number]


def _numbers(data: memoryview, header: Header, name: str, dtype: str, items: int) -> "memoryview[Any]":
    tensor = header.tensor(name, dtype, (items,))
    return data[tensor.start : tensor.end].cast(_FORMATS[dtype])


def _columns(header: Header) -> dict[str, ColumnType]:
    try:
        columns = json.loads(header.metadata.get("columns", "{}"))
    except (ValueError, RecursionError) as error:
        raise invalid(header.file, f"its columns are not JSON ({error})") from error
    if not isinstance(columns, dict) or not all(kind in COLUMN_TYPES for kind in columns.values()):
        raise invalid(header.file, f"its columns are not an object whose values are {', '.join(COLUMN_TYPES)}")
    return columns
