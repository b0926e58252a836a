"""Ranking metrics per user, and their means with bootstrap intervals and paired differences."""

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
    """Bool ``[users, depth]``: whether the item at each rank is relevant. ``truth`` is bool ``[users, items]``."""
    items = truth.shape[1]
    users = np.arange(len(lists), dtype=np.int64)
    wanted = np.repeat(users, np.diff(truth.indptr)) * items + truth.indices
    hit: NDArray[np.bool_] = np.isin(np.where(lists >= 0, users[:, None] * items + lists, -1), wanted)
    return hit


def by_user(hit: NDArray[np.bool_], relevant: NDArray[np.int64], cutoffs: Sequence[int] = CUTOFFS) -> Values:
    """Values of each metric, ``[users]``.

    NDCG discounts rank r by ``1 / log2(1 + r)`` and divides by the value of the best list. MRR is 1 / rank of the first
    hit within ``depth``. These are the definitions of Amazon Personalize.

    Args:
        hit: Bool ``[users, depth]``: whether the item at each rank is relevant.
        relevant: ``[users]``: number of relevant items, at least 1.
        cutoffs: The ``k`` of ``@k``, at most ``depth``.
    """
    discount = 1 / np.log2(np.arange(2, hit.shape[1] + 2))
    ideal = np.concatenate(([0.0], np.cumsum(discount)))
    values: Values = {}
    for k in cutoffs:
        top = hit[:, :k]
        count = top.sum(axis=1)
        values[f"recall@{k}"] = count / relevant
        values[f"ndcg@{k}"] = (top * discount[:k]).sum(axis=1) / ideal[np.minimum(relevant, k)]
        values[f"precision@{k}"] = count / k
        values[f"hit_rate@{k}"] = (count > 0).astype(np.float64)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)
    values[f"mrr@{hit.shape[1]}"] = 1 / first
    return values


def coverage(lists: NDArray[np.int64], items: int) -> float:
    """Share of the items that are in at least one list."""
    return float(np.unique(lists[lists >= 0]).size / items)


def novelty(lists: NDArray[np.int64], share: NDArray[np.float64]) -> float:
    """Mean ``-log2(share of users)`` of the recommended items; an item without users counts as one with one user."""
    known = np.maximum(share, share[share > 0].min(initial=1.0))
    shown = lists[lists >= 0]
    return float(-np.log2(known[shown]).mean()) if shown.size else 0.0


def bootstrap(systems: Mapping[str, Values], seed: int) -> dict[str, dict[str, dict[str, object]]]:
    """Mean and 95 % bootstrap interval of each system and metric.

    All but the first system also have ``difference`` (first system minus this one, paired by user) and ``ratio``, with
    intervals. Users are drawn with replacement 1,000 times, in the same way for all systems and metrics.
    """
    names = [(system, metric) for system, values in systems.items() for metric in values]
    if not names or not len(systems[names[0][0]][names[0][1]]):
        return {system: {} for system in systems}
    table = np.stack([systems[system][metric] for system, metric in names], axis=1)  # [users, systems * metrics]
    draws = _resampled_means(table, seed)
    first = names[0][0]
    result: dict[str, dict[str, dict[str, object]]] = {system: {} for system in systems}
    for column, (system, metric) in enumerate(names):
        summary: dict[str, object] = _with_interval(float(table[:, column].mean()), draws[:, column])
        if system != first:
            base = names.index((first, metric))
            summary["difference"] = _with_interval(
                float((table[:, base] - table[:, column]).mean()), draws[:, base] - draws[:, column]
            )
            if table[:, column].mean() > 0 and draws[:, column].min() > 0:
                ratio = float(table[:, base].mean() / table[:, column].mean())
                summary["ratio"] = _with_interval(ratio, draws[:, base] / draws[:, column])
        result[system][metric] = summary
    return result


def _resampled_means(table: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    users = len(table)
    random = np.random.default_rng(seed)
    draws = np.empty((RESAMPLES, table.shape[1]))
    for draw in range(RESAMPLES):
        counts = np.bincount(random.integers(0, users, users), minlength=users)
        draws[draw] = counts @ table / users
    return draws


def _with_interval(value: float, draws: NDArray[np.float64]) -> dict[str, object]:
    low, high = np.quantile(draws, _INTERVAL)
    return {"mean": round(value, 6), "interval": [round(float(low), 6), round(float(high), 6)]}


def headline(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Main metrics, coverage, and the ratio of recall to popularity's; empty if no user was evaluated."""
    metrics, popular = evaluation["metrics"], evaluation["baselines"]["popularity"]
    if not metrics:
        return {}
    ratio = popular["recall@20"].get("ratio")
    return {
        **{name: metrics[name]["mean"] for name in ("recall@20", "ndcg@20", "mrr@25")},
        "coverage": evaluation["coverage"]["larder"],
        **({"recall@20 over popularity": ratio["mean"]} if ratio else {}),
    }


def best_baseline(evaluation: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Name and metrics of the baseline with the highest recall@20; at least one user was evaluated."""
    baselines: Mapping[str, Mapping[str, Any]] = evaluation["baselines"]
    return max(baselines.items(), key=lambda entry: float(entry[1]["recall@20"]["mean"]))
