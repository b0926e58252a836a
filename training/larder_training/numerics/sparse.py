"""Sparse matrices: largest entries of rows, positions within rows, sums in bounded memory, diagonals."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

MAX_HISTORY: Final = 1000  # items per user; time and memory grow with the square of a history


def with_diagonal(matrix: sp.csr_array, diagonal: NDArray[np.float64]) -> sp.csr_array:
    """Adds a diagonal to a matrix without one; zeros are not stored."""
    return (matrix + sp.diags_array(diagonal)).tocsr() if diagonal.any() else matrix


def strongest(matrix: sp.csr_array, width: int) -> sp.csr_array:
    """Keeps the ``width`` largest entries of each row; of equal entries, those of the first columns."""
    matrix.sort_indices()
    counts = np.diff(matrix.indptr)
    long = np.flatnonzero(counts > width)
    if not long.size:
        return matrix
    keep = np.ones(matrix.nnz, bool)
    for row in long:
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        keep[start:end] = _largest(matrix.data[start:end], width)
    ends = np.concatenate(([0], np.cumsum(np.minimum(counts, width))))
    return sp.csr_array((matrix.data[keep], matrix.indices[keep], ends), shape=matrix.shape)


def _largest(values: NDArray[np.floating], width: int) -> NDArray[np.bool_]:
    bound = np.partition(values, len(values) - width)[len(values) - width]
    chosen: NDArray[np.bool_] = values > bound
    ties = np.flatnonzero(values == bound)
    chosen[ties[: width - int(chosen.sum())]] = True
    return chosen


def cut_histories(matrix: sp.csr_array, longest: int = MAX_HISTORY) -> sp.csr_array:
    """Keeps the ``longest`` largest entries of each row."""
    long = np.flatnonzero(np.diff(matrix.indptr) > longest)
    if not long.size:
        return matrix
    keep = np.ones(matrix.nnz, bool)
    for row in long:
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        keep[start + np.argsort(-matrix.data[start:end], kind="stable")[longest:]] = False
    coo = matrix.tocoo()
    rows, columns = coo.coords
    return sp.csr_array((coo.data[keep], (rows[keep], columns[keep])), shape=matrix.shape)


def place_within(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64 ``[entries]``: position of each entry in its row, from 0.

    Args:
        rows: ``[entries]``: row numbers from 0; the entries of a row must be adjacent.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    return np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))


class Accumulator:
    """Sums sparse matrices ``[rows, columns]`` with at most about ``entries`` entries in memory.

    Matrices of similar size are merged, so that n matrices need log(n) passes. If the sum exceeds ``entries``, each row
    keeps its largest ``entries / rows`` entries (at least ``floor``), and dropped entries start again at 0, as in lossy
    counting (Manku and Motwani, VLDB 2002). The same matrices in the same order give the same bits.
    """

    def __init__(self, rows: int, columns: int, entries: int, floor: int) -> None:
        self._shape = (rows, columns)
        self._entries = entries
        self._width = max(floor, entries // max(2 * rows, 1))
        self._levels: list[sp.csr_array] = []

    def add(self, matrix: sp.csr_array) -> None:
        """Adds a matrix to the sum."""
        self._levels.append(matrix)
        while len(self._levels) > 1 and self._levels[-2].nnz < 2 * self._levels[-1].nnz:
            self._merge()
        if sum(level.nnz for level in self._levels) > self._entries:
            self._levels = [strongest(self.total(), self._width)]

    def total(self) -> sp.csr_array:
        """The sum so far."""
        while len(self._levels) > 1:
            self._merge()
        if not self._levels:
            self._levels = [sp.coo_array((np.zeros(0, np.float32), ([], [])), shape=self._shape).tocsr()]
        return self._levels[0]

    def _merge(self) -> None:
        last = self._levels.pop()
        self._levels[-1] = (self._levels[-1] + last).tocsr()
