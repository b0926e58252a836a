"""Whether an item has a value in a column of texts, answered without reading the items."""

from array import array
from bisect import bisect_left
from typing import Final

from larder.tables.strings import Strings

_SEPARATOR: Final = b"|"


class ValueIndex:
    """The hashes of a column's values, ascending: of whole cells, and of the values between their ``|``. Thread-safe.

    Built at the first look-up, in a microsecond and 8 bytes per value; a look-up then takes a few microseconds. Two
    values have the same 64-bit hash so rarely that the answer is as good as exact.
    """

    __slots__ = ("_hashes", "_values")

    def __init__(self, values: Strings) -> None:
        self._values = values
        self._hashes: array[int] | None = None

    def __contains__(self, text: str) -> bool:
        hashes = self._hashes
        if hashes is None:
            hashes = self._hashes = self._build()
        key = hash(text.encode(errors="surrogatepass"))
        index = bisect_left(hashes, key)
        return index < len(hashes) and hashes[index] == key

    def _build(self) -> "array[int]":
        hashes = list(map(hash, self._values.all()))
        if self._values.contains(_SEPARATOR):
            parts = {part for cell in self._values.all() if _SEPARATOR in cell for part in cell.split(_SEPARATOR)}
            hashes += map(hash, parts)
        hashes.sort()
        return array("q", hashes)
