"""Sparse matrices: rows cut to their largest entries, places within rows, sums within a bound of memory, diagonals."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

MAX_HISTORY: Final = 1000  # items a user: what a robot clicked beyond would cost the square of it, and say nothing


def with_diagonal(matrix: sp.csr_array, diagonal: NDArray[np.float64]) -> sp.csr_array:
    """``matrix``, which has none, with a diagonal; nothing is stored for zeros."""
    return (matrix + sp.diags_array(diagonal)).tocsr() if diagonal.any() else matrix


def strongest(matrix: sp.csr_array, width: int) -> sp.csr_array:
    """Keeps each row's ``width`` largest entries, equal ones by column. Within a row, columns stay ascending."""
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
    """Keeps each row's ``longest`` strongest entries."""
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
    """int64 ``[entries]``: each entry's place in its row, 0 the first.

    ``rows`` ``[entries]`` are the numbers of the entries' rows, none below 0; those of one row stand together.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    return np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))


class Accumulator:
    """Sums sparse matrices ``[rows, columns]`` that come one by one, holding about ``entries`` entries at most.

    Like sizes are merged with like, so n matrices cost log(n) passes in place of n. Where the sum outgrows ``entries``,
    each row keeps its strongest ``entries / rows`` (``floor`` at least): what was rare by then starts again at 0, as in
    lossy counting (Manku and Motwani, VLDB 2002). The same matrices in the same order give the same bits.
    """

    def __init__(self, rows: int, columns: int, entries: int, floor: int) -> None:
        self._shape = (rows, columns)
        self._entries = entries
        self._width = max(floor, entries // max(2 * rows, 1))
        self._levels: list[sp.csr_array] = []

    def add(self, matrix: sp.csr_array) -> None:
        """Adds one more."""
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
