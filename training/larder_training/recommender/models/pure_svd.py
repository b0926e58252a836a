"""The low-rank model: what the strongest directions of the users-items matrix say, and nothing of the rest.

With N = D_u**-a X D_i**-b (X: users x items; D_u, D_i: the sums of its rows and columns) and V its ``rank``
strongest right singular vectors, a user's scores are his row of ``N V V' D_i**c``: PureSVD (Cremonesi et al.,
"Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010) on the normalised matrix, which is
the ideal low-pass filter of GF-CF (Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021)
and ChebyCF (Kim et al., SIGIR 2025), with smaller exponents than their one half.

V comes from subspace iteration on a random start (Halko, Martinsson and Tropp, "Finding structure with randomness",
SIAM Review 2011): a few products with sparse matrices, in blocks of rows on all cores, the same bits for any number.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Final

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.recommender.models.base import LatentFactors, TrainingData

_ROWS: Final = 2048  # of a block: the unit of work, and of the order in which sums are taken
_MISSING: Final = 1e-12  # of the strongest direction, squared: what float32 leaves of one that the matrix does not have

Dense = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PureSVD:
    """``user_exponent`` is a, ``item_exponent`` b and ``rescale`` c; all three are what did best on pairs that were
    drawn from Gowalla's training data. Of what comes later there, a lower rank and a higher c foretell more
    (benchmarks/recommender): .45 and .5 at 640. A matrix with fewer rows or columns than ``rank`` is taken whole.
    """

    rank: int = 1024
    user_exponent: float = 0.3
    item_exponent: float = 0.4
    rescale: float = 0.27
    iterations: int = 3
    oversampling: int = 64

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Projects the users of the data onto the strongest directions of its affinities.

        Memory: float32 ``[users + 2 * items, rank + oversampling]`` and two sparse copies of the affinities.
        """
        interactions = data.interactions
        users, items = interactions.shape
        popular = _sums(interactions, 0)
        inner = np.where(popular > 0, popular, 1.0) ** -self.item_exponent
        outer = np.where(popular > 0, popular, 1.0) ** self.rescale
        weight = _sums(interactions, 1)
        weight = np.where(weight > 0, weight, 1.0) ** -self.user_exponent
        matrix = (sp.diags_array(weight) @ interactions @ sp.diags_array(inner)).tocsr().astype(np.float32)
        width = min(self.rank + self.oversampling, users, items)
        with single_threaded_blas():
            vectors = right_vectors(matrix, width, self.iterations, data.seed, advance)[:, : self.rank]
            left = _multiply(matrix, vectors)
        return LatentFactors(left, vectors * outer[:, None].astype(np.float32))


def right_vectors(
    matrix: sp.csr_array, width: int, iterations: int, seed: int, advance: Callable[[int], None] = lambda _: None
) -> Dense:
    """``[columns, width]``: approximations of the strongest right singular vectors, the strongest first.

    Args:
        matrix: float32 ``[rows, columns]``.
        width: how many; the last few are less exact, so ask for more than are used.
        iterations: of the subspace, after the first; each is two sparse products and one orthonormalisation.
        seed: of the random start.
        advance: told 1 after each step.
    """
    turned = matrix.T.tocsr()
    found = np.random.default_rng(seed).standard_normal((matrix.shape[1], width), np.float32)
    for _ in range(iterations + 1):
        found = _orthonormal(_multiply(turned, _multiply(matrix, found)))
        advance(1)
    found = _orthonormal(found)  # once more: float32 leaves the first about 1e-4 from orthogonal
    _, rotation = la.eigh(_gram(_multiply(matrix, found)))
    return _times(found, rotation[:, ::-1])


def _orthonormal(matrix: Dense) -> Dense:
    """The same columns' span with orthonormal columns; a direction that is missing becomes a column of zeros."""
    values, vectors = la.eigh(_gram(matrix))
    present = values > _MISSING * max(values[-1], np.finfo(np.float32).tiny)
    return _times(matrix, vectors * np.where(present, np.abs(values), np.inf) ** -0.5)


def _gram(matrix: Dense) -> NDArray[np.float64]:
    """``matrix.T @ matrix`` in float64, its blocks added in one order."""

    def part(rows: slice) -> NDArray[np.float64]:
        block = matrix[rows].astype(np.float64)
        found: NDArray[np.float64] = block.T @ block
        return found

    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        for each in pool.map(part, _slices(len(matrix))):
            total += each
    return total


def _multiply(left: sp.csr_array, right: Dense) -> Dense:
    return _in_rows(left.shape[0], right.shape[1], lambda rows: left[rows] @ right)


def _times(left: Dense, right: NDArray[np.float64]) -> Dense:
    narrow = np.ascontiguousarray(right, np.float32)
    return _in_rows(len(left), narrow.shape[1], lambda rows: left[rows] @ narrow)


def _in_rows(rows: int, columns: int, work: Callable[[slice], Dense]) -> Dense:
    """``[rows, columns]``, made by ``work`` block after block on all cores."""
    result = np.empty((rows, columns), np.float32)

    def fill(block: slice) -> None:
        result[block] = work(block)

    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        list(pool.map(fill, _slices(rows)))
    return result


def _slices(rows: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, rows)) for start in range(0, rows, _ROWS)]


def _sums(matrix: sp.csr_array, axis: int) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=axis), np.float64).ravel()
