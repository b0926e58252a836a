"""Large arrays of rows: where they lie, and how they are gone through without being held whole.

What is large lies in a temporary file that is mapped into memory: its pages are the file's, so the system writes them
out and drops them where it needs room. It is read in order, in pieces, and what was read is let go of.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from larder.errors import InvalidRequest

PIECE: Final = 1024  # rows
IN_MEMORY: Final = 64 * 2**20  # bytes; larger arrays lie in a file

S = TypeVar("S", bound=np.generic)


def pieces(rows: int) -> Iterator[slice]:
    """Cuts so many rows up, for work on them that must not copy them all at once."""
    for start in range(0, rows, PIECE):
        yield slice(start, min(start + PIECE, rows))


def fits(rows: int, width: int) -> bool:
    """Whether so many rows of float32 may be held in memory."""
    return 4 * rows * width <= IN_MEMORY


def room(rows: int, width: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """An array ``[rows, width]`` to be filled; a large one lies in a temporary file that goes with it.

    Raises InvalidRequest where the disk has no room for the file.
    """
    size = rows * width * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.empty((rows, width), dtype)
    with tempfile.TemporaryFile(prefix="larder-") as file:
        _reserve(file.fileno(), size)
        mapped = mmap.mmap(file.fileno(), size)
    return np.frombuffer(mapped, dtype).reshape(rows, width)


def _reserve(descriptor: int, size: int) -> None:
    """Takes the blocks now: a full disk met while a mapped page is written would kill the process."""
    try:
        os.truncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise InvalidRequest(
            f"{tempfile.gettempdir()} has no room for {size / 2**20:.0f} MiB of features ({error.strerror}). Make "
            "room, or let TMPDIR name a folder on a larger disk."
        ) from error


def let_go(array: NDArray[Any]) -> None:
    """Takes the pages of a mapped array out of this process; they come back from the file when they are read."""
    mapped = _mapping(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)  # a shared mapping of a file: nothing written is lost


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    return owner if isinstance(owner, mmap.mmap) else None


def loaded(array: NDArray[S], rows: NDArray[np.int64]) -> NDArray[S]:
    """A copy ``[len(rows), D]`` of these few rows, in memory."""
    return _copied(array, rows, np.empty((len(rows), array.shape[1]), array.dtype))


def gathered(array: NDArray[S], rows: NDArray[np.int64]) -> NDArray[S]:
    """A copy ``[len(rows), D]`` of these rows, which lies in a file where it is large."""
    return _copied(array, rows, room(len(rows), array.shape[1], array.dtype))


def _copied(array: NDArray[S], rows: NDArray[np.int64], copy: NDArray[S]) -> NDArray[S]:
    for piece in pieces(len(rows)):
        copy[piece] = array[rows[piece]]
        let_go(array)
        let_go(copy)
    return copy
