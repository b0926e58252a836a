"""The linear item-item model: each item is regressed on the items that co-occur with it most.

With G = X'DX (X: users x items; D weighs a user of n items by n**-b, so that long histories do not rule) and a
diagonal L (a ridge, and dropout p's p/(1-p) times G's diagonal), column j of B solves ``(G_CC + L_CC) b = G_Cj`` over
the set C of the K items with the largest G_ij, fewer for an item of few users. With C all other items this is EASE's B
exactly (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, with its zero diagonal; dropout as in
Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020), in time n K**3 in place of n**3 and
without a dense n x n matrix.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import cpu_count
from typing import Final, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.affinity import cut_histories
from larder_training.recommender.cholesky import solve
from larder_training.recommender.learner import ItemToItem, Material

USER_EXPONENT: Final = 0.3
DENSE_BYTES: Final = 2**29  # up to this size the Gram matrix is dense, and a block of it costs one gather
_CHUNK: Final = 64  # items a task: enough to hide a task's cost, few enough to share the work evenly


@dataclass(frozen=True, slots=True)
class Regression:
    """``ridge`` is in units of the mean of G's diagonal; ``width`` is K, and ``per_user`` times an item's users where
    that is less: of an item that two people had, two people's histories can tell little more.
    """

    ridge: float = 4.0
    dropout: float = 0.4
    width: int = 200
    user_exponent: float = USER_EXPONENT
    per_user: int = 20


@dataclass(frozen=True, slots=True)
class LinearModel:
    """The learner: ``fit_linear`` on the material's affinities."""

    settings: Regression = field(default_factory=Regression)

    def fit(self, material: Material, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """B, multiplied by what users have to do with items."""
        matrix = fit_linear(material.affinity, self.settings, advance)
        return ItemToItem(matrix.astype(np.float32), material.affinity.astype(np.float32))


def fit_linear(
    affinity: sp.csr_array, settings: Regression, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is what item i says for item j.

    Args:
        affinity: ``[users, items]``, no entry below 0.
        settings: of the regression.
        advance: told the number of items done since its last call.

    Memory: the Gram matrix (4 bytes for each pair of items up to 512 MiB; beyond, 12 bytes for each pair that
    co-occurs, and 16 while it is made), 40 bytes for each entry of B (at most ``width`` an item) while it is put
    together and 12 afterwards, and ``8 * width**2`` bytes a thread. The same bytes come out for any number of threads.
    """
    order = _rarest_first(affinity)
    gram = _gram(affinity[:, order], settings.user_exponent)
    diagonal = gram.diagonal()
    used = diagonal[diagonal > 0]
    ridge = settings.ridge * (used.mean() if used.size else 1.0)
    added = ridge + settings.dropout / (1 - settings.dropout) * diagonal
    items = affinity.shape[1]
    users = np.bincount(affinity.indices, minlength=items)[order]
    widths = np.minimum(settings.width, settings.per_user * users)

    def fit_chunk(start: int) -> tuple[list[NDArray[np.intp]], list[NDArray[np.float64]]]:
        columns = range(start, min(start + _CHUNK, items))
        found = [_column(gram, added, item, int(widths[item])) for item in columns]
        advance(len(found))
        return [rows for rows, _ in found], [values for _, values in found]

    with single_threaded_blas(), ThreadPoolExecutor(cpu_count() or 1) as pool:
        pieces = list(pool.map(fit_chunk, range(0, items, _CHUNK)))
    rows = np.concatenate([each for piece, _ in pieces for each in piece])
    values = np.concatenate([each for _, piece in pieces for each in piece])
    columns = np.repeat(np.arange(items), [len(each) for piece, _ in pieces for each in piece])
    return sp.csr_array((values, (order[rows], order[columns])), shape=(items, items))


def _rarest_first(affinity: sp.csr_array) -> NDArray[np.intp]:
    """Items by how many users have them, so that few partners have a higher number than an item itself: of Gowalla's
    40,981 items the most popular has 19,972 partners, but none has more than 2,763 that are more popular.
    """
    return np.argsort(np.bincount(affinity.indices, minlength=affinity.shape[1]), kind="stable")


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Small systems, one a thread: BLAS threads of their own would fight for the cores, and change the last bits."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    with threadpool_limits(1, "blas"):
        yield


class _Gram(Protocol):
    def diagonal(self) -> NDArray[np.float64]: ...
    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]: ...
    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]: ...


def _column(
    gram: _Gram, added: NDArray[np.float64], item: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """One item's regression: the items it rests on, ascending, and their coefficients."""
    others, counts = gram.column(item)
    chosen = (others != item) & (counts > 0)
    others, counts = others[chosen], counts[chosen]
    if len(others) > width:
        # Only these can be chosen: a sort of all partners of a popular item costs as much as its regression.
        reach = np.flatnonzero(counts >= np.partition(counts, len(counts) - width)[len(counts) - width])
        strongest = reach[np.argsort(-counts[reach], kind="stable")[:width]]
        strongest.sort()
        others, counts = others[strongest], counts[strongest]
    if not others.size:
        return others, counts
    system = gram.block(others)
    system[np.diag_indices_from(system)] += added[others]
    return others, solve(system, counts)


def gram(affinity: sp.csr_array, exponent: float) -> sp.csr_array:
    """G = X'DX, float32 ``[items, items]``: how often items co-occur, a user of n items weighing ``n**-exponent``."""
    left, right = gram_factors(affinity, exponent)
    product: sp.csr_array = left @ right
    product.data = product.data.astype(np.float32)
    product.sort_indices()
    return product


def gram_factors(affinity: sp.csr_array, exponent: float) -> tuple[sp.csr_array, sp.csr_array]:
    """X'D ``[items, users]`` and X, whose product is ``gram`` but for its precision: for some of its rows at a time."""
    matrix, weights = _weighed(affinity, exponent)
    # Rows by rows: as columns by columns, the product would be turned into rows once more.
    return (sp.diags_array(weights) @ matrix).T.tocsr(), matrix


def gram_diagonal(affinity: sp.csr_array, exponent: float) -> NDArray[np.float64]:
    """``[items]``: the diagonal of ``gram``, without the rest."""
    matrix, weights = _weighed(affinity, exponent)
    return np.asarray(matrix.power(2).T @ weights, np.float64)


def _weighed(affinity: sp.csr_array, exponent: float) -> tuple[sp.csr_array, NDArray[np.float64]]:
    """X without what robots had beyond all measure, and D's diagonal."""
    matrix = cut_histories(affinity)
    degree = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    return matrix, degree**-exponent


def _gram(affinity: sp.csr_array, exponent: float) -> _Gram:
    product = gram(affinity, exponent)
    items = product.shape[0]
    return _Dense(product.toarray()) if 4 * items**2 <= DENSE_BYTES else _Sparse(product, _upper(product))


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
    """``matrix`` for columns, ``upper`` (its part on and above the diagonal) for blocks."""

    matrix: sp.csr_array
    upper: sp.csr_array

    def diagonal(self) -> NDArray[np.float64]:
        return np.asarray(self.matrix.diagonal(), np.float64)

    def column(self, item: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        start, end = self.matrix.indptr[item], self.matrix.indptr[item + 1]
        return self.matrix.indices[start:end].astype(np.intp), self.matrix.data[start:end].astype(np.float64)

    def block(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        # Half the time of the same with scipy's indices, row by row and then column by column, which also hold the
        # lock of Python's interpreter all along.
        starts = self.upper.indptr[chosen]
        lengths = self.upper.indptr[chosen + 1] - starts
        ends = np.cumsum(lengths)
        entries = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        place = np.zeros(self.upper.shape[0], np.int32)
        place[chosen] = np.arange(1, len(chosen) + 1)
        column = place[self.upper.indices[entries]]
        among = np.flatnonzero(column)
        row = np.repeat(np.arange(len(chosen)), lengths)[among]
        found = np.zeros((len(chosen), len(chosen)))
        found[row, column[among] - 1] = self.upper.data[entries[among]]
        return found


def _upper(matrix: sp.csr_array) -> sp.csr_array:
    """``scipy.sparse.triu`` without its three arrays of coordinates, which would be the peak of memory."""
    ends = matrix.indptr[1:]
    rows = zip(matrix.indptr[:-1].tolist(), ends.tolist(), strict=True)
    before = [np.searchsorted(matrix.indices[start:end], row) for row, (start, end) in enumerate(rows)]
    starts = matrix.indptr[:-1] + np.array(before, matrix.indptr.dtype)
    keep = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    bounds = np.concatenate(([0], np.cumsum(ends - starts)))
    return sp.csr_array((matrix.data[keep], matrix.indices[keep], bounds), shape=matrix.shape)
