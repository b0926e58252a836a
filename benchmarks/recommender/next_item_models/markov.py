"""Smoothed Markov chains over items, of first and second order.

Smoothing is Kneser and Ney's ("Improved backing-off for m-gram language modeling", ICASSP 1995), interpolated (Chen and
Goodman, 1999). With c(h, j) the number of times that j follows h, and N(h, .) the number of distinct items after h,

    P(j | h) = max(c(h, j) - D, 0) / c(h) + D N(h, .) / c(h) * P(j | h without its oldest item)
    P(j) = N(., j) / N(., .),    D = n1 / (n1 + 2 n2)

where n1 and n2 are the numbers of pairs seen once and twice. Immediate repeats count as one event: they are covered by
revisits. Markov chains for recommendation: Rendle et al., "Factorizing Personalized Markov Chains", WWW 2010.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import strongest
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import UserSequences, weigh_histories
from larder_training.recommender.models.base import ItemToItem, TrainingData


@dataclass(frozen=True, slots=True)
class Markov:
    """First order, as a table: ``max(c(i, j) - D, 0) / c(i)``, without the back-off, which popularity covers.

    Attributes:
        width: Entries per row of the table.
        history_decay: Weight of a user's k-th newest event is this to the power k; 0: only the last item counts.
    """

    width: int = 100
    history_decay: float = 0.0

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> ItemToItem:
        """Fits to all sequences; ``advance`` receives the number of items done."""
        table, _ = first_order(*_collapsed(data.log), len(data.log.items))
        advance(len(data.log.items))
        history = weigh_histories(data.log, self.history_decay, longest=20 if self.history_decay else 1)
        return ItemToItem(strongest(table, self.width), history)


@dataclass(frozen=True, slots=True)
class SecondOrderMarkov:
    """Order 2, interpolated with order 1 and with popularity by distinct predecessors."""

    def fit(self, data: TrainingData, advance: Callable[[int], None] = lambda _: None) -> "Chain":
        """Fits to all sequences; ``advance`` receives the number of items done."""
        log = data.log
        items = len(log.items)
        user, item = _collapsed(log)
        table, backed_off = first_order(user, item, items)
        last = np.full((len(log.users), 2), -1, np.int64)
        ends = np.flatnonzero(np.append(user[1:] != user[:-1], True)) if len(user) else np.zeros(0, np.int64)
        last[user[ends], 1] = item[ends]
        longer = ends[(ends > 0) & (user[np.maximum(ends - 1, 0)] == user[ends])]
        last[user[longer], 0] = item[longer - 1]
        advance(items)
        contexts, pairs = _second_order(user, item, items)
        discounted, left = _discounted(pairs)
        return Chain(last, contexts, discounted, left, table, backed_off, _continuations(user, item, items))


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A fitted second-order chain.

    Attributes:
        last: int64 ``[users, 2]``: last two items of each user; -1 if there is none.
        contexts: int64 ``[contexts]``, ascending: ``older item * items + newer item``.
        pairs: ``[contexts, items]``: discounted shares after each context.
        left: ``[contexts]``: probability that each context leaves to order 1.
        table: ``[items, items]``: discounted shares of order 1.
        backed_off: ``[items]``: probability that each item leaves to order 0.
        popularity: ``[items]``: order 0; sums to 1.
    """

    last: NDArray[np.int64]
    contexts: NDArray[np.int64]
    pairs: sp.csr_array
    left: NDArray[np.float64]
    table: sp.csr_array
    backed_off: NDArray[np.float64]
    popularity: NDArray[np.float64]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 ``[len(users), items]``: P(next item | last two items)."""
        return self.after(self.last[users])

    def after(self, last: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 ``[n, items]``: P(next | ``last`` int64 ``[n, 2]``, the older first, -1 for none); rows sum to 1."""
        older, newer = last[:, 0], last[:, 1]
        known = np.where(newer >= 0, newer, 0)
        first = np.where(newer >= 0, self.backed_off[known], 1.0)
        has_row = sp.diags_array((newer >= 0).astype(np.float64))
        scores = (has_row @ self.table[known]).toarray() + first[:, None] * self.popularity
        key = np.where((older >= 0) & (newer >= 0), older * len(self.popularity) + newer, -1)
        index = np.minimum(np.searchsorted(self.contexts, key), len(self.contexts) - 1)
        if len(self.contexts):
            (seen,) = np.nonzero(self.contexts[index] == key)
            scores[seen] = self.pairs[index[seen]].toarray() + self.left[index[seen], None] * scores[seen]
        return np.asarray(scores, np.float32)


def first_order(
    user: NDArray[np.int64], item: NDArray[np.int64], items: int
) -> tuple[sp.csr_array, NDArray[np.float64]]:
    """float64 ``[items, items]`` of discounted shares, and ``[items]``: probability that each row leaves to order 0.

    ``user`` and ``item`` are events, sorted by user and time.
    """
    same = user[1:] == user[:-1]
    return _discounted(_count(item[:-1][same], item[1:][same], items, items))


def _second_order(
    user: NDArray[np.int64], item: NDArray[np.int64], items: int
) -> tuple[NDArray[np.int64], sp.csr_array]:
    same = (user[2:] == user[1:-1]) & (user[1:-1] == user[:-2])
    key = item[:-2][same] * items + item[1:-1][same]
    contexts, rows = np.unique(key, return_inverse=True)
    return contexts, _count(rows, item[2:][same], len(contexts), items)


def _continuations(user: NDArray[np.int64], item: NDArray[np.int64], items: int) -> NDArray[np.float64]:
    same = user[1:] == user[:-1]
    distinct = _count(item[:-1][same], item[1:][same], items, items)
    before = np.bincount(distinct.indices, minlength=items).astype(np.float64)
    return before / before.sum() if before.sum() else np.full(items, 1 / max(items, 1))


def _collapsed(log: EventLog) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = UserSequences.of(log).order
    user, item = log.user[order].astype(np.int64), log.item[order].astype(np.int64)
    distinct = np.ones(len(user), bool)
    distinct[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return user[distinct], item[distinct]


def _count(rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int) -> sp.csr_array:
    matrix = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(height, width)).tocsr()
    matrix.sum_duplicates()
    return matrix


def _discounted(counts: sp.csr_array) -> tuple[sp.csr_array, NDArray[np.float64]]:
    once, twice = (int((counts.data == times).sum()) for times in (1, 2))
    discount = once / (once + 2 * twice) if twice else 0.5  # without pairs seen twice, the estimate is 1
    total = np.asarray(counts.sum(axis=1)).ravel()
    distinct = np.diff(counts.indptr)
    shares = counts.copy()
    shares.data = np.maximum(counts.data - discount, 0) / np.repeat(total, distinct)
    return shares, np.where(total > 0, discount * distinct / np.maximum(total, 1), 1.0)
