"""Events by user in the order of time, and the newest events of each user, for sequence models."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import place_within
from larder_training.recommender.data.event_log import EventLog

LONGEST = 20  # newest events that count by default; 0.5**20 is a millionth


@dataclass(frozen=True, slots=True, eq=False)
class UserSequences:
    """The log's rows by user: those of user u are ``order[starts[u]:starts[u + 1]]``, in the order of time.

    Attributes:
        order: int64 ``[events]``: row numbers of the log.
        starts: int64 ``[users + 1]``.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, log: EventLog) -> "UserSequences":
        """Sorts by user, stably."""
        ends = np.cumsum(np.bincount(log.user, minlength=len(log.users)))
        return cls(np.argsort(log.user, kind="stable"), np.concatenate(([0], ends)).astype(np.int64))

    def chunks(self, events: int) -> Iterator[slice]:
        """Slices of ``order`` of about ``events`` events of whole users; one user may have more."""
        start, end = 0, int(self.starts[-1])
        while start < end:
            user = int(np.searchsorted(self.starts, start + events, side="right")) - 1
            stop = int(self.starts[user])
            if stop <= start:
                stop = int(self.starts[np.searchsorted(self.starts, start, side="right")])
            yield slice(start, stop)
            start = stop


def weigh_histories(log: EventLog, decay: float, longest: int = LONGEST) -> sp.csr_array:
    """Float64 ``[users, items]``: the sum of ``decay**k`` over the user's events with the item, the k-th newest.

    Only the ``longest`` newest events of a user count.
    """
    histories = UserSequences.of(log)
    item, starts = log.item[histories.order], histories.starts
    return newest_first(item, starts[:-1], starts[1:], decay, longest).weigh(len(log.items))


def recent_items(log: EventLog, slots: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The latest ``slots`` distinct items of each user: arrays of user, item and position (0: newest)."""
    pair = log.user[::-1].astype(np.int64) * len(log.items) + log.item[::-1]
    pairs, newest = np.unique(pair, return_index=True)  # the first in reversed time is the latest
    user, item = pairs // len(log.items), pairs % len(log.items)
    order = np.lexsort((newest, user))
    user, item = user[order], item[order]
    position = place_within(user)
    keep = position < slots
    return user[keep], item[keep], position[keep]


@dataclass(frozen=True, slots=True, eq=False)
class RecentEvents:
    """The newest events of several sequences, as flat arrays ``[n]``.

    Attributes:
        sequences: Number of sequences, including empty ones.
        sequence: Index of the event's sequence.
        place: Index of the event in the given array.
        item: The event's item.
        weight: The event's weight.
    """

    sequences: int
    sequence: NDArray[np.int64]
    place: NDArray[np.int64]
    item: NDArray[np.int64]
    weight: NDArray[np.float64]

    def weigh(self, items: int, strengths: NDArray[np.float64] | None = None) -> sp.csr_array:
        """Float64 ``[sequences, items]``: sums of the weights, multiplied by ``strengths`` ``[n]`` if given."""
        weights = self.weight if strengths is None else self.weight * strengths
        shape = (self.sequences, items)
        matrix = sp.coo_array((weights, (self.sequence, self.item)), shape=shape).tocsr()
        matrix.sum_duplicates()
        return matrix


def newest_first(
    item: NDArray[np.integer], starts: NDArray[np.int64], ends: NDArray[np.int64], decay: float, longest: int
) -> RecentEvents:
    """The last ``longest`` events of each sequence ``item[start:end]``; the k-th newest has the weight ``decay**k``."""
    count = np.minimum(ends - starts, longest)
    sequence = np.repeat(np.arange(len(starts)), count)
    k = place_within(sequence)
    place = ends[sequence] - 1 - k
    return RecentEvents(len(starts), sequence, place, item[place].astype(np.int64), decay ** k.astype(np.float64))
