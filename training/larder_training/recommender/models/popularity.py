"""Popularity: the number of users of an item, of all times or recently; the same scores for every user."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.interaction_matrix import event_strengths, presence_matrix
from larder_training.recommender.models.base import TrainingData


@dataclass(frozen=True, slots=True)
class Popularity:
    """The estimator.

    Attributes:
        half_life_days: Age of a user's latest event with the item at which the user counts half; None: no decay.
    """

    half_life_days: float | None = None

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "PopularityScorer":
        """Counts the users of each item."""
        log = data.log
        present = presence_matrix(log, event_strengths(log, {}, data.now, self.half_life_days))
        counts = np.asarray(present.sum(axis=0), np.float64).ravel()
        advance(len(counts))
        return PopularityScorer((counts / max(counts.max(initial=0.0), 1e-30)).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class PopularityScorer:
    """The same scores for every user.

    Attributes:
        values: Float32 ``[items]``; 1 for the most popular item.
    """

    values: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Float32 ``[len(users), items]``: the same row for each user."""
        return np.repeat(self.values[None], len(users), axis=0)
