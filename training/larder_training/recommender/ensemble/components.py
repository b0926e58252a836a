"""The further sources of users' rows, beside the item-item matrix: which there are, and how their scores are added."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.base import ItemToItem, Learner, Material, Scorer
from larder_training.recommender.models.co_visitation import CoVisitation
from larder_training.recommender.models.ease import LinearModel, Regression
from larder_training.recommender.models.item_item import CO_OCCURRENCE, REGRESSION
from larder_training.recommender.models.item_knn import CoOccurrence
from larder_training.recommender.models.matrix_factorization import AlternatingLeastSquares, BayesianPersonalizedRanking
from larder_training.recommender.models.pure_svd import LowRank
from larder_training.recommender.models.user_ease import UserNeighbours

CO_VISITATION: Final = "co_visitation"
PURE_SVD: Final = "pure_svd"
ALS: Final = "als"
USER_EASE: Final = "user_ease"
# In the order in which they are tried: the simple ones first. Exponents of the low-rank factors are those that did best
# on Online Retail's validation periods (benchmarks/recommender); Gowalla's, the learner's own, did worse there.
COMPONENTS: Final[Mapping[str, Callable[[], Learner]]] = {
    CO_OCCURRENCE: CoOccurrence,
    REGRESSION: LinearModel,
    CO_VISITATION: CoVisitation,
    PURE_SVD: partial(LowRank, rank=256, item_exponent=0.3, rescale=0.3),
    ALS: partial(AlternatingLeastSquares, regularization=0.1, alpha=10.0),
    "bpr": BayesianPersonalizedRanking,
    USER_EASE: partial(UserNeighbours, Regression(ridge=1.5, dropout=0.6, width=300), item_exponent=-0.05),
}
RERANKER_COMPONENTS: Final = (
    CO_VISITATION,
    PURE_SVD,
    ALS,
)  # what a reranker hears, whether the blend has taken it or not
_UNIT_QUANTILE: Final = 0.99
_UNIT_USERS: Final = 1000
_BLOCK: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A scorer, and what its scores are multiplied by to be in the unit of tables."""

    scorer: Scorer
    factor: float

    @classmethod
    def of(cls, scorer: Scorer, known: NDArray[np.int64]) -> "Component":
        """In its own unit: the 99th percentile of the best scores of users (of a thousand or two of ``known``, evenly
        spaced) is 1.
        """
        asked = sample(known)
        tops = [scorer.scores(asked[start : start + _BLOCK]).max(axis=1) for start in range(0, asked.size, _BLOCK)]
        unit = unit_of(np.concatenate(tops)) if tops else 0.0
        return cls(scorer, 1 / unit if unit else 0.0)  # nothing is known of anybody, so there is nothing to add

    def add(self, users: NDArray[np.int64], total: NDArray[np.float32], weight: float) -> None:
        """Adds its scores, times ``weight``, to ``total`` float32 ``[len(users), items]``."""
        total += np.float32(weight * self.factor) * self.scorer.scores(users)


def fit_component(name: str, material: Material) -> Component:
    """Fits the learner of that name, and finds its unit."""
    return Component.of(COMPONENTS[name]().fit(material), np.flatnonzero(np.diff(material.affinity.indptr)))


def serving_transitions(part: Component) -> sp.csr_array:
    """What follows an item, as sessions are formula it: the 99th percentile of the rows' best entries is 1."""
    if not isinstance(part.scorer, ItemToItem):
        raise TypeError("only a matrix of items can be formula to sessions")
    matrix = part.scorer.matrix
    tops = matrix.max(axis=1).toarray().ravel()
    return (matrix / (unit_of(tops[tops > 0]) or 1.0)).tocsr()


def sample(known: NDArray[np.int64]) -> NDArray[np.int64]:
    """A thousand or two of the users, evenly spaced: those who say what a unit is."""
    return known[:: max(1, known.size // _UNIT_USERS)]


def unit_of(tops: NDArray[np.floating]) -> float:
    """The 99th percentile of best scores: what tables call 1; 0 where none is above 0."""
    return max(float(np.quantile(tops, _UNIT_QUANTILE)), 0.0) if tops.size else 0.0
