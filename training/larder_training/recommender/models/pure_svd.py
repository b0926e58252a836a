"""PureSVD: users are projected onto the leading singular vectors of the normalized interaction matrix.

With N = D_u**-a X D_i**-b (X: users x items; D_u, D_i: the sums of its rows and columns) and V the ``rank`` leading
right singular vectors of N, a user's scores are the user's row of ``N V V' D_i**c``. It is PureSVD (Cremonesi et al.,
"Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010) of the normalized matrix, which is
the ideal low-pass filter of GF-CF (Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021)
and ChebyCF (Kim et al., SIGIR 2025), with smaller exponents than their one half.

V is computed by subspace iteration from a random start (Halko, Martinsson and Tropp, "Finding structure with
randomness", SIAM Review 2011): a few products with sparse matrices, in blocks of rows on all cores. The result does not
depend on the number of cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.parallel import in_blocks, map_in_order
from larder_training.recommender.models.base import LatentFactors, TrainingData

_ROWS: Final = 2048  # of a block; sums over blocks are always taken in the same order
_MISSING: Final = 1e-12  # share of the largest eigenvalue below which a direction is a rounding error of float32

Dense = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PureSVD:
    """The estimator.

    The defaults were best on pairs drawn from Gowalla's training data. For its later interactions, rank 640, b = 0.45
    and c = 0.5 are better (benchmarks/recommender).

    Attributes:
        rank: Singular vectors; all, if the matrix has fewer.
        user_exponent: a.
        item_exponent: b.
        rescale: c.
        iterations: Of the subspace iteration.
        oversampling: Further vectors while iterating, which make the last of ``rank`` more exact.
    """

    rank: int = 1024
    user_exponent: float = 0.3
    item_exponent: float = 0.4
    rescale: float = 0.27
    iterations: int = 3
    oversampling: int = 64

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> LatentFactors:
        """Fits the vectors and projects the users onto them; ``advance`` receives 1 after each iteration.

        Memory: float32 ``[users + 2 * items, rank + oversampling]`` and two copies of the interaction matrix.
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
    """``[columns, width]``: approximations of the leading right singular vectors, the first one first.

    Args:
        matrix: Float32 ``[rows, columns]``.
        width: Number of vectors. The last ones are less exact, so take more than you use.
        iterations: After the first; each is two sparse products and one orthonormalization.
        seed: Of the random start.
        advance: Receives 1 after each iteration.
    """
    transposed = matrix.T.tocsr()
    vectors = np.random.default_rng(seed).standard_normal((matrix.shape[1], width), np.float32)
    for _ in range(iterations + 1):
        vectors = _orthonormal(_multiply(transposed, _multiply(matrix, vectors)))
        advance(1)
    vectors = _orthonormal(vectors)  # a second time: in float32, the first leaves errors of about 1e-4
    _, rotation = la.eigh(_gram(_multiply(matrix, vectors)))
    return _times(vectors, rotation[:, ::-1])


def _orthonormal(matrix: Dense) -> Dense:
    """Orthonormal columns with the same span; a missing direction becomes a column of zeros."""
    values, vectors = la.eigh(_gram(matrix))
    present = values > _MISSING * max(values[-1], np.finfo(np.float32).tiny)
    return _times(matrix, vectors * np.where(present, np.abs(values), np.inf) ** -0.5)


def _gram(matrix: Dense) -> NDArray[np.float64]:
    """``matrix.T @ matrix`` in float64; blocks are added in a fixed order."""

    def part(rows: slice) -> NDArray[np.float64]:
        block = matrix[rows].astype(np.float64)
        product: NDArray[np.float64] = block.T @ block
        return product

    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for product in map_in_order(part, _slices(len(matrix))):
        total += product
    return total


def _multiply(left: sp.csr_array, right: Dense) -> Dense:
    return _in_rows(left.shape[0], right.shape[1], lambda rows: left[rows] @ right)


def _times(left: Dense, right: NDArray[np.float64]) -> Dense:
    narrow = np.ascontiguousarray(right, np.float32)
    return _in_rows(len(left), narrow.shape[1], lambda rows: left[rows] @ narrow)


def _in_rows(rows: int, columns: int, work: Callable[[slice], Dense]) -> Dense:
    """``[rows, columns]``: ``work`` fills it block by block on all cores."""
    result = np.empty((rows, columns), np.float32)

    def fill(start: int, end: int) -> None:
        result[start:end] = work(slice(start, end))

    in_blocks(rows, _ROWS, fill)
    return result


def _slices(rows: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, rows)) for start in range(0, rows, _ROWS)]


def _sums(matrix: sp.csr_array, axis: int) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=axis), np.float64).ravel()
