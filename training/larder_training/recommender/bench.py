"""One validation period to try choices on; what was fitted for the last choices is kept, since most change little."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.catalogue import Column
from larder_training.recommender.folds import Fold
from larder_training.recommender.learner import Material
from larder_training.recommender.linear import fit_linear
from larder_training.recommender.metrics import by_user, hits
from larder_training.recommender.model import Choices, affinity_of, assemble, popularity
from larder_training.recommender.served import Served, lists, stored
from larder_training.recommender.sources import LEARNERS, TRANSITIONS, Part, learn, served_transitions
from larder_training.recommender.tasks import Task
from larder_training.recommender.trials import METRIC

Made = TypeVar("Made")
_DEPTH: Final = 20


@dataclass(slots=True, eq=False)
class Bench:
    """``fold``, and what was fitted to its history last; ``columns`` are the catalogue's."""

    fold: Fold
    columns: Mapping[str, Column]
    seed: int
    _kept: dict[str, tuple[Hashable, object]] = field(default_factory=dict)

    def values(self, choices: Choices, question: str) -> NDArray[np.float64]:
        """NDCG@20 of each user of the task, ``[users]``: by the formula that serves, on the rows that are stored."""
        task = self.task(question)
        return ndcg(lists(self.served(choices), choices, task, _DEPTH), task)

    def task(self, question: str) -> Task:
        """What is asked: ``known``, ``session`` or ``visit``."""
        return {"known": self.fold.known, "session": self.fold.sessions, "visit": self.fold.visits}[question]

    def served(self, choices: Choices) -> Served:
        """The tables of a model with these choices, for the users that any task asks for."""
        fold = self.fold
        matrix = _matrix_key(choices)
        affinity, linear = self._once("linear", matrix, lambda: self._fit(choices))
        sources = tuple(sorted(choices.sources.items()))
        rows = (matrix, choices.repeats, choices.repeat, sources)

        def make() -> Served:
            parts = tuple(self._part(name, matrix, affinity).times(weight) for name, weight in sources)
            follows = served_transitions(self._part(TRANSITIONS, matrix, affinity)) if TRANSITIONS in LEARNERS else None
            return Served.of(assemble(fold.history, fold.now, choices, affinity, linear, parts, follows), self._users())

        popular = stored(popularity(fold.history, fold.now, choices))
        return replace(self._once("rows", rows, make), popular=popular)

    def _fit(self, choices: Choices) -> tuple[sp.csr_array, sp.csr_array]:
        affinity = affinity_of(self.fold.history, self.fold.now, choices)
        return affinity, fit_linear(affinity, choices.regression)

    def _part(self, name: str, matrix: Hashable, affinity: sp.csr_array) -> Part:
        fold = self.fold
        material = Material(fold.history, fold.now, affinity, self.columns, self.seed)
        return self._once(name, matrix, lambda: learn(name, material))

    def _users(self) -> NDArray[np.int64]:
        tasks = (self.fold.known, self.fold.sessions, self.fold.visits)
        return np.unique(np.concatenate([task.users for task in tasks]))

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
    return choices.half_life_days, choices.regression, tuple(sorted(choices.event_weights.items()))
