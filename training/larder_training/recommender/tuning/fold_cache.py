"""Cache of what was fitted on one validation fold: most trials change little, so most of it is reused."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import top_rows
from larder_training.recommender.ensemble.components import CO_VISITATION, Component, fit_component, serving_transitions
from larder_training.recommender.ensemble.fitted import (
    NEIGHBOUR_SLOTS,
    Attributes,
    Fitted,
    affinity_of,
    assemble,
    fill,
    needed,
    popularity,
)
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import ServingFormula, lists, rows_of, segment_row
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.models.base import Material
from larder_training.recommender.models.content_knn import ContentNeighbours
from larder_training.recommender.models.item_item import fit_matrix
from larder_training.recommender.reranker.lambdamart import Reranker
from larder_training.recommender.splits.rolling_origin import Fold
from larder_training.recommender.splits.tasks import Task
from larder_training.recommender.tuning.blend_weights import Pools
from larder_training.recommender.tuning.trials import METRIC

Made = TypeVar("Made")
_DEPTH: Final = 20


@dataclass(slots=True, eq=False)
class FoldCache:
    """Scores hyperparameters on one fold.

    Attributes:
        fold: The validation period and its history.
        attributes: Item columns and user labels.
        seed: Seed of the components' random draws.
    """

    fold: Fold
    attributes: Attributes
    seed: int
    _kept: dict[str, tuple[Hashable, object]] = field(default_factory=dict)

    def values(self, params: Hyperparameters, question: str, reranker: Reranker | None = None) -> NDArray[np.float64]:
        """NDCG@20 of each user of the task, ``[users]``: by the formula that serves, on the rows that are stored."""
        task = self.task(question)
        return ndcg(lists(self._formula(params, question, reranker), params, task, _DEPTH), task)

    def task(self, question: str) -> Task:
        """The task of a question: ``known``, ``session`` or ``visit``."""
        return {"known": self.fold.known, "session": self.fold.sessions, "visit": self.fold.visits}[question]

    def _formula(self, params: Hyperparameters, question: str, reranker: Reranker | None) -> ServingFormula:
        """The table rows that the question needs, and no others: each takes time."""
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
        # Co-visitation does not enter users' rows and has its own cache: most changes of the rows leave it as it is.
        alone = replace(params, transition_weight=0.0)

        def fitted() -> Fitted:
            return self._once("fitted", key, lambda: self._fitted(alone, reranker))

        users = self._once(f"rows, {question}", key, lambda: rows_of(fitted(), self.task(question).users))
        items = users.shape[1]
        neighbours = sp.csr_array((items, items), dtype=np.float64)
        if question != "known":  # without a session, neighbours do not count
            neighbours = self._once("neighbours", key, lambda: fitted().neighbour_rows().matrix(items))
        transitions = self._transitions(params) if params.transition_weight else None
        return ServingFormula(users, neighbours, self._popular(params), transitions)

    def pools(self, params: Hyperparameters) -> Pools:
        """Candidates of the blend's components for the users of the task ``known``."""
        task, fitted = self.fold.known, self._fitted(replace(params, transition_weight=0.0), None)
        hidden = None if fitted.hidden is None else fitted.hidden[task.users]
        return Pools.of(fitted.blended(), task.users, task.truth, hidden)

    def _popular(self, params: Hyperparameters) -> NDArray[np.float64]:
        key = params.trend_half_life_days, tuple(sorted(params.event_weights.items()))
        history, now = self.fold.history, self.fold.now
        return self._once("popular", key, lambda: segment_row(popularity(history, now, params)))

    def _fitted(self, params: Hyperparameters, reranker: Reranker | None) -> Fitted:
        history, now = self.fold.history, self.fold.now
        affinity, linear = self._filled(params) if params.content else self._linear(params)
        components = {name: self._component(name, params) for name in needed(params)}
        return replace(assemble(history, now, params, affinity, linear, self.attributes, components), reranker=reranker)

    def _linear(self, params: Hyperparameters) -> tuple[sp.csr_array, sp.csr_array]:
        def make() -> tuple[sp.csr_array, sp.csr_array]:
            affinity = affinity_of(self.fold.history, self.fold.now, params)
            return affinity, fit_matrix(affinity, params.matrix)

        return self._once("linear", _matrix_key(params), make)

    def _filled(self, params: Hyperparameters) -> tuple[sp.csr_array, sp.csr_array]:
        affinity, linear = self._linear(params)

        def make() -> sp.csr_array:
            content = ContentNeighbours().fit(self._material(affinity)).matrix
            return fill(linear, content, self.fold.history, params)

        return affinity, self._once("filled", (_matrix_key(params), params.content), make)

    def _material(self, affinity: sp.csr_array) -> Material:
        return Material(self.fold.history, self.fold.now, affinity, self.attributes.columns, self.seed)

    def _component(self, name: str, params: Hyperparameters) -> Component:
        affinity, _ = self._linear(params)
        return self._once(
            name,
            (_matrix_key(params), params.component_settings),
            lambda: fit_component(name, self._material(affinity), params.component_settings),
        )

    def _transitions(self, params: Hyperparameters) -> sp.csr_array:
        def make() -> sp.csr_array:
            follows = serving_transitions(self._component(CO_VISITATION, params))
            return top_rows(follows, NEIGHBOUR_SLOTS).matrix(follows.shape[0])

        return self._once("transition rows", _matrix_key(params), make)

    def _once(self, name: str, key: Hashable, make: Callable[[], Made]) -> Made:
        """The result of ``make``, cached until the same name is requested with another key."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept.pop(name, None)  # before the next is made, so that both are never held
            self._kept[name] = (key, make())
        found: Made = self._kept[name][1]  # type: ignore[assignment]  # one name always holds one type
        return found


def ndcg(ranking: NDArray[np.int64], task: Task) -> NDArray[np.float64]:
    """NDCG@20 of each user's list."""
    return by_user(hits(ranking, task.truth), task.relevant, (_DEPTH,))[METRIC]


def _matrix_key(params: Hyperparameters) -> Hashable:
    return params.half_life_days, params.matrix, tuple(sorted(params.event_weights.items()))
