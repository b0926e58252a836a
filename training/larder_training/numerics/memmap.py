"""Arrays of rows that may be larger than the memory.

A large array is a temporary file mapped into memory: the system writes its pages out and drops them when it needs
memory. Such an array is processed in chunks, in order, and the pages of each chunk are released after use.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from larder.errors import InvalidRequest

CHUNK_ROWS: Final = 1024  # rows
MAX_IN_MEMORY: Final = 64 * 2**20  # bytes; larger arrays are mapped from a file

S = TypeVar("S", bound=np.generic)


def chunks(rows: int) -> Iterator[slice]:
    """Slices of ``CHUNK_ROWS`` rows, for work that must not copy all rows at once."""
    for start in range(0, rows, CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, rows))


def fits_in_memory(rows: int, width: int) -> bool:
    """Whether float32 rows of this shape may be held in memory."""
    return 4 * rows * width <= MAX_IN_MEMORY


def allocate(rows: int, width: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """An uninitialised array ``[rows, width]``; a large one is mapped from a temporary file, deleted with the array.

    Raises:
        InvalidRequest: The disk has no space for the file.
    """
    size = rows * width * np.dtype(dtype).itemsize
    if size <= MAX_IN_MEMORY:
        return np.empty((rows, width), dtype)
    with tempfile.TemporaryFile(prefix="larder-") as file:
        _reserve(file.fileno(), size)
        mapped = mmap.mmap(file.fileno(), size)
    return np.frombuffer(mapped, dtype).reshape(rows, width)


def _reserve(descriptor: int, size: int) -> None:
    """Reserves the blocks now: if the disk were full when a mapped page is written, the process would be killed."""
    try:
        os.truncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):  # missing on macOS
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise InvalidRequest(
            f"{tempfile.gettempdir()} has no space for {size / 2**20:.0f} MiB of features ({error.strerror}). Free "
            "some, or set TMPDIR to a folder on a larger disk."
        ) from error


def release_pages(array: NDArray[Any]) -> None:
    """Drops the pages of a mapped array from memory; they are read from the file again when needed."""
    mapped = _mapping(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)  # a shared mapping of a file, so no data is lost


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    return owner if isinstance(owner, mmap.mmap) else None


def load_rows(array: NDArray[S], rows: NDArray[np.int64]) -> NDArray[S]:
    """A copy ``[len(rows), D]`` of a few rows, in memory."""
    return _copy(array, rows, np.empty((len(rows), array.shape[1]), array.dtype))


def gather_rows(array: NDArray[S], rows: NDArray[np.int64]) -> NDArray[S]:
    """A copy ``[len(rows), D]`` of rows; a large one is mapped from a file."""
    return _copy(array, rows, allocate(len(rows), array.shape[1], array.dtype))


def _copy(array: NDArray[S], rows: NDArray[np.int64], copy: NDArray[S]) -> NDArray[S]:
    for chunk in chunks(len(rows)):
        copy[chunk] = array[rows[chunk]]
        release_pages(array)
        release_pages(copy)
    return copy
