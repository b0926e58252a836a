"""Directed co-visitation: items that follow an item within a few steps, weighted by their distance.

For two events of one user that are g steps apart, the earlier item's row gains ``decay**(g - 1)`` for the later item,
and the later item's row gains ``backward`` times that for the earlier item. It is the co-visitation of Davidson et al.
("The YouTube Video Recommendation System", RecSys 2010) with the order and the distance of events, in one pass over the
log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import Accumulator, strongest
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.user_sequences import UserSequences, weigh_histories
from larder_training.recommender.models.base import ItemToItem, TrainingData

PAIRS: Final = 2**26  # pairs of items in memory while counting, 8 bytes each
CHUNK: Final = 2**19  # events per chunk; each gives ``gaps`` pairs
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class CoVisitation:
    """The estimator.

    Attributes:
        gaps: Most steps between two events of a pair.
        decay: Factor of the weight per further step.
        backward: Factor of the weight from the later item to the earlier one.
        half_life_days: Age of the later event at which a pair counts half; None: no decay.
        gap_half_life_hours: Time between both events at which a pair counts half; None: no decay.
        pair_weights: Weight by event types (of the earlier event, of the later one); 1 for other pairs.
        row_exponent: A row is divided by its sum to this power: 0 keeps counts, 1 gives shares.
        width: Largest entries of a row that are kept.
        history_decay: The k-th newest event of a user has the weight ``history_decay**k``.
    """

    gaps: int = 10
    decay: float = 0.8
    backward: float = 0.3
    half_life_days: float | None = None
    gap_half_life_hours: float | None = None
    pair_weights: Mapping[tuple[str, str], float] = field(default_factory=lambda: MappingProxyType({}))
    row_exponent: float = 0.5
    width: int = 100
    history_decay: float = 0.5

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Counts pairs; ``advance`` receives numbers of events."""
        counts = count_pairs(data.log, data.now, self, advance)
        rows = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        counts.data *= np.repeat(rows**-self.row_exponent, np.diff(counts.indptr)).astype(counts.dtype)
        return ItemToItem(strongest(counts, self.width), weigh_histories(data.log, self.history_decay))


def count_pairs(
    log: EventLog, now: int, settings: CoVisitation, advance: Callable[[int], None] = lambda _: None, pairs: int = PAIRS
) -> sp.csr_array:
    """Float32 ``[items, items]`` with a zero diagonal: the weights of all pairs in both directions.

    With more than ``pairs`` distinct pairs, the smallest of each row are dropped.

    Memory: 8 bytes per event, about ``24 * pairs`` bytes for the sums, and 16 bytes per pair of a chunk
    (``CHUNK * gaps`` pairs).
    """
    items = len(log.items)
    histories = UserSequences.of(log)
    forward = Accumulator(items, items, pairs, floor=settings.width)
    weigh = _Weights.of(log, now, settings)
    for chunk in histories.chunks(CHUNK):
        places = histories.order[chunk]
        for gap in range(1, settings.gaps + 1):
            earlier, later = places[:-gap], places[gap:]
            same = (log.user[earlier] == log.user[later]) & (log.item[earlier] != log.item[later])
            earlier, later = earlier[same], later[same]
            if not later.size:
                continue
            weights = weigh(earlier, later, settings.decay ** (gap - 1))
            shape = (items, items)
            counts = sp.coo_array((weights, (log.item[earlier], log.item[later])), shape=shape).tocsr()
            counts.sum_duplicates()
            forward.add(counts)
        advance(len(places))
    counted = forward.total()
    both: sp.csr_array = (
        (counted + np.float32(settings.backward) * counted.T.tocsr()).tocsr() if settings.backward else counted
    )
    both.eliminate_zeros()
    return both


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    log: EventLog
    now: int
    half_life: float | None
    gap_half_life: float | None
    by_types: NDArray[np.float32] | None

    @classmethod
    def of(cls, log: EventLog, now: int, settings: CoVisitation) -> "_Weights":
        by_types = None
        if settings.pair_weights:
            named = settings.pair_weights
            by_types = np.array([[named.get((a, b), 1.0) for b in log.events] for a in log.events], np.float32)
        days, hours = settings.half_life_days, settings.gap_half_life_hours
        return cls(log, now, days and days * DAY, hours and hours * _HOUR, by_types)

    def __call__(self, earlier: NDArray[np.int64], later: NDArray[np.int64], weight: float) -> NDArray[np.float32]:
        weights = np.full(len(later), weight, np.float32)
        if self.half_life is not None:
            weights *= np.exp2((self.log.time[later] - self.now) / self.half_life).astype(np.float32)
        if self.gap_half_life is not None:
            apart = self.log.time[later] - self.log.time[earlier]
            weights *= np.exp2(-apart / self.gap_half_life).astype(np.float32)
        if self.by_types is not None:
            weights *= self.by_types[self.log.event[earlier], self.log.event[later]]
        return weights
