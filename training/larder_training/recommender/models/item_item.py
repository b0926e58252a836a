"""The item-item matrix that a model rests on, by whichever learner was chosen for it: what leads from item to item, and
from an item to itself.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.ease import Regression, fit_linear
from larder_training.recommender.models.item_knn import CoOccurrence, co_occurring, own_entries

MatrixLearner: TypeAlias = CoOccurrence | Regression
CO_OCCURRENCE: Final = "item_knn"
REGRESSION: Final = "ease"


def name_of(learner: MatrixLearner) -> str:
    """As the manifest and ``--without`` call it."""
    return CO_OCCURRENCE if isinstance(learner, CoOccurrence) else REGRESSION


def fit_matrix(
    affinity: sp.csr_array, learner: MatrixLearner, advance: Callable[[int], None] = lambda _: None
) -> sp.csr_array:
    """B, float64 ``[items, items]`` with a zero diagonal: ``B[i, j]`` is what item i says for item j."""
    if isinstance(learner, Regression):
        return fit_linear(affinity, learner, advance)
    found = co_occurring(affinity, learner)
    advance(affinity.shape[1])
    return found


def diagonal_of(affinity: sp.csr_array, learner: MatrixLearner) -> NDArray[np.float64]:
    """``[items]``: what an item says for itself, where it may be had again, in units of how much repeats count: the
    same for all by regression, which knows no diagonal.
    """
    if isinstance(learner, Regression):
        return np.ones(affinity.shape[1])
    return own_entries(affinity, learner)
