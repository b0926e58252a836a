"""Random access to the bytes of a table: the protocol, and a local file."""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from larder.errors import InvalidTable

Buffer: TypeAlias = bytes | memoryview
Range: TypeAlias = tuple[int, int]  # (start, length), in bytes
COPIED_BYTES: Final = 2**16


class Reader(Protocol):
    """Random access to one immutable file, from any thread. ``larder.store.StoreReader`` is the remote one."""

    @property
    def size(self) -> int:
        """The file's length in bytes."""

    def read(self, start: int, length: int, /) -> Buffer:
        """The ``length`` bytes from ``start``; in one round trip if the reader is remote."""

    def read_many(self, ranges: Sequence[Range], /) -> Sequence[Buffer]:
        """The bytes of each (start, length), in order; in one round trip if the reader is remote."""


class MappedFile:
    """A local file. Small reads copy; large ones are views of a memory map.

    A row is copied with ``pread``, since each access to a mapped page makes it and 15 pages around it resident:
    look-ups of a hundred thousand users would load all of a 350 MB table. A whole vocabulary is a view, not a copy.

    A read outside the file raises InvalidTable. The file must not shrink while it is open; files of a release never
    change. ``close`` is safe at any time: reads that have begun finish, and views stay valid.
    """

    __slots__ = ("_descriptor", "_map", "_name", "_size")

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._descriptor: _Descriptor | None = _Descriptor(path)
        self._size = os.fstat(self._descriptor.number).st_size
        self._map: mmap.mmap | None = None
        if self._size > COPIED_BYTES:
            self._map = mmap.mmap(self._descriptor.number, 0, access=mmap.ACCESS_READ)

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self._size

    def read(self, start: int, length: int, /) -> Buffer:
        """The ``length`` bytes from ``start``; raises InvalidTable if the file has fewer, ValueError if closed."""
        descriptor, mapped = self._descriptor, self._map  # local references, so that a concurrent close does not matter
        if descriptor is None:
            raise ValueError(f"{self._name} is closed: open it again.")
        if start < 0 or length < 0 or start + length > self._size:
            raise invalid(self._name, f"bytes {start} to {start + length} were requested, but it has {self._size}")
        if mapped is None or length <= COPIED_BYTES:
            return os.pread(descriptor.number, length, start)
        return memoryview(mapped)[start : start + length]

    def read_many(self, ranges: Sequence[Range], /) -> list[Buffer]:
        """The bytes of several ranges, in order."""
        return [self.read(start, length) for start, length in ranges]

    def close(self) -> None:
        """Make further reads raise ValueError; the file is closed and unmapped after the last reader is done."""
        self._descriptor = self._map = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Descriptor:
    """A file descriptor that is closed with the last reference; if closed earlier, its number could be reused."""

    __slots__ = ("number",)

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):  # not if open failed
            os.close(self.number)


def read_exactly(reader: Reader, start: int, length: int, file: str) -> memoryview:
    """``length`` bytes from ``start``; raises InvalidTable if the file or the result is shorter."""
    if start + length > reader.size:
        raise invalid(file, f"it ends at byte {reader.size}, before byte {start + length}")
    data = reader.read(start, length) if length else b""
    check_length(data, length, file)
    return memoryview(data)


def check_length(data: Buffer, length: int, file: str) -> None:
    """Raise InvalidTable unless ``data`` has ``length`` bytes: a truncated file may return fewer."""
    if len(data) != length:
        raise invalid(file, f"a read of {length} bytes returned {len(data)}")


def invalid(file: str, problem: str) -> InvalidTable:
    """The error for an invalid ``file``."""
    return InvalidTable(f"{file}: {problem}; train and publish the release again.")
