"""The interface of all models: an estimator is fitted to training data and gives a scorer.

An estimator is a frozen dataclass of its hyperparameters with one method, ``fit``. Its scorer scores items for users.
The scores are combined, cut and written as tables; serving uses neither estimators nor scorers. Each estimator has its
own module, cites its paper, and joins the contract suite
(``tests/larder_training/recommender/models/test_models.py``) by one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.arrays import Floats
from larder_training.numerics.blas import batch_product
from larder_training.numerics.sparse_products import dense_product
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.event_log import EventLog

_NONE: Final[Mapping[str, Column]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What an estimator is fitted to.

    Attributes:
        log: Events before ``now``.
        now: Cutoff, in epoch seconds.
        interactions: Float64 ``[users, items]``, entries above 0: the interaction matrix (``data.interaction_matrix``).
        columns: Item metadata, in the order of ``log.items``; empty without metadata.
        seed: Of all random draws.
    """

    log: EventLog
    now: int
    interactions: sp.csr_array
    columns: Mapping[str, Column] = field(default_factory=lambda: _NONE)
    seed: int = 0


class Scorer(Protocol):
    """A fitted model."""

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Float32 ``[len(users), items]``: the larger, the better the item fits the user.

        Scores are finite, and 0 if nothing is known about the pair. Items that the user interacted with are scored too.
        """
        ...


class Estimator(Protocol):
    """A model with its hyperparameters. The same hyperparameters, data and library versions give the same bits."""

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> Scorer:
        """Fits the model.

        Args:
            data: What to fit to.
            advance: Receives the number of items (or steps) done since its last call.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ItemToItem:
    """A scorer that is an item-item matrix. Its rows are neighbours, which serve sessions too.

    Attributes:
        matrix: ``[items, items]``: score of item j for a user of item i.
        history: ``[users, items]``: weights of the rows.
    """

    matrix: sp.csr_array
    history: sp.csr_array

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``history @ matrix`` for these users, dense ``[len(users), items]``."""
        return dense_product(self.history[users], self.matrix).astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class LatentFactors:
    """A scorer of users and items as vectors, whose inner products are the scores.

    Attributes:
        users: float32 ``[users, factors]``; zeros for users without events.
        items: float32 ``[items, factors]``; zeros for items without events.
    """

    users: Floats
    items: Floats

    def scores(self, users: NDArray[np.int64]) -> Floats:
        """Float32 ``[len(users), items]``: the same bits for a user in every batch."""
        return batch_product(self.users[users], self.items)
