"""Large arrays of rows: where they lie, and how they are gone through without being copied whole."""

import tempfile
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

PIECE: Final = 4096  # rows
IN_MEMORY: Final = 256 * 2**20  # bytes; larger arrays lie in a file, which the system may write out and drop

Floats = NDArray[np.float32]


def pieces(rows: int) -> Iterator[slice]:
    """Cuts so many rows up, for work on them that must not copy them all at once."""
    for start in range(0, rows, PIECE):
        yield slice(start, min(start + PIECE, rows))


def room(rows: int, width: int) -> Floats:
    """An array ``[rows, width]`` to be filled; a large one lies in a temporary file that goes with it."""
    if 4 * rows * width <= IN_MEMORY:
        return np.empty((rows, width), np.float32)
    with tempfile.TemporaryFile(prefix="larder-") as file:
        return np.memmap(file, np.float32, "w+", shape=(rows, width))
