"""Popularity: the same scores for everybody, by different users, lately or ever."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.interaction_matrix import event_strengths, presence_matrix
from larder_training.recommender.models.base import TrainingData


@dataclass(frozen=True, slots=True)
class Popularity:
    """Counts users, each by his latest event with an item, halved for each half-life of its age (None: never)."""

    half_life_days: float | None = None

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "PopularityScorer":
        """Counts."""
        log = data.log
        present = presence_matrix(log, event_strengths(log, {}, data.now, self.half_life_days))
        counts = np.asarray(present.sum(axis=0), np.float64).ravel()
        advance(len(counts))
        return PopularityScorer((counts / max(counts.max(initial=0.0), 1e-30)).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class PopularityScorer:
    """``values`` float32 ``[items]``, the most popular item's being 1."""

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """The same row for each user."""
        return np.repeat(self.values[None], len(users), axis=0)
