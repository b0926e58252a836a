"""Co-visitation with direction: what people come to next, within a few steps, the nearer the more.

For two events of one user, g steps apart, the earlier item's row gains ``decay**(g - 1)`` for the later item, and the
later item's row a part of it, ``backward``, for the earlier one. This is the co-visitation of Davidson et al. ("The
YouTube Video Recommendation System", RecSys 2010) with the order of events and their distance in it: one pass over the
log, and nothing to optimise.
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

PAIRS: Final = 2**26  # pairs of items held while counting: 8 bytes each
CHUNK: Final = 2**19  # events a piece, of which each gives ``gaps`` pairs
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class CoVisitation:
    """Settings.

    gaps: how many steps apart two events may be.
    decay: what is left of a pair's weight with each step more.
    backward: the part of it that the later item's row gains for the earlier item.
    half_life_days: the age of the later event at which a pair counts half (None: never).
    gap_half_life_hours: the time between both events at which it does, so that sessions part (None: never).
    pair_weights: by types of event, (the earlier's, the later's); 1 for a pair that is not named.
    row_exponent: a row is divided by its sum to this power; 0 leaves counts (a popular item's row speaks louder),
        1 makes shares.
    width: entries that a row keeps.
    history_decay: the k-th newest event of a user weighs this to the power k.
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
        """Counts; ``advance`` is told events."""
        counts = count_pairs(data.log, data.now, self, advance)
        rows = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        counts.data *= np.repeat(rows**-self.row_exponent, np.diff(counts.indptr)).astype(counts.dtype)
        return ItemToItem(strongest(counts, self.width), weigh_histories(data.log, self.history_decay))


def count_pairs(
    log: EventLog, now: int, settings: CoVisitation, advance: Callable[[int], None] = lambda _: None, pairs: int = PAIRS
) -> sp.csr_array:
    """float32 ``[items, items]`` with a zero diagonal: the weights of all pairs, both directions.

    Memory: 8 bytes an event for the order, about ``24 * pairs`` bytes for what is counted, and 16 bytes for each of a
    piece's ``CHUNK * gaps`` pairs, whatever the log's length. Beyond ``pairs`` distinct pairs the weakest of a row go.
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
            found = sp.coo_array((weights, (log.item[earlier], log.item[later])), shape=shape).tocsr()
            found.sum_duplicates()
            forward.add(found)
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
