"""A column of strings in a safetensors file: ``<name>.offsets`` U64 [n + 1] and ``<name>.bytes`` U8."""

from collections.abc import Iterator

from larder.tables.header import Header
from larder.tables.reader import invalid


class Strings:
    """A sequence of byte strings. ``strings[number]`` copies one; a malformed offset raises InvalidTable.

    ``data`` is the whole file; only the header is read until a string is requested.
    """

    __slots__ = ("_bytes", "_file", "_name", "_offsets")

    def __init__(self, data: memoryview, header: Header, name: str) -> None:
        offsets = header.tensor(f"{name}.offsets", "U64", (None,))
        content = header.tensor(f"{name}.bytes", "U8", (None,))
        self._file, self._name = header.file, name
        self._offsets = data[offsets.start : offsets.end].cast("Q")
        self._bytes = data[content.start : content.end]
        if not len(self._offsets) or self._offsets[0] != 0 or self._offsets[-1] != len(self._bytes):
            raise invalid(self._file, f"{name}.offsets do not start at 0 and end at {len(self._bytes)}")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._view(number))

    def text(self, number: int) -> str:
        """String ``number``, decoded; raises InvalidTable if it is not UTF-8."""
        try:
            return str(self._view(number), "utf-8")
        except UnicodeDecodeError as error:
            raise invalid(self._file, f"{self._name} {number} is not UTF-8") from error

    def all(self) -> Iterator[bytes]:
        """Every string, without the checks of a single one: for a digest of a column, not for a response."""
        content = bytes(self._bytes)
        offsets = self._offsets.tolist()
        return map(content.__getitem__, map(slice, offsets, offsets[1:]))

    def contains(self, part: bytes) -> bool:
        """Whether ``part`` is anywhere in the bytes of the column."""
        return part in bytes(self._bytes)

    def _view(self, number: int) -> memoryview:
        if not 0 <= number < len(self._offsets) - 1:
            raise IndexError(number)
        start, end = self._offsets[number], self._offsets[number + 1]
        if not start <= end <= len(self._bytes):
            raise invalid(self._file, f"{self._name}.offsets go from {start} to {end} at {number}")
        return self._bytes[start:end]
