"""Read a remote file from front to back in few round trips and little memory."""

from collections.abc import Sequence
from typing import Final

from larder.tables import Buffer, Range, Reader

WINDOW: Final = 4 * 2**20


class ReadAhead:
    """A ``Reader`` for sequential reads: it fetches ``WINDOW`` bytes at a time and keeps the last of them.

    Not thread-safe.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._start = 0
        self._window = memoryview(b"")

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self._reader.size

    def read(self, start: int, length: int, /) -> Buffer:
        """The ``length`` bytes from ``start``, from the window if it has them."""
        if not self._start <= start <= start + length <= self._start + len(self._window):
            ahead = max(length, min(WINDOW, self.size - start))
            self._window = memoryview(b"")  # free it first, to keep only one window in memory
            self._window = memoryview(self._reader.read(start, ahead))
            self._start = start
        return self._window[start - self._start : start - self._start + length]

    def read_many(self, ranges: Sequence[Range], /) -> list[Buffer]:
        """As ``read``, range by range."""
        return [self.read(start, length) for start, length in ranges]
