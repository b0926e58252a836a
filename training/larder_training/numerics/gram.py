"""G = X'DX, how often items co-occur, and how blocks of it are gathered: each item's regression needs one.

Memory decides the form. Up to ``DENSE_BYTES`` the whole matrix is dense, and a block costs one gather. Beyond, that
much of it may be: the corner of the items that most users have, which most blocks lie in. The rest stays sparse.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Final, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import cut_histories

DENSE_BYTES: Final = 2**29
_PARTNERS: Final = 64  # an item that co-occurs with less than this part of all others would fill the corner with zeros


class Pairs(Protocol):
    """A Gram matrix to read from."""

    def diagonal(self) -> NDArray[np.float64]:
        """``[items]``."""
        ...

    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The items that ``item`` co-occurs with, itself among them, ascending, and how often."""
        ...

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Rows and columns of the ``chosen`` (ascending) items; only the upper triangle is sure to be filled."""
        ...


def gram(interactions: sp.csr_array, exponent: float) -> sp.csr_array:
    """G = X'DX, float32 ``[items, items]``: how often items co-occur, a user of n items weighing ``n**-exponent``."""
    left, right = gram_factors(interactions, exponent)
    product: sp.csr_array = left @ right
    product.data = product.data.astype(np.float32)
    product.sort_indices()
    return product


def gram_factors(interactions: sp.csr_array, exponent: float) -> tuple[sp.csr_array, sp.csr_array]:
    """X'D ``[items, users]`` and X, whose product is ``gram`` but for its precision: for some of its rows at a time."""
    matrix, weights = _weighed(interactions, exponent)
    # Rows by rows: as columns by columns, the product would be turned into rows once more.
    return (sp.diags_array(weights) @ matrix).T.tocsr(), matrix


def gram_diagonal(interactions: sp.csr_array, exponent: float) -> NDArray[np.float64]:
    """``[items]``: the diagonal of ``gram``, without the rest."""
    matrix, weights = _weighed(interactions, exponent)
    return np.asarray(matrix.power(2).T @ weights, np.float64)


def _weighed(interactions: sp.csr_array, exponent: float) -> tuple[sp.csr_array, NDArray[np.float64]]:
    """X without what robots had beyond all measure, and D's diagonal."""
    matrix = cut_histories(interactions)
    degree = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    return matrix, degree**-exponent


def readable(product: sp.csr_array) -> Pairs:
    """``gram``'s matrix in the form that its size allows; its last items should be those that most users have."""
    items, dense = product.shape[0], isqrt(DENSE_BYTES // 4)
    if items <= dense:
        return _Dense(product.toarray())
    common = np.count_nonzero(np.diff(product.indptr) > items / _PARTNERS)
    first = items - min(dense, int(common))
    return _Sparse(product, _upper(product, first), _corner(product, first))


@dataclass(frozen=True, slots=True)
class _Dense:
    matrix: NDArray[np.float32]

    def diagonal(self) -> NDArray[np.float64]:
        return self.matrix.diagonal().astype(np.float64)

    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        row = self.matrix[item]  # G is symmetric, and its rows lie together
        (others,) = np.nonzero(row)
        return others, row[others].astype(np.float64)

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        # A third of the time of the same with fancy indices.
        return self.matrix.ravel().take(chosen[:, None] * len(self.matrix) + chosen).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Sparse:
    """``matrix`` for columns; for blocks ``upper``, the first rows of it from the diagonal on, and ``corner``, what
    lies below and to the right of them.
    """

    matrix: sp.csr_array
    upper: sp.csr_array
    corner: _Dense

    def diagonal(self) -> NDArray[np.float64]:
        return np.asarray(self.matrix.diagonal(), np.float64)

    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        start, end = self.matrix.indptr[item], self.matrix.indptr[item + 1]
        return self.matrix.indices[start:end].astype(np.intp), self.matrix.data[start:end].astype(np.float64)

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        first = self.upper.shape[0]
        split = int(np.searchsorted(chosen, first))
        found = np.zeros((len(chosen), len(chosen)))
        found[split:, split:] = self.corner.block(chosen[split:] - first)
        if split:
            row, column, values = self._among(chosen, split)
            found[row, column] = values
        return found

    def _among(
        self, chosen: NDArray[np.intp], rows: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float32]]:
        """The entries of the first ``rows`` of the chosen items' rows of ``upper`` in the chosen items' columns."""
        # Half the time of the same with scipy's indices, row by row and then column by column, which also hold the
        # lock of Python's interpreter all along.
        starts = self.upper.indptr[chosen[:rows]]
        lengths = self.upper.indptr[chosen[:rows] + 1] - starts
        ends = np.cumsum(lengths)
        entries = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        place = np.zeros(self.upper.shape[1], np.int32)
        place[chosen] = np.arange(1, len(chosen) + 1)
        column = place[self.upper.indices[entries]]
        among = np.flatnonzero(column)
        return np.repeat(np.arange(rows), lengths)[among], column[among] - 1, self.upper.data[entries[among]]


def _upper(matrix: sp.csr_array, rows: int) -> sp.csr_array:
    """The first ``rows`` of ``scipy.sparse.triu``, without its three arrays of coordinates, which would be the peak of
    memory.
    """
    ends = matrix.indptr[1 : rows + 1]
    starts = matrix.indptr[:rows] + _before(matrix, range(rows), range(rows))
    keep = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    bounds = np.concatenate(([0], np.cumsum(ends - starts)))
    return sp.csr_array((matrix.data[keep], matrix.indices[keep], bounds), shape=(rows, matrix.shape[1]))


def _corner(matrix: sp.csr_array, first: int) -> _Dense:
    """The rows and columns from ``first`` on."""
    size = matrix.shape[0] - first
    corner = np.zeros((size, size), np.float32)
    rows = range(first, matrix.shape[0])
    starts = matrix.indptr[first:-1] + _before(matrix, rows, [first] * size)
    for row, start, end in zip(corner, starts, matrix.indptr[first + 1 :], strict=True):
        row[matrix.indices[start:end] - first] = matrix.data[start:end]
    return _Dense(corner)


def _before(matrix: sp.csr_array, rows: Iterable[int], columns: Iterable[int]) -> NDArray[np.integer]:
    """How many entries of each row lie before its column."""
    spans = zip(rows, columns, strict=True)
    found = [np.searchsorted(matrix.indices[slice(*matrix.indptr[row : row + 2])], column) for row, column in spans]
    return np.array(found, matrix.indptr.dtype)
