"""The Gram matrix G = X'DX of co-occurrences, and its blocks: EASE needs one per item.

Up to ``DENSE_BYTES`` the whole matrix is dense, and a block costs one gather. Of a larger one, only the corner of the
most popular items is dense, which most blocks lie in; the rest stays sparse.
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
_PARTNERS: Final = 64  # the corner has items that co-occur with at least one in so many items


class Pairs(Protocol):
    """A Gram matrix to read from."""

    def diagonal(self) -> NDArray[np.float64]:
        """``[items]``."""
        ...

    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The items that ``item`` co-occurs with, ascending and including itself, and the values."""
        ...

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Rows and columns of the ``chosen`` items (ascending); the lower triangle may be incomplete."""
        ...


def gram(interactions: sp.csr_array, exponent: float) -> sp.csr_array:
    """G = X'DX, float32 ``[items, items]``: co-occurrences, a user of n items weighted by ``n**-exponent``."""
    left, right = gram_factors(interactions, exponent)
    product: sp.csr_array = left @ right
    product.data = product.data.astype(np.float32)
    product.sort_indices()
    return product


def gram_factors(interactions: sp.csr_array, exponent: float) -> tuple[sp.csr_array, sp.csr_array]:
    """X'D ``[items, users]`` and X, whose product is ``gram`` in float64: to compute some of its rows at a time."""
    matrix, weights = _weighed(interactions, exponent)
    # Both in row form, so that scipy need not convert the product.
    return (sp.diags_array(weights) @ matrix).T.tocsr(), matrix


def gram_diagonal(interactions: sp.csr_array, exponent: float) -> NDArray[np.float64]:
    """``[items]``: the diagonal of ``gram``."""
    matrix, weights = _weighed(interactions, exponent)
    return np.asarray(matrix.power(2).T @ weights, np.float64)


def _weighed(interactions: sp.csr_array, exponent: float) -> tuple[sp.csr_array, NDArray[np.float64]]:
    """X with overlong histories cut, and the diagonal of D."""
    matrix = cut_histories(interactions)
    degree = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    return matrix, degree**-exponent


def readable(product: sp.csr_array) -> Pairs:
    """``gram``'s matrix, dense or partly dense by its size. The most popular items should be the last."""
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
        row = self.matrix[item]  # a row instead of a column: G is symmetric, and rows are contiguous
        (others,) = np.nonzero(row)
        return others, row[others].astype(np.float64)

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        # take() needs a third of the time of fancy indexing.
        return self.matrix.ravel().take(chosen[:, None] * len(self.matrix) + chosen).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Sparse:
    """A matrix with a dense corner.

    Attributes:
        matrix: The whole matrix, for columns.
        upper: Its first rows, from the diagonal on, for blocks.
        corner: The other rows and columns, for blocks.
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
        block = np.zeros((len(chosen), len(chosen)))
        block[split:, split:] = self.corner.block(chosen[split:] - first)
        if split:
            row, column, values = self._among(chosen, split)
            block[row, column] = values
        return block

    def _among(
        self, chosen: NDArray[np.intp], rows: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float32]]:
        """The entries of the first ``rows`` of the chosen items' rows of ``upper`` in the chosen items' columns."""
        # Half the time of scipy's indexing, which also holds Python's lock.
        starts = self.upper.indptr[chosen[:rows]]
        lengths = self.upper.indptr[chosen[:rows] + 1] - starts
        ends = np.cumsum(lengths)
        entries = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        position = np.zeros(self.upper.shape[1], np.int32)
        position[chosen] = np.arange(1, len(chosen) + 1)
        column = position[self.upper.indices[entries]]
        among = np.flatnonzero(column)
        return np.repeat(np.arange(rows), lengths)[among], column[among] - 1, self.upper.data[entries[among]]


def _upper(matrix: sp.csr_array, rows: int) -> sp.csr_array:
    """The first ``rows`` of ``scipy.sparse.triu``, without its arrays of coordinates, which need the most memory."""
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
    """Number of entries of each row before its column."""
    spans = zip(rows, columns, strict=True)
    counts = [np.searchsorted(matrix.indices[slice(*matrix.indptr[row : row + 2])], column) for row, column in spans]
    return np.array(counts, matrix.indptr.dtype)
