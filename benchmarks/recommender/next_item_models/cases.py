"""What somebody does next: cases out of a log, and the rank of what he did among all items.

A case is a stretch of one sequence and the event right after it. All items of the catalogue are ranked, never a sample
(Krichene and Rendle, "On sampled metrics for item recommendation", KDD 2020). Where items tie with the right one, its
rank is drawn among the tie's, evenly and by a seed: breaking ties by number rewards numbers in order of popularity.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import UserSequences, newest_first
from larder_training.recommender.metrics.ranking import Values

_CELLS = 2**25  # scores at a time, 128 MiB where they are dense
_HIDDEN = np.float32(-1e30)  # far below any score


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """``item`` and ``event`` int64 ``[events]``, sequence after sequence, each in order of time; for each case the
    stretch that is known, ``start`` to ``end`` (int64 ``[cases]``), and the target, the event at ``end``.
    """

    items: int
    item: NDArray[np.int64]
    event: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def target(self) -> NDArray[np.int64]:
        """``[cases]``: the item to be found."""
        return self.item[self.end]

    @property
    def target_event(self) -> NDArray[np.int64]:
        """``[cases]``: the type of the event to be found, as a number of the log's ``events``."""
        return self.event[self.end]

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Cases":
        """Some of the cases."""
        return replace(self, start=self.start[chosen], end=self.end[chosen])

    def recent(self, decay: float, longest: int = 1000) -> sp.csr_array:
        """float64 ``[cases, items]``: ``decay**k`` for the k-th newest known event, summed where an item recurs."""
        return newest_first(self.item, self.start, self.end, decay, longest).weigh(self.items)

    def last_two(self) -> NDArray[np.int64]:
        """``[cases, 2]``: the last two known items, the older first, -1 where there is none."""
        places = self.end[:, None] - np.array([2, 1])
        return np.where(places >= self.start[:, None], self.item[np.maximum(places, 0)], -1)


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """``train`` is the log without each user's last two items; ``validation`` asks for the second-last, ``test`` for
    the last, knowing all before it, the second-last included, as is usual (SASRec, Kang and McAuley, ICDM 2018).
    """

    train: EventLog
    validation: Cases
    test: Cases


def leave_one_out(log: EventLog) -> LeaveOneOut:
    """Users of fewer than three events only train."""
    histories = UserSequences.of(log)
    first, end = histories.starts[:-1], histories.starts[1:]
    asked = end - first >= 3
    first, end = first[asked], end[asked]
    kept = np.ones(len(log), bool)
    kept[histories.order[end - 1]] = False
    kept[histories.order[end - 2]] = False
    test = _cases(log, histories, first, end - 1)
    return LeaveOneOut(log.where(kept), replace(test, end=end - 2), test)


def every_next(log: EventLog, since: int | None = None) -> Cases:
    """For each event of a sequence but the first: a case that knows all before it. ``since``: only events from this
    time on are asked for; earlier ones are known.
    """
    histories = UserSequences.of(log)
    user = log.user[histories.order]
    asked = np.zeros(len(user), bool)
    asked[1:] = user[1:] == user[:-1]
    if since is not None:
        asked &= log.time[histories.order] >= since
    (end,) = np.nonzero(asked)
    return _cases(log, histories, histories.starts[user[end]], end)


def _cases(log: EventLog, histories: UserSequences, start: NDArray[np.int64], end: NDArray[np.int64]) -> Cases:
    item, event = log.item[histories.order].astype(np.int64), log.event[histories.order].astype(np.int64)
    return Cases(len(log.items), item, event, start, end)


Scores = Callable[[Cases], sp.csr_array | NDArray[np.floating]]


def ranks(cases: Cases, scores: Scores, hide_known: bool, seed: int = 0) -> NDArray[np.int64]:
    """int64 ``[cases]``: how many items are ranked before the target, 0 at best.

    Args:
        cases: asked for in blocks.
        scores: ``[cases, items]`` for a block of cases; what a sparse matrix does not store has score 0.
        hide_known: rank the items that the case knows last, even if one of them is the target.
        seed: of the draw among ties.
    """
    random = np.random.default_rng(seed)
    found = np.empty(len(cases), np.int64)
    for block in _blocks(len(cases), cases.items):
        some = cases.where(block)
        values = scores(some)
        known = some.recent(1.0) if hide_known else sp.csr_array((len(some), cases.items))
        if isinstance(values, np.ndarray):
            ahead, ties = _ahead_and_ties_dense(values.astype(np.float32), known, some.target)
        else:
            ahead, ties = _ahead_and_ties(values.astype(np.float32), known, some.target)
        found[block] = ahead + random.integers(0, ties + 1)
    return found


def _ahead_and_ties(
    values: sp.csr_array, known: sp.csr_array, target: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many items of each row are above the target's value, and how many others equal it."""
    cases, items = values.shape
    values = (values + (known > 0) * _HIDDEN).tocsr()
    stored = np.diff(values.indptr)
    row = np.repeat(np.arange(cases), stored)
    wanted = np.zeros(cases, np.float32)
    at_target = values.indices == target[row]
    wanted[row[at_target]] = values.data[at_target]
    ahead = np.bincount(row[values.data > wanted[row]], minlength=cases)
    ties = np.bincount(row[values.data == wanted[row]], minlength=cases)
    ahead += np.where(wanted < 0, items - stored, 0)
    ties += np.where(wanted == 0, items - stored, 0)
    return ahead, ties - 1  # the target ties with itself


def _ahead_and_ties_dense(
    values: NDArray[np.float32], known: sp.csr_array, target: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values[known.tocoo().coords] = _HIDDEN
    wanted = values[np.arange(len(values)), target][:, None]
    return (values > wanted).sum(axis=1), (values == wanted).sum(axis=1) - 1


def next_item_values(ranked: NDArray[np.int64], k: int) -> Values:
    """Each case's hit rate (which is recall), NDCG and reciprocal rank at k; one right item a case."""
    hit = ranked < k
    return {
        f"hit_rate@{k}": hit.astype(np.float64),
        f"ndcg@{k}": hit / np.log2(ranked + 2),
        f"mrr@{k}": hit / (ranked + 1),
    }


def _blocks(cases: int, items: int) -> Iterator[slice]:
    size = max(1, _CELLS // max(items, 1))
    for start in range(0, cases, size):
        yield slice(start, min(start + size, cases))
