"""EASE: each item is regressed on the items that co-occur with it most.

G = X'DX, with X the interaction matrix (users x items) and D weighting a user of n items by ``n**-b``, so that long
histories do not dominate. L is diagonal: a ridge, and p/(1-p) times G's diagonal for dropout p. Column j of B solves
``(G_CC + L_CC) b = G_Cj`` over the set C of the K items with the largest G_ij (fewer for an item of few users).

With C all other items, B is EASE's (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, with its
zero diagonal; dropout as in Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020). The time is
n K**3 instead of n**3, and no dense n x n matrix is needed.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.cholesky import solve
from larder_training.numerics.gram import Pairs, gram, readable
from larder_training.numerics.topk import best
from larder_training.recommender.models.base import ItemToItem, TrainingData

USER_EXPONENT: Final = 0.3
_CHUNK: Final = 64  # items per task


@dataclass(frozen=True, slots=True)
class EASEConfig:
    """Hyperparameters of the regression.

    Attributes:
        ridge: In units of the mean of G's diagonal.
        dropout: p.
        width: K, the most items in a regression.
        user_exponent: b.
        per_user: Items in a regression per user of the item, if that is fewer than ``width``.
    """

    ridge: float = 4.0
    dropout: float = 0.4
    width: int = 200
    user_exponent: float = USER_EXPONENT
    per_user: int = 20


@dataclass(frozen=True, slots=True)
class EASE:
    """The estimator: ``fit_ease`` on the interaction matrix.

    Attributes:
        settings: Of the regression.
    """

    settings: EASEConfig = field(default_factory=EASEConfig)

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Fits B; users' scores are their interactions times B."""
        matrix = fit_ease(data.interactions, self.settings, advance)
        return ItemToItem(matrix.astype(np.float32), data.interactions.astype(np.float32))


def fit_ease(
    interactions: sp.csr_array, settings: EASEConfig, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is the weight of item i for item j.

    The result does not depend on the number of threads.

    Memory: the Gram matrix (4 bytes per pair of items up to 512 MiB; beyond, these and at most 12 bytes per pair that
    co-occurs, 16 while it is computed); 40 bytes per entry of B (at most ``width`` per item) while it is assembled, 12
    afterwards; and ``8 * width**2`` bytes per thread.

    Args:
        interactions: ``[users, items]``, no entry below 0.
        settings: Of the regression.
        advance: Receives the number of items done since its last call.
    """
    order = _rarest_first(interactions)
    pairs = readable(gram(interactions[:, order], settings.user_exponent))
    diagonal = pairs.diagonal()
    used = diagonal[diagonal > 0]
    ridge = settings.ridge * (used.mean() if used.size else 1.0)
    added = ridge + settings.dropout / (1 - settings.dropout) * diagonal
    items = interactions.shape[1]
    users = np.bincount(interactions.indices, minlength=items)[order]
    widths = np.minimum(settings.width, settings.per_user * users)

    def fit_chunk(start: int) -> tuple[list[NDArray[np.intp]], list[NDArray[np.float64]]]:
        columns = range(start, min(start + _CHUNK, items))
        regressions = [_column(pairs, added, item, int(widths[item])) for item in columns]
        advance(len(regressions))
        return [rows for rows, _ in regressions], [values for _, values in regressions]

    with single_threaded_blas(), ThreadPoolExecutor(cpu_count() or 1) as pool:
        chunks = list(pool.map(fit_chunk, range(0, items, _CHUNK)))
    rows_of = [rows for chunk, _ in chunks for rows in chunk]
    rows = np.concatenate(rows_of)
    values = np.concatenate([values for _, chunk in chunks for values in chunk])
    columns = np.repeat(np.arange(items), [len(rows) for rows in rows_of])
    return sp.csr_array((values, (order[rows], order[columns])), shape=(items, items))


def _rarest_first(interactions: sp.csr_array) -> NDArray[np.intp]:
    """Items by their number of users, so that few partners of an item come after it.

    Of Gowalla's 40,981 items the most popular has 19,972 partners, but none has more than 2,763 more popular partners.
    """
    return np.argsort(np.bincount(interactions.indices, minlength=interactions.shape[1]), kind="stable")


def _column(
    pairs: Pairs, added: NDArray[np.float64], item: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The regression of one item: the items it is regressed on, ascending, and their coefficients."""
    others, counts = pairs.column(item)
    strongest = np.sort(best(np.where(others == item, 0.0, counts), width))
    others, counts = others[strongest], counts[strongest]
    if not others.size:
        return others, counts
    system = pairs.block(others)
    system[np.diag_indices_from(system)] += added[others]
    return others, solve(system, counts)
