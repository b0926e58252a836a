"""Session kNN: items of the users who had the same recent items.

The kNN by vector multiplication of Ludewig and Jannach ("Evaluation of session-based recommendation algorithms", User
Modeling and User-Adapted Interaction 28, 2018), with users as sessions: newer and rarer items have more weight, and the
nearest users vote with their similarity. It cannot be served as an item-item table.
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
    """Settings.

    Attributes:
        neighbours: Number of users who vote.
        history_decay: Weight of a user's k-th newest event is this to the power k.
    """

    neighbours: int = 200
    history_decay: float = 0.7

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "Neighbourhoods":
        """Fits to all events; ``advance`` receives the number of items done."""
        seen = seen_pairs(data.log).astype(np.float64)
        users, items = seen.shape
        owners = np.bincount(seen.indices, minlength=items)
        rarity = np.log((users + 1) / (owners + 1))
        lengths = np.maximum(np.diff(seen.indptr), 1)
        similarity = (sp.diags_array(lengths**-0.5) @ seen @ sp.diags_array(rarity)).T.tocsr()
        advance(items)
        return Neighbourhoods(seen, similarity, weigh_histories(data.log, self.history_decay), self.neighbours)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhoods:
    """A fitted session kNN.

    Attributes:
        seen: float64 ``[users, items]``: 1 for pairs with an event.
        similarity: ``[items, users]``: similarity to a user that one shared item adds.
        recent: ``[users, items]``: weights of each user's recent items.
        neighbours: Number of users who vote.
    """

    seen: sp.csr_array
    similarity: sp.csr_array
    recent: sp.csr_array
    neighbours: int

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 ``[len(users), items]``: votes of the nearest other users."""
        return np.asarray(self.votes(self.recent[users], users).toarray(), np.float32)

    def votes(self, recent: sp.csr_array, oneself: NDArray[np.int64] | None = None) -> sp.csr_array:
        """float64 ``[n, items]`` for weighted items ``recent`` ``[n, items]``; ``oneself`` ``[n]`` does not vote."""
        similarity = (recent @ self.similarity).tocsr()
        if oneself is not None:
            rows = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
            similarity.data[similarity.indices == oneself[rows]] = 0
            similarity.eliminate_zeros()
        votes: sp.csr_array = (strongest(similarity, self.neighbours) @ self.seen).tocsr()
        return votes
