"""Components that the ensemble adds to the item-item matrix: their estimators, and the unit of their scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.base import Estimator, ItemToItem, Scorer, TrainingData
from larder_training.recommender.models.co_visitation import CoVisitation
from larder_training.recommender.models.ease import EASE, EASEConfig
from larder_training.recommender.models.item_item import EASE_NAME, ITEM_KNN_NAME
from larder_training.recommender.models.item_knn import ItemKNN
from larder_training.recommender.models.matrix_factorization import AlternatingLeastSquares, BayesianPersonalizedRanking
from larder_training.recommender.models.pure_svd import PureSVD
from larder_training.recommender.models.user_ease import UserEASE

CO_VISITATION: Final = "co_visitation"
PURE_SVD: Final = "pure_svd"
ALS: Final = "als"
USER_EASE: Final = "user_ease"
BPR: Final = "bpr"
RERANKER_COMPONENTS: Final = (CO_VISITATION, PURE_SVD, ALS)  # features of the reranker, part of the ensemble or not


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """Settings of the two components whose best settings depend on the data.

    The defaults are the best on Online Retail's validation periods, ``WITHOUT_TIMES`` on the last items of Gowalla's
    users (benchmarks/recommender).

    Attributes:
        pure_svd: Settings of PureSVD.
        user_ease: Settings of EASE between users.
    """

    pure_svd: PureSVD = field(default_factory=lambda: PureSVD(rank=256, item_exponent=0.3, rescale=0.3))
    user_ease: UserEASE = field(
        default_factory=lambda: UserEASE(EASEConfig(ridge=1.5, dropout=0.6, width=300), item_exponent=-0.05)
    )


WITHOUT_TIMES: Final = ComponentSettings(
    PureSVD(rank=640, item_exponent=0.45, rescale=0.5), UserEASE(item_exponent=-0.05)
)
DEFAULT_SETTINGS: Final = ComponentSettings()
# In the order of the search: simple ones first.
COMPONENTS: Final[Mapping[str, Callable[[ComponentSettings], Estimator]]] = {
    ITEM_KNN_NAME: lambda _: ItemKNN(),
    EASE_NAME: lambda _: EASE(),
    CO_VISITATION: lambda _: CoVisitation(),
    PURE_SVD: lambda settings: settings.pure_svd,
    ALS: lambda _: AlternatingLeastSquares(regularization=0.1, alpha=10.0),
    BPR: lambda _: BayesianPersonalizedRanking(),
    USER_EASE: lambda settings: settings.user_ease,
}
_UNIT_QUANTILE: Final = 0.99
_UNIT_USERS: Final = 1000
_BLOCK: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A scorer with the unit of its scores.

    Attributes:
        scorer: The fitted model.
        factor: Factor of the scores, so that the 99th percentile of users' best scores is 1.
    """

    scorer: Scorer
    factor: float

    @classmethod
    def of(cls, scorer: Scorer, users: NDArray[np.int64]) -> "Component":
        """Computes the unit on 1,000 to 2,000 of ``users``, evenly spaced."""
        sampled = sample(users)
        best = [scorer.scores(sampled[start : start + _BLOCK]).max(axis=1) for start in range(0, sampled.size, _BLOCK)]
        unit = unit_of(np.concatenate(best)) if best else 0.0
        return cls(scorer, 1 / unit if unit else 0.0)  # a unit of 0: all scores are 0

    def scores(self, users: NDArray[np.int64], weight: float = 1.0) -> NDArray[np.float32]:
        """float32 ``[len(users), items]``, a new array: scores in this unit, times ``weight``."""
        scores = self.scorer.scores(users)
        scores *= np.float32(weight * self.factor)
        return scores


def fit_component(name: str, data: TrainingData, settings: ComponentSettings = DEFAULT_SETTINGS) -> Component:
    """Fits the component ``name`` and computes its unit."""
    scorer = COMPONENTS[name](settings).fit(data)
    return Component.of(scorer, np.flatnonzero(np.diff(data.interactions.indptr)))


def serving_transitions(component: Component) -> sp.csr_array:
    """Co-visitation ``[items, items]`` in the unit of the tables: the 99th percentile of the rows' maxima is 1."""
    if not isinstance(component.scorer, ItemToItem):
        raise TypeError("only an item-item matrix can be served to sessions")
    matrix = component.scorer.matrix
    maxima = matrix.max(axis=1).toarray().ravel()
    return (matrix / (unit_of(maxima[maxima > 0]) or 1.0)).tocsr()


def sample(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """1,000 to 2,000 of the users, evenly spaced; all of them if they are fewer."""
    return users[:: max(1, users.size // _UNIT_USERS)]


def unit_of(best: NDArray[np.floating]) -> float:
    """The unit of scores: the 99th percentile of users' best scores; 0 if none is above 0."""
    return max(float(np.quantile(best, _UNIT_QUANTILE)), 0.0) if best.size else 0.0
