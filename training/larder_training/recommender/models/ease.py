"""The linear item-item model: each item is regressed on the items that co-occur with it most.

With G = X'DX (X: users x items; D weighs a user of n items by n**-b, so that long histories do not rule) and a
diagonal L (a ridge, and dropout p's p/(1-p) times G's diagonal), column j of B solves ``(G_CC + L_CC) b = G_Cj`` over
the set C of the K items with the largest G_ij, fewer for an item of few users. With C all other items this is EASE's B
exactly (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, with its zero diagonal; dropout as in
Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020), in time n K**3 in place of n**3 and
without a dense n x n matrix.
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
_CHUNK: Final = 64  # items a task: enough to hide a task's cost, few enough to share the work evenly


@dataclass(frozen=True, slots=True)
class EASEConfig:
    """``ridge`` is in units of the mean of G's diagonal; ``width`` is K, and ``per_user`` times an item's users where
    that is less: of an item that two people had, two people's histories can tell little more.
    """

    ridge: float = 4.0
    dropout: float = 0.4
    width: int = 200
    user_exponent: float = USER_EXPONENT
    per_user: int = 20


@dataclass(frozen=True, slots=True)
class EASE:
    """The learner: ``fit_ease`` on the data's affinities."""

    settings: EASEConfig = field(default_factory=EASEConfig)

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """B, multiplied by what users have to do with items."""
        matrix = fit_ease(data.interactions, self.settings, advance)
        return ItemToItem(matrix.astype(np.float32), data.interactions.astype(np.float32))


def fit_ease(
    interactions: sp.csr_array, settings: EASEConfig, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is what item i says for item j.

    Args:
        interactions: ``[users, items]``, no entry below 0.
        settings: of the regression.
        advance: told the number of items done since its last call.

    Memory: the Gram matrix (4 bytes for each pair of items up to 512 MiB; beyond, these and at most 12 bytes for each
    pair that co-occurs, and 16 while it is made), 40 bytes for each entry of B (at most ``width`` an item) while it is
    put together and 12 afterwards, and ``8 * width**2`` bytes a thread. The same bytes come out for any number of
    threads.
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
        found = [_column(pairs, added, item, int(widths[item])) for item in columns]
        advance(len(found))
        return [rows for rows, _ in found], [values for _, values in found]

    with single_threaded_blas(), ThreadPoolExecutor(cpu_count() or 1) as pool:
        pieces = list(pool.map(fit_chunk, range(0, items, _CHUNK)))
    rows = np.concatenate([each for piece, _ in pieces for each in piece])
    values = np.concatenate([each for _, piece in pieces for each in piece])
    columns = np.repeat(np.arange(items), [len(each) for piece, _ in pieces for each in piece])
    return sp.csr_array((values, (order[rows], order[columns])), shape=(items, items))


def _rarest_first(interactions: sp.csr_array) -> NDArray[np.intp]:
    """Items by how many users have them, so that few partners have a higher number than an item itself: of Gowalla's
    40,981 items the most popular has 19,972 partners, but none has more than 2,763 that are more popular.
    """
    return np.argsort(np.bincount(interactions.indices, minlength=interactions.shape[1]), kind="stable")


def _column(
    pairs: Pairs, added: NDArray[np.float64], item: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """One item's regression: the items it rests on, ascending, and their coefficients."""
    others, counts = pairs.column(item)
    strongest = np.sort(best(np.where(others == item, 0.0, counts), width))
    others, counts = others[strongest], counts[strongest]
    if not others.size:
        return others, counts
    system = pairs.block(others)
    system[np.diag_indices_from(system)] += added[others]
    return others, solve(system, counts)
