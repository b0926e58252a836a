"""Where a table's bytes come from: the Protocol that stores implement, and a mapped local file."""

import mmap
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from larder.errors import InvalidTable

Buffer: TypeAlias = bytes | memoryview
Range: TypeAlias = tuple[int, int]  # (start, length), in bytes


class Reader(Protocol):
    """Random access to one immutable file, from any thread. ``larder.store.StoreReader`` is the remote one."""

    @property
    def size(self) -> int:
        """The file's length in bytes."""

    def read(self, start: int, length: int, /) -> Buffer:
        """Returns the ``length`` bytes from ``start`` on; a remote reader needs one round trip."""

    def read_many(self, ranges: Sequence[Range], /) -> Sequence[Buffer]:
        """Returns the bytes of each (start, length), in order; a remote reader needs one round trip for them all."""


class MappedFile:
    """A local file, mapped: reads are views of the page cache, without a copy.

    Raises InvalidTable for a read outside the file. The file must not shrink while it is mapped (the files of a release
    never change). ``close`` forgets the map; views that are still held stay valid until they go.
    """

    __slots__ = ("_map", "_name", "_view")

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._map: mmap.mmap | None = None
        with path.open("rb") as file:
            if path.stat().st_size:  # an empty file cannot be mapped
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map or b"")

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self._view.nbytes

    def read(self, start: int, length: int, /) -> memoryview:
        """A view of ``length`` bytes from ``start`` on; raises InvalidTable where the file has fewer."""
        view = self._view
        if start < 0 or length < 0 or start + length > view.nbytes:
            raise invalid(self._name, f"bytes {start} to {start + length} are wanted of {view.nbytes}")
        return view[start : start + length]

    def read_many(self, ranges: Sequence[Range], /) -> list[memoryview]:
        """Views of several ranges, in order."""
        return [self.read(start, length) for start, length in ranges]

    def close(self) -> None:
        """Forgets the map: further reads raise InvalidTable. The memory is unmapped once no view of it is left."""
        self._view, self._map = memoryview(b""), None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_exactly(reader: Reader, start: int, length: int, file: str) -> memoryview:
    """``length`` bytes from ``start`` on; raises InvalidTable where the file or the answer is shorter."""
    if start + length > reader.size:
        raise invalid(file, f"it ends at byte {reader.size}, before byte {start + length}")
    return exactly(reader.read(start, length), length, file)


def exactly(data: Buffer, length: int, file: str) -> memoryview:
    """``data`` as a view; raises InvalidTable unless it holds ``length`` bytes."""
    view = memoryview(data)
    if view.nbytes != length:
        raise invalid(file, f"a read of {length} bytes gave {view.nbytes}")
    return view


def invalid(file: str, problem: str) -> InvalidTable:
    """The error for a ``file`` that must not be served, with what to do about it."""
    return InvalidTable(f"{file}: {problem}; train and publish the release again.")
