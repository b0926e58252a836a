"""Component weights by coordinate ascent over pools of candidates.

A *pool* is, for each user of a validation task, the union of the best items of every component. Within pools a trial
is a sum of a few small arrays, so hundreds of trials cost less than one ranking of all items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import NOTHING, blocks, hide, top
from larder_training.recommender.ensemble.components import Component
from larder_training.recommender.metrics.ranking import by_user

FACTORS: Final = (0.0, 0.5, 0.7, 0.85, 1.2, 1.4, 2.0)  # tried for each weight in turn
_DEPTH: Final = 200  # items of each component in a user's pool
_ROUNDS: Final = 4

Weights = Mapping[str, float]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class WeightTrial:
    """Metric of one set of weights on the validation tasks.

    Attributes:
        weights: Weight by component; their sum is 1.
        metric: Mean over the users of all folds.
    """

    weights: Weights
    metric: float


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Pools of candidates, a row per user.

    Attributes:
        names: Components, in the order of ``scores``.
        items: int64 ``[users, width]``; -1: unused.
        scores: float32 ``[components, users, width]``, in each component's unit.
        hits: bool ``[users, width]``: whether the item is relevant to the user.
        relevant: int64 ``[users]``: number of relevant items, inside the pool or not.
    """

    names: tuple[str, ...]
    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        components: Mapping[str, Component],
        users: NDArray[np.int64],
        truth: sp.csr_array,
        hidden: sp.csr_array | None,
        depth: int = _DEPTH,
    ) -> "Pools":
        """The union of each component's ``depth`` best items for each user, without hidden items.

        Args:
            components: By name.
            users: ``[n]``.
            truth: bool ``[n, items]``: relevant items.
            hidden: ``[n, items]``: items that must not be recommended; None: no item is hidden.
            depth: Items of each component.
        """
        parts = []
        for part in blocks(len(users), truth.shape[1] * len(components)):
            dense = [component.scores(users[part]) for component in components.values()]
            if hidden is not None:
                for scores in dense:
                    hide(scores, hidden[part])
            items = _union(np.concatenate([top(scores, depth) for scores in dense], axis=1))
            used, indices = items != NOTHING, np.maximum(items, 0)
            pooled = [np.where(used, np.take_along_axis(scores, indices, axis=1), 0) for scores in dense]
            relevant = truth[part].toarray().astype(bool)
            parts.append((items, np.stack(pooled), np.take_along_axis(relevant, indices, axis=1) & used))
        width = max((items.shape[1] for items, _, _ in parts), default=0)
        return cls(
            tuple(components),
            np.concatenate([_pad(items, width, NOTHING) for items, _, _ in parts]),
            np.concatenate([_pad(scores, width, 0) for _, scores, _ in parts], axis=1),
            np.concatenate([_pad(hits, width, 0) for _, _, hits in parts]),
            np.diff(truth.indptr).astype(np.int64),
        )

    def values(self, weights: NDArray[np.float64], metric: str, k: int) -> NDArray[np.float64]:
        """``[users]``: the metric of each user's list, ranked by the weighted sum; ``weights`` is ``[components]``."""
        total = np.tensordot(weights.astype(np.float32), self.scores, axes=1)
        total[self.items == NOTHING] = -np.inf
        lists = top(total, k)
        hit = np.take_along_axis(self.hits, np.maximum(lists, 0), axis=1) & (lists != NOTHING)
        return by_user(hit, self.relevant, (k,))[metric]


def choose_weights(
    folds: Sequence[Pools], start: Weights | None = None, metric: str = "ndcg@20"
) -> tuple[dict[str, float], list[WeightTrial]]:
    """Coordinate ascent: multiplies each weight in turn by each of ``FACTORS``, and ends when nothing improves.

    Args:
        folds: Pools of the validation folds, of the same components.
        start: First weights; None: all 1. A weight of 0 tries 0.1, 0.3 and 1 times the largest weight.
        metric: Name in ``larder_training.recommender.metrics.ranking.by_user``, with its ``@k``.

    Returns:
        The best weights, with a sum of 1, and all trials in order.
    """
    k = int(metric.partition("@")[2])
    names = folds[0].names
    weights = np.array([(start or {}).get(name, 0.0 if start else 1.0) for name in names])
    trials: list[WeightTrial] = []

    def evaluate(values: NDArray[np.float64]) -> float:
        mean = float(np.concatenate([pools.values(values, metric, k) for pools in folds]).mean())
        trials.append(WeightTrial(_named(names, values), round(mean, 6)))
        return mean

    best = evaluate(weights)
    for _ in range(_ROUNDS):
        before = best
        for index in range(len(weights)):
            for value in _steps(weights, index):
                candidate = weights.copy()
                candidate[index] = value
                if candidate.any() and (mean := evaluate(candidate)) > best:
                    best, weights = mean, candidate
        if best == before:
            break
    return dict(_named(names, weights)), trials


def _steps(weights: NDArray[np.float64], index: int) -> list[float]:
    weight = float(weights[index])
    if weight:
        return [weight * factor for factor in FACTORS]
    return [float(weights.max()) * factor for factor in (0.1, 0.3, 1.0)]


def _named(names: Sequence[str], values: NDArray[np.float64]) -> Weights:
    shares = values / values.sum()
    return MappingProxyType({name: round(float(share), 4) for name, share in zip(names, shares, strict=True)})


def _union(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct items of each row, ascending, padded with -1: ``[rows, length of the longest row]``."""
    ordered = np.sort(items, axis=1)
    repeated = np.zeros(ordered.shape, bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    ordered[repeated | (ordered == NOTHING)] = np.iinfo(np.int64).max
    ordered.sort(axis=1)
    used = ordered != np.iinfo(np.int64).max
    ordered[~used] = NOTHING
    return ordered[:, : int(used.sum(axis=1).max(initial=0))]


def _pad(array: NDArray[_Scalar], width: int, fill: int) -> NDArray[_Scalar]:
    missing = [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])]
    return np.pad(array, missing, constant_values=fill)
