"""Next-item evaluation: cases from a log, and the rank of the next item among all items.

A case is a part of a sequence and the event after it. All items of the catalogue are ranked, not a sample (Krichene and
Rendle, "On sampled metrics for item recommendation", KDD 2020). If other items tie with the target, its rank among them
is random, by a seed: breaking ties by number would reward items that are numbered by popularity.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import UserSequences, newest_first
from larder_training.recommender.metrics.ranking import Values

_CELLS = 2**25  # scores in memory at once; 128 MiB if dense
_HIDDEN = np.float32(-1e30)  # far below any score


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Cases of sequences.

    Attributes:
        items: Number of items.
        item: int64 ``[events]``: items of one sequence after the other, each sorted by time.
        event: int64 ``[events]``: event types.
        start: int64 ``[cases]``: first known event of each case.
        end: int64 ``[cases]``: end of the known events; the event at this index is the target.
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
        """``[cases]``: the next item."""
        return self.item[self.end]

    @property
    def target_event(self) -> NDArray[np.int64]:
        """``[cases]``: event type of the target, as an index of the log's ``events``."""
        return self.event[self.end]

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Cases":
        """Some of the cases."""
        return replace(self, start=self.start[rows], end=self.end[rows])

    def recent(self, decay: float, longest: int = 1000) -> sp.csr_array:
        """float64 ``[cases, items]``: ``decay**k`` for the k-th newest known event, summed where an item recurs."""
        return newest_first(self.item, self.start, self.end, decay, longest).weigh(self.items)

    def last_two(self) -> NDArray[np.int64]:
        """``[cases, 2]``: the last two known items, the older first; -1 if there is none."""
        indices = self.end[:, None] - np.array([2, 1])
        return np.where(indices >= self.start[:, None], self.item[np.maximum(indices, 0)], -1)


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """A leave-one-out split (SASRec, Kang and McAuley, ICDM 2018).

    Attributes:
        train: The log without each user's last two items.
        validation: Cases for the second-last item of each user.
        test: Cases for the last item; all earlier items are known.
    """

    train: EventLog
    validation: Cases
    test: Cases


def leave_one_out(log: EventLog) -> LeaveOneOut:
    """Splits a log; users with fewer than three events are only trained on."""
    histories = UserSequences.of(log)
    first, end = histories.starts[:-1], histories.starts[1:]
    long_enough = end - first >= 3
    first, end = first[long_enough], end[long_enough]
    train = np.ones(len(log), bool)
    train[histories.order[end - 1]] = False
    train[histories.order[end - 2]] = False
    test = _cases(log, histories, first, end - 1)
    return LeaveOneOut(log.where(train), replace(test, end=end - 2), test)


def every_next(log: EventLog, since: int | None = None) -> Cases:
    """A case for each event of a sequence except the first; all earlier events are known.

    ``since``: only events from this time on are targets.
    """
    histories = UserSequences.of(log)
    user = log.user[histories.order]
    target = np.zeros(len(user), bool)
    target[1:] = user[1:] == user[:-1]
    if since is not None:
        target &= log.time[histories.order] >= since
    (end,) = np.nonzero(target)
    return _cases(log, histories, histories.starts[user[end]], end)


def _cases(log: EventLog, histories: UserSequences, start: NDArray[np.int64], end: NDArray[np.int64]) -> Cases:
    item, event = log.item[histories.order].astype(np.int64), log.event[histories.order].astype(np.int64)
    return Cases(len(log.items), item, event, start, end)


Scores = Callable[[Cases], sp.csr_array | NDArray[np.floating]]


def ranks(cases: Cases, scores: Scores, hide_known: bool, seed: int = 0) -> NDArray[np.int64]:
    """int64 ``[cases]``: number of items that are ranked before the target.

    Args:
        cases: The cases, processed in blocks.
        scores: Returns ``[cases, items]`` for a block of cases; entries that a sparse matrix does not store are 0.
        hide_known: Whether known items are ranked last, even if one of them is the target.
        seed: Seed of random ranks within ties.
    """
    random = np.random.default_rng(seed)
    result = np.empty(len(cases), np.int64)
    for block in _blocks(len(cases), cases.items):
        part = cases.where(block)
        values = scores(part)
        known = part.recent(1.0) if hide_known else sp.csr_array((len(part), cases.items))
        if isinstance(values, np.ndarray):
            ahead, ties = _ahead_and_ties_dense(values.astype(np.float32), known, part.target)
        else:
            ahead, ties = _ahead_and_ties(values.astype(np.float32), known, part.target)
        result[block] = ahead + random.integers(0, ties + 1)
    return result


def _ahead_and_ties(
    values: sp.csr_array, known: sp.csr_array, target: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``[cases]``: number of items above the target's score, and number of other items that equal it."""
    cases, items = values.shape
    values = (values + (known > 0) * _HIDDEN).tocsr()
    stored = np.diff(values.indptr)
    row = np.repeat(np.arange(cases), stored)
    target_score = np.zeros(cases, np.float32)
    at_target = values.indices == target[row]
    target_score[row[at_target]] = values.data[at_target]
    ahead = np.bincount(row[values.data > target_score[row]], minlength=cases)
    ties = np.bincount(row[values.data == target_score[row]], minlength=cases)
    ahead += np.where(target_score < 0, items - stored, 0)
    ties += np.where(target_score == 0, items - stored, 0)
    return ahead, ties - 1  # the target ties with itself


def _ahead_and_ties_dense(
    values: NDArray[np.float32], known: sp.csr_array, target: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values[known.tocoo().coords] = _HIDDEN
    target_score = values[np.arange(len(values)), target][:, None]
    return (values > target_score).sum(axis=1), (values == target_score).sum(axis=1) - 1


def next_item_values(ranked: NDArray[np.int64], k: int) -> Values:
    """Hit rate (recall), NDCG and reciprocal rank of each case at k; a case has one relevant item."""
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
