"""One score out of several: a weighted sum of scorers, each divided by its spread, and how the weights are chosen.

Scorers speak different languages (a regression's scores are near 0 and 1, a popularity's anything), so each is divided
by the root of the mean square of its scores over some users before its weight counts. Weights are chosen on a
validation task by coordinate ascent over *pools*: for each user, the union of the best items of every scorer. Within
them a trial is a sum of a few small arrays, so hundreds of trials cost less than one ranking of the catalogue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import NOTHING, blocks, hide, top
from larder_training.recommender.metrics.ranking import by_user
from larder_training.recommender.models.base import Scorer

FACTORS: Final = (0.0, 0.5, 0.7, 0.85, 1.2, 1.4, 2.0)  # what each weight is multiplied by, one after the other
_SAMPLE: Final = 512  # users who say what a scorer's spread is
_DEPTH: Final = 200  # items of each scorer in a user's pool
_ROUNDS: Final = 4

Weights = Mapping[str, float]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A scorer: the sum of ``weights[name] / spreads[name] * scorers[name].scores``. A weight of 0 costs nothing."""

    scorers: Mapping[str, Scorer]
    weights: Weights
    spreads: Mapping[str, float]

    @classmethod
    def of(cls, scorers: Mapping[str, Scorer], weights: Weights, users: NDArray[np.int64]) -> "Blend":
        """With the spreads over (a sample of) ``users``; raises ValueError where a weight names no scorer."""
        if unknown := set(weights) - set(scorers):
            raise ValueError(f"no scorer is named {', '.join(sorted(unknown))}: name one of {', '.join(scorers)}")
        sample = _sample(users)
        return cls(scorers, weights, {name: spread(scorer, sample) for name, scorer in scorers.items()})

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """``[len(users), items]``, as every scorer's."""
        total: NDArray[np.float32] | None = None
        for name, weight in self.weights.items():
            if weight:
                part = self.scorers[name].scores(users)
                part *= np.float32(weight / self.spreads[name])
                total = part if total is None else np.add(total, part, out=total)
        if total is None:
            raise ValueError("all weights are 0: give one scorer a weight above 0")
        return total


def spread(scorer: Scorer, users: NDArray[np.int64]) -> float:
    """The root of the mean square of a scorer's scores for these users; 1 where all are 0."""
    squares = [np.square(scorer.scores(part)).mean(axis=1, dtype=np.float64) for part in _parts(users, _SAMPLE)]
    mean = float(np.concatenate(squares).mean()) if squares else 0.0
    return float(np.sqrt(mean)) or 1.0


@dataclass(frozen=True, slots=True)
class WeightTrial:
    """What one set of weights gave on the validation task."""

    weights: Weights
    metric: float


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """For each of ``[users]`` a pool of items (``[users, width]``, -1: unused): float32 ``scores`` of each scorer
    ``[scorers, users, width]``, whether each item is ``found`` in the user's truth, and his number of ``relevant``
    items, inside the pool or not.
    """

    names: tuple[str, ...]
    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    found: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        scorers: Mapping[str, Scorer],
        users: NDArray[np.int64],
        truth: sp.csr_array,
        hidden: sp.csr_array,
        depth: int = _DEPTH,
    ) -> "Pools":
        """The union of each scorer's ``depth`` best items for each user, without those of ``hidden``.

        Args:
            scorers: by name.
            users: ``[n]``, asked for.
            truth: bool ``[n, items]``, what each should be recommended.
            hidden: ``[n, items]``, what must not be.
            depth: items of each scorer.
        """
        parts = []
        for part in blocks(len(users), truth.shape[1] * len(scorers)):
            dense = [scorer.scores(users[part]) for scorer in scorers.values()]
            for scores in dense:
                hide(scores, hidden[part])
            items = _union(np.concatenate([top(scores, depth) for scores in dense], axis=1))
            used, places = items != NOTHING, np.maximum(items, 0)
            taken = [np.where(used, np.take_along_axis(scores, places, axis=1), 0) for scores in dense]
            relevant = truth[part].toarray().astype(bool)
            parts.append((items, np.stack(taken), np.take_along_axis(relevant, places, axis=1) & used))
        width = max((items.shape[1] for items, _, _ in parts), default=0)
        return cls(
            tuple(scorers),
            np.concatenate([_wider(items, width, NOTHING) for items, _, _ in parts]),
            np.concatenate([_wider(scores, width, 0) for _, scores, _ in parts], axis=1),
            np.concatenate([_wider(found, width, 0) for _, _, found in parts]),
            np.diff(truth.indptr).astype(np.int64),
        )

    def metric(self, factors: NDArray[np.float64], metric: str, k: int) -> float:
        """The mean over users of the sum's ranking, ``factors`` ``[scorers]`` multiplying each scorer's scores."""
        total = np.tensordot(factors.astype(np.float32), self.scores, axes=1)
        total[self.items == NOTHING] = -np.inf
        lists = top(total, k)
        hit = np.take_along_axis(self.found, np.maximum(lists, 0), axis=1) & (lists != NOTHING)
        return float(by_user(hit, self.relevant, (k,))[metric].mean())


def choose_weights(
    pools: Pools, spreads: Mapping[str, float], start: Weights | None = None, metric: str = "ndcg@20"
) -> tuple[dict[str, float], list[WeightTrial]]:
    """Coordinate ascent: each weight in turn times each of ``FACTORS``, kept where that is better, until no step is.

    Args:
        pools: of the validation task.
        spreads: of the scorers, by which each is divided.
        start: the weights to begin with; 1 each without it. A weight of 0 tries 0.3, 1 and 3 in place of multiples.
        metric: of ``larder_training.recommender.metrics.ranking.by_user``, with its ``@k``.

    Returns the best weights, whose sum is 1, and all trials in order.
    """
    k = int(metric.partition("@")[2])
    scale = np.array([spreads[name] for name in pools.names])
    weights = np.array([(start or {}).get(name, 0.0 if start else 1.0) for name in pools.names])
    trials: list[WeightTrial] = []

    def tried(values: NDArray[np.float64]) -> float:
        found = pools.metric(values / scale, metric, k)
        trials.append(WeightTrial(_named(pools.names, values), round(found, 6)))
        return found

    best = tried(weights)
    for _ in range(_ROUNDS):
        before = best
        for place in range(len(weights)):
            for value in _steps(weights, place):
                candidate = weights.copy()
                candidate[place] = value
                if candidate.any() and (found := tried(candidate)) > best:
                    best, weights = found, candidate
        if best == before:
            break
    return dict(_named(pools.names, weights)), trials


def _steps(weights: NDArray[np.float64], place: int) -> list[float]:
    here = float(weights[place])
    if here:
        return [here * factor for factor in FACTORS]
    return [float(weights.max()) * factor for factor in (0.1, 0.3, 1.0)]


def _named(names: Sequence[str], values: NDArray[np.float64]) -> Weights:
    shares = values / values.sum()
    return MappingProxyType({name: round(float(share), 4) for name, share in zip(names, shares, strict=True)})


def _union(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's different numbers, ascending, then -1: ``[rows, as many as the longest row needs]``."""
    ordered = np.sort(items, axis=1)
    again = np.zeros(ordered.shape, bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    ordered[again | (ordered == NOTHING)] = np.iinfo(np.int64).max
    ordered.sort(axis=1)
    used = ordered != np.iinfo(np.int64).max
    ordered[~used] = NOTHING
    return ordered[:, : int(used.sum(axis=1).max(initial=0))]


def _wider(array: NDArray[_Number], width: int, filler: int) -> NDArray[_Number]:
    missing = [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])]
    return np.pad(array, missing, constant_values=filler)


def _sample(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """``_SAMPLE`` of the users, evenly spaced."""
    return users[np.linspace(0, len(users) - 1, min(_SAMPLE, len(users))).astype(np.int64)] if len(users) else users


def _parts(users: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [users[start : start + size] for start in range(0, len(users), size)]
