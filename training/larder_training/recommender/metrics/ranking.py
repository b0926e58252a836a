"""Ranking metrics by user, and what is said about their means: bootstrap intervals and paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

CUTOFFS: Final = (5, 10, 20, 25)
DEPTH: Final = 25
RESAMPLES: Final = 1000
_INTERVAL: Final = (0.025, 0.975)

Values = dict[str, NDArray[np.float64]]


def hits(lists: NDArray[np.int64], truth: sp.csr_array) -> NDArray[np.bool_]:
    """Bool ``[users, depth]``: where each user's list has one of his items. ``truth`` is bool ``[users, items]``."""
    items = truth.shape[1]
    users = np.arange(len(lists), dtype=np.int64)
    wanted = np.repeat(users, np.diff(truth.indptr)) * items + truth.indices
    found: NDArray[np.bool_] = np.isin(np.where(lists >= 0, users[:, None] * items + lists, -1), wanted)
    return found


def by_user(found: NDArray[np.bool_], relevant: NDArray[np.int64], cutoffs: Sequence[int] = CUTOFFS) -> Values:
    """Each metric's value for each user.

    Args:
        found: bool ``[users, depth]``, whether the item at each rank is one of the user's.
        relevant: ``[users]``, how many items each user has, 1 at least.
        cutoffs: the ``k`` of ``@k``, none above ``depth``.

    NDCG discounts rank r by ``1 / log2(1 + r)`` and divides by the best list's value; MRR is 1 / rank of the first hit
    within ``depth``; these are the definitions of Amazon Personalize's metrics.
    """
    discount = 1 / np.log2(np.arange(2, found.shape[1] + 2))
    ideal = np.concatenate(([0.0], np.cumsum(discount)))
    values: Values = {}
    for k in cutoffs:
        top = found[:, :k]
        count = top.sum(axis=1)
        values[f"recall@{k}"] = count / relevant
        values[f"ndcg@{k}"] = (top * discount[:k]).sum(axis=1) / ideal[np.minimum(relevant, k)]
        values[f"precision@{k}"] = count / k
        values[f"hit_rate@{k}"] = (count > 0).astype(np.float64)
    first = np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, np.inf)
    values[f"mrr@{found.shape[1]}"] = 1 / first
    return values


def coverage(lists: NDArray[np.int64], items: int) -> float:
    """The share of the catalogue that somebody is recommended."""
    return float(np.unique(lists[lists >= 0]).size / items)


def novelty(lists: NDArray[np.int64], share: NDArray[np.float64]) -> float:
    """Mean ``-log2(share of users who know the item)`` of what is recommended; an item that nobody knows counts as one
    that a single user knows.
    """
    known = np.maximum(share, share[share > 0].min(initial=1.0))
    shown = lists[lists >= 0]
    return float(-np.log2(known[shown]).mean()) if shown.size else 0.0


def bootstrap(systems: Mapping[str, Values], seed: int) -> dict[str, dict[str, dict[str, object]]]:
    """For each system and metric: ``mean`` and its 95 % ``interval``; for all but the first system also ``difference``
    (first minus this one, paired by user) and ``ratio`` with their intervals.

    Users are drawn with replacement 1,000 times; every system and metric sees the same draws.
    """
    names = [(system, metric) for system, values in systems.items() for metric in values]
    if not names or not len(systems[names[0][0]][names[0][1]]):
        return {system: {} for system in systems}
    table = np.stack([systems[system][metric] for system, metric in names], axis=1)  # [users, systems * metrics]
    draws = _resampled_means(table, seed)
    first = names[0][0]
    result: dict[str, dict[str, dict[str, object]]] = {system: {} for system in systems}
    for place, (system, metric) in enumerate(names):
        told: dict[str, object] = _told(float(table[:, place].mean()), draws[:, place])
        if system != first:
            base = names.index((first, metric))
            told["difference"] = _told(
                float((table[:, base] - table[:, place]).mean()), draws[:, base] - draws[:, place]
            )
            if table[:, place].mean() > 0 and draws[:, place].min() > 0:
                ratio = float(table[:, base].mean() / table[:, place].mean())
                told["ratio"] = _told(ratio, draws[:, base] / draws[:, place])
        result[system][metric] = told
    return result


def _resampled_means(table: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    users = len(table)
    random = np.random.default_rng(seed)
    draws = np.empty((RESAMPLES, table.shape[1]))
    for each in range(RESAMPLES):
        counts = np.bincount(random.integers(0, users, users), minlength=users)
        draws[each] = counts @ table / users
    return draws


def _told(value: float, draws: NDArray[np.float64]) -> dict[str, object]:
    low, high = np.quantile(draws, _INTERVAL)
    return {"mean": round(value, 6), "interval": [round(float(low), 6), round(float(high), 6)]}


def headline(told: Mapping[str, Any]) -> dict[str, Any]:
    """What fits a glance: main metrics, coverage, recall over popularity's; empty where nothing was measured."""
    metrics, popular = told["metrics"], told["baselines"]["popularity"]
    if not metrics:
        return {}
    ratio = popular["recall@20"].get("ratio")
    return {
        **{name: metrics[name]["mean"] for name in ("recall@20", "ndcg@20", "mrr@25")},
        "coverage": told["coverage"]["larder"],
        **({"recall@20 over popularity": ratio["mean"]} if ratio else {}),
    }
