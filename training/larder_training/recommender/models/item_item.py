"""The item-item matrix of an ensemble, by EASE or item kNN: weights between items, and of an item for itself."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.ease import EASEConfig, fit_ease
from larder_training.recommender.models.item_knn import ItemKNN, fit_item_knn, own_entries

ItemItemConfig: TypeAlias = ItemKNN | EASEConfig
ITEM_KNN_NAME: Final = "item_knn"
EASE_NAME: Final = "ease"


def name_of(config: ItemItemConfig) -> str:
    """The name in the manifest and of ``--without``."""
    return ITEM_KNN_NAME if isinstance(config, ItemKNN) else EASE_NAME


def fit_matrix(
    interactions: sp.csr_array, config: ItemItemConfig, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is the weight of item i for item j."""
    if isinstance(config, EASEConfig):
        return fit_ease(interactions, config, advance)
    matrix = fit_item_knn(interactions, config)
    advance(interactions.shape[1])
    return matrix


def diagonal_of(interactions: sp.csr_array, config: ItemItemConfig) -> NDArray[np.float64]:
    """``[items]``: the weight of an item for itself, if items may repeat, in units of the weight of repeats.

    It is 1 for all items with EASE, whose diagonal is zero.
    """
    if isinstance(config, EASEConfig):
        return np.ones(interactions.shape[1])
    return own_entries(interactions, config)
