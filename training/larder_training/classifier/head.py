"""The linear head: multinomial logistic regression on standardised features, its strength cross-validated."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from os import cpu_count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder_training.classifier.graph import Floats
from larder_training.progress import Progress

# lambda of: mean cross-entropy + lambda / 2 * ||W||^2. Strong first, so that each fit starts from a simpler one.
STRENGTHS: Final = (1.0, 0.316, 0.1, 0.0316, 0.01, 0.00316, 0.001, 0.000316, 0.0001)
PATIENCE: Final = 2  # weaker strengths tried after the best one so far
MAX_ROWS: Final = 12_000  # the strength is chosen on at most so many rows; the head itself learns from all
MAX_ITERATIONS: Final = 300
TOLERANCE: Final = 1e-5  # largest entry of the gradient
# A feature that hardly varies would be blown up by its own deviation, and int8's rounding with it.
LEAST_DEVIATION: Final = 0.1  # share of the median deviation

LEAST_LIKELIHOOD: Final = 1e-9  # one photo that is wrong beyond doubt must not decide alone

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Head:
    """``logits = features @ weights + bias``: standardisation is inside, temperature is not.

    ``weights`` ``[D, C]``, ``bias`` ``[C]``, ``means`` ``[C, D]`` of the features at length 1; ``losses`` are the
    cross-validated cross-entropies by strength.
    """

    weights: Floats
    bias: Floats
    means: Floats
    strength: float
    losses: tuple[tuple[float, float], ...]
    folds: int

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        return features @ self.weights + self.bias


def fit(
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    changed: NDArray[np.bool_],
    *,
    folds: int,
    progress: Progress,
) -> Head:
    """Fits the head.

    Args:
        features: ``[N, D]``.
        labels: ``[N]``, each of 0..C-1 present.
        groups: ``[N]``; rows of one group (near-duplicates, and changed copies of a photo) stay in one fold.
        changed: ``[N]``, true for augmented copies: learnt from, never judged on.
        folds: at most so many; fewer where a class has fewer groups.
        progress: told of each fit.
    """
    scale = features.std(axis=0)
    scale = 1 / np.maximum(scale, max(float(np.median(scale)) * LEAST_DEVIATION, 1e-6))
    centre = features.mean(axis=0)
    standard = ((features - centre) * scale).astype(np.float32)
    with threadpool_limits(1, user_api="blas"):  # a sum's order, and so its last bits, depends on the threads
        folds = min(folds, _fewest_groups(labels, groups))
        strength, losses = _choose(standard, labels, groups, changed, folds, progress)
        model = _regression(strength, len(labels)).fit(standard, labels)
        progress.say(f"Regularisation {strength:g}, chosen by {folds}-fold cross-validation")
    coefficients = model.coef_.astype(np.float64)
    if len(coefficients) == 1:  # two classes: scikit-learn models the second against the first
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
    intercepts = (
        np.resize(model.intercept_, len(coefficients))
        if len(model.intercept_) > 1
        else np.array([0, model.intercept_[0]])
    )
    weights = (coefficients * scale).T
    bias = intercepts - centre @ weights
    return Head(
        np.ascontiguousarray(weights, np.float32),
        bias.astype(np.float32),
        _class_means(features, labels),
        strength,
        losses,
        folds,
    )


def _class_means(features: Floats, labels: Labels) -> Floats:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.maximum(lengths, 1e-12)
    return np.stack([directions[labels == label].mean(axis=0) for label in range(labels.max() + 1)]).astype(np.float32)


def _fewest_groups(labels: Labels, groups: NDArray[np.int64]) -> int:
    return min(len(np.unique(groups[labels == label])) for label in range(labels.max() + 1))


def _regression(strength: float, rows: int) -> LogisticRegression:
    return LogisticRegression(C=1 / (strength * rows), max_iter=MAX_ITERATIONS, tol=TOLERANCE, warm_start=True)


def _choose(
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    changed: NDArray[np.bool_],
    folds: int,
    progress: Progress,
) -> tuple[float, tuple[tuple[float, float], ...]]:
    rows = _some(labels, groups)
    features, labels, groups, changed = features[rows], labels[rows], groups[rows], changed[rows]
    # Unshuffled: the folds then follow from the groups alone.
    cuts = list(StratifiedGroupKFold(folds).split(features, labels, groups))
    paths = [_Path(features, labels, learn, judge[~changed[judge]]) for learn, judge in cuts]
    losses: list[tuple[float, float]] = []
    with (
        progress.task("Choosing the regularisation", len(STRENGTHS)) as advance,
        ThreadPoolExecutor(cpu_count()) as pool,
    ):
        for strength in STRENGTHS:
            judged = list(pool.map(_Path.loss, paths, repeat(strength)))
            losses.append((strength, float(np.average(judged, weights=[len(path.judge) for path in paths]))))
            advance(1)
            best = min(range(len(losses)), key=lambda position: losses[position][1])
            if len(losses) - 1 - best >= PATIENCE:
                break
    return losses[best][0], tuple(losses)


def _some(labels: Labels, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """All rows, or whole groups in a fixed shuffle up to ``MAX_ROWS``, every class kept."""
    if len(labels) <= MAX_ROWS:
        return np.arange(len(labels))
    names, positions = np.unique(groups, return_inverse=True)
    rank = np.random.default_rng(0).permutation(len(names))[positions]
    taken = rank < MAX_ROWS * len(names) / len(labels)
    for label in range(labels.max() + 1):  # a rare class keeps enough groups to be cut into folds
        own = np.unique(rank[labels == label])[:20]
        taken |= np.isin(rank, own)
    return np.flatnonzero(taken)


@dataclass(slots=True)
class _Path:
    """One fold, fitted from the strongest regularisation to weaker ones, each from where the last ended."""

    features: Floats
    labels: Labels
    learn: NDArray[np.int64]
    judge: NDArray[np.int64]
    model: LogisticRegression | None = None

    def loss(self, strength: float) -> float:
        """The mean cross-entropy of the held-out photos."""
        fresh = _regression(strength, len(self.learn))
        self.model = fresh if self.model is None else self.model.set_params(C=fresh.C)
        self.model.fit(self.features[self.learn], self.labels[self.learn])
        held_out = self.model.predict_proba(self.features[self.judge])
        seen: Sequence[int] = list(self.model.classes_)
        likelihood = [
            row[seen.index(label)] if label in seen else 0.0
            for row, label in zip(held_out, self.labels[self.judge], strict=True)
        ]
        return float(-np.log(np.maximum(likelihood, LEAST_LIKELIHOOD)).mean())
