"""Each user's events in the order of time, side by side, and the newest of them: what sequence models read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import place_within
from larder_training.recommender.data.event_log import EventLog

LONGEST = 20  # events back that a history reaches by default: 0.5**20 is a millionth


@dataclass(frozen=True, slots=True, eq=False)
class UserSequences:
    """Places of the log, user after user, each in the order of time: u's are ``order[starts[u]:starts[u + 1]]``.

    ``order`` int64 ``[events]``, ``starts`` int64 ``[users + 1]``.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, log: EventLog) -> "UserSequences":
        """Sorts by user; the log's own order of time stays within each."""
        ends = np.cumsum(np.bincount(log.user, minlength=len(log.users)))
        return cls(np.argsort(log.user, kind="stable"), np.concatenate(([0], ends)).astype(np.int64))

    def chunks(self, events: int) -> Iterator[slice]:
        """Slices of ``order`` of about ``events`` events, none cutting a user in two (who may be longer alone)."""
        start, end = 0, int(self.starts[-1])
        while start < end:
            place = int(np.searchsorted(self.starts, start + events, side="right")) - 1
            stop = int(self.starts[place])
            if stop <= start:
                stop = int(self.starts[np.searchsorted(self.starts, start, side="right")])
            yield slice(start, stop)
            start = stop


def weigh_histories(log: EventLog, decay: float, longest: int = LONGEST) -> sp.csr_array:
    """float64 ``[users, items]``: ``decay**k`` for a user's k-th newest event, summed where an item comes again; events
    from the ``longest``-th on count nothing.
    """
    histories = UserSequences.of(log)
    item, starts = log.item[histories.order], histories.starts
    return newest_first(item, starts[:-1], starts[1:], decay, longest).weigh(len(log.items))


def recent_items(log: EventLog, slots: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each user's latest ``slots`` different items: user, item and place (0 the newest), three arrays of one length."""
    pair = log.user[::-1].astype(np.int64) * len(log.items) + log.item[::-1]
    kept, newest = np.unique(pair, return_index=True)  # the first in reversed time is the latest
    user, item = kept // len(log.items), kept % len(log.items)
    order = np.lexsort((newest, user))
    user, item = user[order], item[order]
    place = place_within(user)
    keep = place < slots
    return user[keep], item[keep], place[keep]


@dataclass(frozen=True, slots=True, eq=False)
class RecentEvents:
    """The newest events of several sequences, flat: ``sequence``, ``place`` (in what was given), ``item`` and
    ``weight``, all ``[found]``; ``sequences`` is how many there are, empty ones too.
    """

    sequences: int
    sequence: NDArray[np.int64]
    place: NDArray[np.int64]
    item: NDArray[np.int64]
    weight: NDArray[np.float64]

    def weigh(self, items: int, strengths: NDArray[np.float64] | None = None) -> sp.csr_array:
        """float64 ``[sequences, items]``; ``strengths`` ``[found]`` multiply the weights."""
        weights = self.weight if strengths is None else self.weight * strengths
        shape = (self.sequences, items)
        matrix = sp.coo_array((weights, (self.sequence, self.item)), shape=shape).tocsr()
        matrix.sum_duplicates()
        return matrix


def newest_first(
    item: NDArray[np.integer], starts: NDArray[np.int64], ends: NDArray[np.int64], decay: float, longest: int
) -> RecentEvents:
    """The last ``longest`` events of each sequence ``item[start:end]``, the k-th newest weighing ``decay**k``."""
    count = np.minimum(ends - starts, longest)
    sequence = np.repeat(np.arange(len(starts)), count)
    k = place_within(sequence)
    place = ends[sequence] - 1 - k
    return RecentEvents(len(starts), sequence, place, item[place].astype(np.int64), decay ** k.astype(np.float64))
