"""Session neighbours: who had what this user just had, and what else they had.

The kNN by vector multiplication of Ludewig and Jannach ("Evaluation of session-based recommendation algorithms", User
Modeling and User-Adapted Interaction 28, 2018), with users as the sessions: a user's newest items weigh most, rare
items say more, and the nearest others vote with their likeness. For users' rows only: it is no item-to-item table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import strongest
from larder_training.recommender.data.interaction_matrix import seen_pairs
from larder_training.recommender.data.user_sequences import weigh_histories
from larder_training.recommender.models.base import TrainingData


@dataclass(frozen=True, slots=True)
class SessionKNN:
    """``history_decay``: the k-th newest event of a user weighs this to the power k when others are compared to him."""

    neighbours: int = 200
    history_decay: float = 0.7

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "Neighbourhoods":
        """Nothing is learnt but how rare items are; ``advance`` is told items."""
        had = seen_pairs(data.log).astype(np.float64)
        users, items = had.shape
        owners = np.bincount(had.indices, minlength=items)
        rarity = np.log((users + 1) / (owners + 1))
        lengths = np.maximum(np.diff(had.indptr), 1)
        compared = (sp.diags_array(lengths**-0.5) @ had @ sp.diags_array(rarity)).T.tocsr()
        advance(items)
        return Neighbourhoods(had, compared, weigh_histories(data.log, self.history_decay), self.neighbours)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhoods:
    """``had`` float64 ``[users, items]`` of zeros and ones, ``recent`` ``[users, items]``; ``compared``
    ``[items, users]`` is what sharing an item adds to the likeness of a user.
    """

    had: sp.csr_array
    compared: sp.csr_array
    recent: sp.csr_array
    neighbours: int

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the nearest others had, by likeness."""
        return np.asarray(self.votes(self.recent[users], users).toarray(), np.float32)

    def votes(self, recent: sp.csr_array, oneself: NDArray[np.int64] | None = None) -> sp.csr_array:
        """float64 ``[n, items]`` for weighted items ``recent`` ``[n, items]``; ``oneself`` ``[n]`` has no vote."""
        likeness = (recent @ self.compared).tocsr()
        if oneself is not None:
            rows = np.repeat(np.arange(likeness.shape[0]), np.diff(likeness.indptr))
            likeness.data[likeness.indices == oneself[rows]] = 0
            likeness.eliminate_zeros()
        votes: sp.csr_array = (strongest(likeness, self.neighbours) @ self.had).tocsr()
        return votes
