"""The item-item matrix that a model rests on, by whichever learner was chosen for it: what leads from item to item, and
from an item to itself.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.ease import EASEConfig, fit_ease
from larder_training.recommender.models.item_knn import ItemKNN, fit_item_knn, own_entries

ItemItemConfig: TypeAlias = ItemKNN | EASEConfig
CO_OCCURRENCE: Final = "item_knn"
REGRESSION: Final = "ease"


def name_of(learner: ItemItemConfig) -> str:
    """As the manifest and ``--without`` call it."""
    return CO_OCCURRENCE if isinstance(learner, ItemKNN) else REGRESSION


def fit_matrix(
    interactions: sp.csr_array, learner: ItemItemConfig, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is what item i says for item j."""
    if isinstance(learner, EASEConfig):
        return fit_ease(interactions, learner, advance)
    found = fit_item_knn(interactions, learner)
    advance(interactions.shape[1])
    return found


def diagonal_of(interactions: sp.csr_array, learner: ItemItemConfig) -> NDArray[np.float64]:
    """``[items]``: what an item says for itself, where it may be had again, in units of how much repeats count: the
    same for all by regression, which knows no diagonal.
    """
    if isinstance(learner, EASEConfig):
        return np.ones(interactions.shape[1])
    return own_entries(interactions, learner)
