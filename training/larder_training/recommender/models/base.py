"""The one interface of every method: what it is given, and what it must give.

A learner is a frozen dataclass of its settings, with one method, ``fit``. What comes out is a scorer, which says how
much each user is drawn to each item. Scorers are blended, cut and written as tables; nothing of them reaches serving.
Each learner stands in one file, cites its paper, and joins the contract suite
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
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.metadata import Column

_NONE: Final[Mapping[str, Column]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """All that a learner may look at; every event of ``log`` lies before ``now`` (epoch seconds).

    ``interactions`` float64 ``[users, items]``, none below 0, is how much each user has to do with each item by events,
    their types and their age (``data.interaction_matrix``); a user or an item without events has an empty
    row or column. ``columns`` are the catalogue's, aligned with ``log.items``; empty where there is no catalogue.
    """

    log: EventLog
    now: int
    interactions: sp.csr_array
    columns: Mapping[str, Column] = field(default_factory=lambda: _NONE)
    seed: int = 0


class Scorer(Protocol):
    """What a learner found."""

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(users), items]``: the larger, the more the user is drawn to the item. Finite; 0 where nothing is
        known of the pair. What a user had already is scored as any other item: whoever hides it does so himself.
        """
        ...


class Estimator(Protocol):
    """A method with its settings. The same settings, data and versions give the same bits."""

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> Scorer:
        """Learns; ``advance`` is told the number of items (or steps) done since its last call."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ItemToItem:
    """A scorer that is a matrix: ``matrix`` ``[items, items]``, what having item i says for item j, and ``history``
    ``[users, items]``, what multiplies it. Such a matrix can be served to sessions too: its rows are neighbours.
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
