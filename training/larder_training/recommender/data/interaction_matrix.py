"""The interaction matrix: how strongly users and items are related, by the types, feedback and age of events."""

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.feedback import dwell_factors


def event_strengths(
    log: EventLog, weights: Mapping[str, float], now: int, half_life_days: float | None
) -> NDArray[np.float64]:
    """Float64 ``[events]``: type weight, times the factors of feedback and dwell time, times the decay by age.

    Args:
        log: The events.
        weights: Weight per event type; 1 for other types.
        now: Cutoff, in epoch seconds. A duration that ends at it or later is unknown, and has factor 1.
        half_life_days: Age at which an event has half its strength; None: no decay.
    """
    by_type = np.array([weights.get(name, 1.0) for name in log.events])
    strength = by_type[log.event]
    if log.factor is not None:
        strength = strength * log.factor
    if log.dwell is not None:
        over = log.time + log.dwell < now
        strength = strength * dwell_factors(np.where(over, log.dwell, np.float32(np.nan)))
    if half_life_days is not None:
        strength = strength * np.exp2((log.time - now) / (half_life_days * DAY))
    return strength


def interaction_matrix(log: EventLog, strengths: NDArray[np.float64]) -> sp.csr_array:
    """Float64 ``[users, items]``: ``log(1 + sum of the strengths of a pair's events)``.

    Pairs whose sum is 0 or less, such as returned purchases, are not stored.
    """
    matrix = _sum(log, strengths)
    matrix.data = np.log1p(np.maximum(matrix.data, 0))
    matrix.eliminate_zeros()
    return matrix


def presence_matrix(log: EventLog, strengths: NDArray[np.float64]) -> sp.csr_array:
    """Float64 ``[users, items]``: the largest strength of a pair's events, so that one user counts once.

    Pairs whose strengths add up to 0 or less are not stored.
    """
    parts = [_strongest(log.take(rows), strengths[rows]) for rows in log.blocks()]
    user, item, strongest = (np.concatenate(column) for column in zip(*parts, strict=True))
    ends = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=len(log.users)))))
    return sp.csr_array((strongest, item, ends), shape=(len(log.users), len(log.items)))


def _strongest(
    log: EventLog, strengths: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Users, items and the largest strength of each pair, sorted by user and item."""
    pair = log.user.astype(np.int64) * len(log.items) + log.item
    order = np.argsort(pair, kind="stable")
    pair, strengths = pair[order], strengths[order]
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    pair, strongest = pair[starts], np.maximum.reduceat(strengths, starts) if starts.size else strengths
    keep = strongest > 0
    if strengths.min(initial=0) < 0:
        keep &= np.add.reduceat(strengths, starts) > 0
    user, item = np.divmod(pair[keep], len(log.items))
    return user.astype(np.int32), item.astype(np.int32), strongest[keep]


def seen_pairs(log: EventLog) -> sp.csr_array:
    """Bool ``[users, items]``: the pairs with an event."""
    matrix = _sum(log, np.ones(len(log)))
    return sp.csr_array((matrix.data > 0, matrix.indices, matrix.indptr), shape=matrix.shape)


def _sum(log: EventLog, strengths: NDArray[np.float64]) -> sp.csr_array:
    # The log is sorted, so that the events of a pair are always added in the same order.
    shape = (len(log.users), len(log.items))
    matrix = sp.coo_array((strengths, (log.user, log.item)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix
