"""Rows of different lengths, stored one after the other."""

import numpy as np
from numpy.typing import NDArray


def take(rows: NDArray[np.int64], chosen: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entries of the ``chosen`` rows, in their order.

    Args:
        rows: int64 ``[entries]``: the row of each entry, ascending.
        chosen: int64 ``[n]``: numbers of rows, also repeated.
        size: The number of rows.

    Returns:
        For each entry of a chosen row, its position in ``chosen``, and the index of the entry.
    """
    starts = np.searchsorted(rows, np.arange(size + 1))
    counts = np.diff(starts)[chosen]
    position = np.repeat(np.arange(chosen.size), counts)
    within = np.arange(position.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return position, starts[chosen][position] + within
