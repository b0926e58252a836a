"""One validation period to try choices on; what was fitted for the last choices is kept, since most change little."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import top_rows
from larder_training.recommender.ensemble.components import TRANSITIONS, Part, learn, served_transitions
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
from larder_training.recommender.ensemble.hyperparameters import Choices
from larder_training.recommender.evaluation.serving_formula import Served, lists, rows_of, segment_row
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.models.base import Material
from larder_training.recommender.models.content_knn import ContentNeighbours
from larder_training.recommender.models.item_item import fit_matrix
from larder_training.recommender.reranker.lambdamart import Ranker
from larder_training.recommender.splits.rolling_origin import Fold
from larder_training.recommender.splits.tasks import Task
from larder_training.recommender.tuning.trials import METRIC

Made = TypeVar("Made")
_DEPTH: Final = 20


@dataclass(slots=True, eq=False)
class Bench:
    """``fold``, and what was fitted to its history last."""

    fold: Fold
    attributes: Attributes
    seed: int
    _kept: dict[str, tuple[Hashable, object]] = field(default_factory=dict)

    def values(self, choices: Choices, question: str, ranker: Ranker | None = None) -> NDArray[np.float64]:
        """NDCG@20 of each user of the task, ``[users]``: by the formula that serves, on the rows that are stored."""
        task = self.task(question)
        return ndcg(lists(self._served(choices, question, ranker), choices, task, _DEPTH), task)

    def task(self, question: str) -> Task:
        """What is asked: ``known``, ``session`` or ``visit``."""
        return {"known": self.fold.known, "session": self.fold.sessions, "visit": self.fold.visits}[question]

    def _served(self, choices: Choices, question: str, ranker: Ranker | None) -> Served:
        """What the tables of a model with these choices say to the question, and no more: each takes its time."""
        sources = tuple(sorted(choices.sources.items()))
        key = (_matrix_key(choices), choices.content, choices.repeats, choices.repeat, sources, ranker)
        # Transitions are no part of users' rows, and are kept apart: most choices that change rows leave them.
        alone = replace(choices, transition_weight=0.0)

        def fitted() -> Fitted:
            return self._once("fitted", key, lambda: self._fitted(alone, ranker))

        users = self._once(f"rows, {question}", key, lambda: rows_of(fitted(), self.task(question).users))
        items = users.shape[1]
        neighbours = sp.csr_array((items, items), dtype=np.float64)
        if question != "known":  # who has no session is asked by nothing that he clicked
            neighbours = self._once("neighbours", key, lambda: fitted().neighbour_rows().matrix(items))
        transitions = self._transitions(choices) if choices.transition_weight else None
        return Served(users, neighbours, self._popular(choices), transitions)

    def _popular(self, choices: Choices) -> NDArray[np.float64]:
        key = choices.trend_half_life_days, tuple(sorted(choices.event_weights.items()))
        history, now = self.fold.history, self.fold.now
        return self._once("popular", key, lambda: segment_row(popularity(history, now, choices)))

    def _fitted(self, choices: Choices, ranker: Ranker | None) -> Fitted:
        history, now = self.fold.history, self.fold.now
        affinity, linear = self._filled(choices) if choices.content else self._linear(choices)
        parts = {name: self._part(name, choices) for name in needed(choices)}
        return replace(assemble(history, now, choices, affinity, linear, self.attributes, parts), ranker=ranker)

    def _linear(self, choices: Choices) -> tuple[sp.csr_array, sp.csr_array]:
        def make() -> tuple[sp.csr_array, sp.csr_array]:
            affinity = affinity_of(self.fold.history, self.fold.now, choices)
            return affinity, fit_matrix(affinity, choices.matrix)

        return self._once("linear", _matrix_key(choices), make)

    def _filled(self, choices: Choices) -> tuple[sp.csr_array, sp.csr_array]:
        affinity, linear = self._linear(choices)

        def make() -> sp.csr_array:
            content = ContentNeighbours().fit(self._material(affinity)).matrix
            return fill(linear, content, self.fold.history, choices)

        return affinity, self._once("filled", (_matrix_key(choices), choices.content), make)

    def _material(self, affinity: sp.csr_array) -> Material:
        return Material(self.fold.history, self.fold.now, affinity, self.attributes.columns, self.seed)

    def _part(self, name: str, choices: Choices) -> Part:
        affinity, _ = self._linear(choices)
        return self._once(name, _matrix_key(choices), lambda: learn(name, self._material(affinity)))

    def _transitions(self, choices: Choices) -> sp.csr_array:
        def make() -> sp.csr_array:
            follows = served_transitions(self._part(TRANSITIONS, choices))
            return top_rows(follows, NEIGHBOUR_SLOTS).matrix(follows.shape[0])

        return self._once("transition rows", _matrix_key(choices), make)

    def _once(self, name: str, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` gives, kept until another key is asked for under the same name."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept.pop(name, None)  # before the next is made, so that both are never held
            self._kept[name] = (key, make())
        found: Made = self._kept[name][1]  # type: ignore[assignment]  # one name always holds one type
        return found


def ndcg(ranking: NDArray[np.int64], task: Task) -> NDArray[np.float64]:
    """NDCG@20 of each user's list."""
    return by_user(hits(ranking, task.truth), task.relevant, (_DEPTH,))[METRIC]


def _matrix_key(choices: Choices) -> Hashable:
    return choices.half_life_days, choices.matrix, tuple(sorted(choices.event_weights.items()))
