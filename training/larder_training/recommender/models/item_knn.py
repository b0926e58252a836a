"""Item kNN: items that the users of an item interacted with too.

With G = X'DX as in ``ease.py``, the weight of item i for item j is ``G_ij / G_ii**a``: the number of common users for
a = 0, the share of i's users for a = 1. Item-based collaborative filtering ranks best in between (Deshpande and
Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, who raise the neighbour's frequency to such a power).
It needs fewer events than EASE, and is better on sparse logs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.gram import gram_diagonal, gram_factors
from larder_training.numerics.parallel import in_blocks
from larder_training.numerics.sparse import strongest, with_diagonal
from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.ease import USER_EXPONENT

WIDTH: Final = 500
_ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class ItemKNN:
    """The estimator.

    Attributes:
        item_exponent: a.
        user_exponent: b.
        width: Largest entries of a row that are kept.
    """

    item_exponent: float = 0.5
    user_exponent: float = USER_EXPONENT
    width: int = WIDTH

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Fits the matrix with its diagonal, the weight of an item for itself."""
        interactions = data.interactions
        others, own = fit_item_knn(interactions, self), own_entries(interactions, self)
        advance(interactions.shape[1])
        return ItemToItem(with_diagonal(others, own).astype(np.float32), interactions.astype(np.float32))


def fit_item_knn(interactions: sp.csr_array, settings: ItemKNN) -> sp.csr_array:
    """Float64 ``[items, items]`` with a zero diagonal: entry ``[i, j]`` is the weight of item i for item j.

    Memory: 24 bytes per entry that is kept, and per core the rows of 256 items before they are cut.
    """
    left, right = gram_factors(interactions, settings.user_exponent)
    scale = _scale(gram_diagonal(interactions, settings.user_exponent), -settings.item_exponent)
    blocks: dict[int, sp.csr_array] = {}

    def fill(start: int, end: int) -> None:
        product = (left[start:end] @ right).astype(np.float32)
        itself = product.indices == np.repeat(np.arange(start, end), np.diff(product.indptr))
        product.data[itself] = 0
        product.eliminate_zeros()
        blocks[start] = strongest(product, settings.width).astype(np.float64)

    in_blocks(interactions.shape[1], _ROWS, fill)
    rows = sp.vstack([blocks[start] for start in sorted(blocks)], format="csr")
    return sp.csr_array(sp.diags_array(scale) @ rows)


def own_entries(interactions: sp.csr_array, settings: ItemKNN) -> NDArray[np.float64]:
    """``[items]``: the diagonal that ``fit_item_knn`` omits, the weight of each item for itself."""
    diagonal = gram_diagonal(interactions, settings.user_exponent)
    return diagonal * _scale(diagonal, -settings.item_exponent)


def _scale(diagonal: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    return np.where(diagonal > 0, diagonal, 1.0) ** exponent
