"""Where a table's bytes come from: the Protocol that stores implement, and a local file."""

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
        """Returns the ``length`` bytes from ``start`` on; a remote reader needs one round trip."""

    def read_many(self, ranges: Sequence[Range], /) -> Sequence[Buffer]:
        """Returns the bytes of each (start, length), in order; a remote reader needs one round trip for them all."""


class MappedFile:
    """A local file: small reads copy, large ones are views of a map.

    A row is copied (``pread``), since touching a mapped page makes it and 15 pages around it this process's memory: a
    hundred thousand users of a 350 MB table would leave all of it resident. A whole vocabulary is a view, not a copy.

    Raises InvalidTable for a read outside the file. The file must not shrink while it is open (the files of a release
    never change). ``close`` may come at any time: reads under way end well, and views stay valid until they go.
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
        """The ``length`` bytes from ``start`` on; InvalidTable where the file has fewer, ValueError once closed."""
        descriptor, mapped = self._descriptor, self._map  # held here, so that a close meanwhile pulls nothing away
        if descriptor is None:
            raise ValueError(f"{self._name} is closed: open it again.")
        if start < 0 or length < 0 or start + length > self._size:
            raise invalid(self._name, f"bytes {start} to {start + length} are wanted of {self._size}")
        if mapped is None or length <= COPIED_BYTES:
            return os.pread(descriptor.number, length, start)
        return memoryview(mapped)[start : start + length]

    def read_many(self, ranges: Sequence[Range], /) -> list[Buffer]:
        """The bytes of several ranges, in order."""
        return [self.read(start, length) for start, length in ranges]

    def close(self) -> None:
        """Further reads raise ValueError; the file is closed and unmapped once nobody reads it any more."""
        self._descriptor = self._map = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Descriptor:
    """An open file's descriptor, closed when the last reader lets go: closed earlier, its number could be another's."""

    __slots__ = ("number",)

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):  # not where open failed
            os.close(self.number)


def read_exactly(reader: Reader, start: int, length: int, file: str) -> memoryview:
    """``length`` bytes from ``start`` on; raises InvalidTable where the file or the answer is shorter."""
    if start + length > reader.size:
        raise invalid(file, f"it ends at byte {reader.size}, before byte {start + length}")
    data = reader.read(start, length) if length else b""
    check_length(data, length, file)
    return memoryview(data)


def check_length(data: Buffer, length: int, file: str) -> None:
    """Raises InvalidTable unless ``data`` holds ``length`` bytes: a file that was cut short may give fewer."""
    if len(data) != length:
        raise invalid(file, f"a read of {length} bytes gave {len(data)}")


def invalid(file: str, problem: str) -> InvalidTable:
    """The error for a ``file`` that must not be served, with what to do about it."""
    return InvalidTable(f"{file}: {problem}; train and publish the release again.")
