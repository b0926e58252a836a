"""Cache of fits on a validation fold: most trials change little, so most of the fit is reused."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import top_rows
from larder_training.recommender.ensemble.components import CO_VISITATION, Component, fit_component, serving_transitions
from larder_training.recommender.ensemble.fitted import (
    NEIGHBOUR_SLOTS,
    FittedEnsemble,
    Metadata,
    add_content,
    assemble,
    interactions_of,
    popularity,
    required_components,
)
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import (
    ServingFormula,
    recommendations,
    segment_row,
    user_matrix,
)
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.models.base import TrainingData
from larder_training.recommender.models.content_knn import ContentKNN
from larder_training.recommender.models.item_item import fit_matrix
from larder_training.recommender.reranker.features import FeatureContext
from larder_training.recommender.reranker.lambdamart import Reranker
from larder_training.recommender.splits.rolling_origin import Fold
from larder_training.recommender.splits.tasks import Task
from larder_training.recommender.tuning.component_weights import Pools
from larder_training.recommender.tuning.trials import METRIC

TaskName: TypeAlias = Literal["known", "session", "visit"]
Cached = TypeVar("Cached")
_DEPTH: Final = 20


@dataclass(slots=True, eq=False)
class FoldCache:
    """Evaluates hyperparameters on a fold, and caches what it fits.

    Attributes:
        fold: The validation period and its history.
        metadata: Item columns and user labels.
        seed: Seed of the components' random draws.
    """

    fold: Fold
    metadata: Metadata
    seed: int
    _cache: dict[str, tuple[Hashable, object]] = field(default_factory=dict)

    def values(
        self, params: Hyperparameters, task_name: TaskName, reranker: Reranker | None = None
    ) -> NDArray[np.float64]:
        """NDCG@20 of each user of the task, ``[users]``, by the serving formula on rows as the tables store them."""
        task = self.task(task_name)
        return ndcg(recommendations(self._formula(params, task_name, reranker), params, task, _DEPTH), task)

    def task(self, name: TaskName) -> Task:
        """The fold's task of this name."""
        tasks: dict[TaskName, Task] = {
            "known": self.fold.known,
            "session": self.fold.sessions,
            "visit": self.fold.visits,
        }
        return tasks[name]

    def _formula(self, params: Hyperparameters, task_name: TaskName, reranker: Reranker | None) -> ServingFormula:
        """The table rows that the task needs, and no others, since each takes time."""
        components = tuple(sorted(params.components.items()))
        key = (
            _matrix_key(params),
            params.content,
            params.recommend_seen,
            params.diagonal_weight,
            components,
            params.component_settings,
            reranker,
        )
        # Co-visitation has its own cache: it is not part of users' rows.
        without_transitions = replace(params, transition_weight=0.0)

        def fitted() -> FittedEnsemble:
            return self._cached("fitted", key, lambda: self._fitted(without_transitions, reranker))

        users = self._cached(f"rows, {task_name}", key, lambda: user_matrix(fitted(), self.task(task_name).users))
        items = users.shape[1]
        neighbours = sp.csr_array((items, items), dtype=np.float64)
        if task_name != "known":  # neighbours are used for sessions alone
            neighbours = self._cached("neighbours", key, lambda: fitted().neighbour_rows().matrix(items))
        transitions = self._transitions(params) if params.transition_weight else None
        return ServingFormula(users, neighbours, self._popularity(params), transitions)

    def pools(self, params: Hyperparameters) -> Pools:
        """Pools of the components' candidates for the users of the task ``known``."""
        task, fitted = self.fold.known, self._fitted(replace(params, transition_weight=0.0), None)
        hidden = None if fitted.hidden is None else fitted.hidden[task.users]
        return Pools.of(fitted.weighted_components(), task.users, task.truth, hidden)

    def _popularity(self, params: Hyperparameters) -> NDArray[np.float64]:
        key = params.trend_half_life_days, tuple(sorted(params.event_weights.items()))
        history, now = self.fold.history, self.fold.now
        return self._cached("popularity", key, lambda: segment_row(popularity(history, now, params)))

    def _fitted(self, params: Hyperparameters, reranker: Reranker | None) -> FittedEnsemble:
        context = FeatureContext(self.fold.history, self.fold.now, self.metadata.columns, self.metadata.labels)
        interactions, matrix = self._matrix_with_content(params) if params.content else self._matrix(params)
        components = {name: self._component(name, params) for name in required_components(params)}
        return replace(assemble(context, params, interactions, matrix, components), reranker=reranker)

    def _matrix(self, params: Hyperparameters) -> tuple[sp.csr_array, sp.csr_array]:
        """Interactions ``[users, items]`` and the item-item matrix B ``[items, items]``."""

        def compute() -> tuple[sp.csr_array, sp.csr_array]:
            interactions = interactions_of(self.fold.history, self.fold.now, params)
            return interactions, fit_matrix(interactions, params.matrix)

        return self._cached("matrix", _matrix_key(params), compute)

    def _matrix_with_content(self, params: Hyperparameters) -> tuple[sp.csr_array, sp.csr_array]:
        interactions, matrix = self._matrix(params)

        def compute() -> sp.csr_array:
            content = ContentKNN().fit(self._training_data(interactions)).matrix
            return add_content(matrix, content, self.fold.history, params)

        return interactions, self._cached("matrix with content", (_matrix_key(params), params.content), compute)

    def _training_data(self, interactions: sp.csr_array) -> TrainingData:
        return TrainingData(self.fold.history, self.fold.now, interactions, self.metadata.columns, self.seed)

    def _component(self, name: str, params: Hyperparameters) -> Component:
        interactions, _ = self._matrix(params)
        return self._cached(
            name,
            (_matrix_key(params), params.component_settings),
            lambda: fit_component(name, self._training_data(interactions), params.component_settings),
        )

    def _transitions(self, params: Hyperparameters) -> sp.csr_array:
        def compute() -> sp.csr_array:
            transitions = serving_transitions(self._component(CO_VISITATION, params))
            return top_rows(transitions, NEIGHBOUR_SLOTS).matrix(transitions.shape[0])

        return self._cached("transition rows", _matrix_key(params), compute)

    def _cached(self, name: str, key: Hashable, compute: Callable[[], Cached]) -> Cached:
        """The result of ``compute``; one result per name is cached, until the name is requested with another key."""
        if name not in self._cache or self._cache[name][0] != key:
            self._cache.pop(name, None)  # frees the old result before the new one is computed
            self._cache[name] = (key, compute())
        result: Cached = self._cache[name][1]  # type: ignore[assignment]  # a name always has the same type
        return result


def ndcg(ranking: NDArray[np.int64], task: Task) -> NDArray[np.float64]:
    """NDCG@20 of each user's list."""
    return by_user(hits(ranking, task.truth), task.relevant, (_DEPTH,))[METRIC]


def _matrix_key(params: Hyperparameters) -> Hashable:
    return params.half_life_days, params.matrix, tuple(sorted(params.event_weights.items()))
