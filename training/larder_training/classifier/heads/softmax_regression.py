"""Softmax regression with L2, L1 or both (elastic net), fitted by L-BFGS.

It minimises, over weights W ``[D, C]`` and bias b ``[C]``::

    mean_i w_i * cross_entropy_i  +  l2 / 2 * ||W - M||^2  +  l1 * ||W - M||_1

M is 0, or the head of a parent release, which the weights are then pulled towards. The bias is free. Where ``l1`` is
0 this is smooth; else W - M is written as the difference of two non-negative parts, which makes it smooth over a box
(Byrd, Lu, Nocedal and Zhu, "A Limited Memory Algorithm for Bound Constrained Optimization", 1995, solves both).

Rows that do not fit into memory are read once an evaluation, in pieces on every core; loss and gradient are sums over
the pieces, added up in their order, so they are those of all rows but for rounding, and the same bits each time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from scipy.special import logsumexp

from larder_training.classifier.heads.scaler import FeatureRows, cuts
from larder_training.numerics.arrays import Floats
from larder_training.numerics.parallel import in_order

MAX_ITERATIONS: Final = 300
TOLERANCE: Final = 1e-5  # largest entry of the projected gradient
LEAST_PROGRESS: Final = 1e-9  # of the loss, relative, in one iteration: float32 sums are no finer
ROUGH_PROGRESS: Final = 1e-6  # the same for a fit that is only judged: a trial's standard error is far larger

Doubles = NDArray[np.float64]
Smooth = Callable[[Doubles, Doubles], tuple[float, Doubles, Doubles]]


@dataclass(frozen=True, slots=True)
class SoftmaxRegression:
    """``logits = features @ weights + bias``; ``weights`` ``[D, C]``, ``bias`` ``[C]``."""

    weights: Floats
    bias: Floats

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        return features @ self.weights + self.bias


def zero_head(dimensions: int, classes: int) -> SoftmaxRegression:
    """Weights and bias of 0: every label is as likely."""
    return SoftmaxRegression(np.zeros((dimensions, classes), np.float32), np.zeros(classes, np.float32))


def fit_softmax_regression(
    features: FeatureRows,
    labels: NDArray[np.int64],
    row_weights: Floats,
    *,
    l2: float,
    l1: float,
    centre: SoftmaxRegression,
    start: SoftmaxRegression | None = None,
    rough: bool = False,
) -> SoftmaxRegression:
    """Minimises the loss above.

    Args:
        features: ``[N, D]``, standardised, in memory or streamed.
        labels: ``[N]``, of 0..C-1.
        row_weights: ``[N]``, of mean 1.
        l2: strength of the squared distance.
        l1: strength of the absolute distance.
        centre: M, and the bias that is begun with.
        start: where to begin (None: at ``centre``); the result does not depend on it but for rounding.
        rough: stop a little earlier, to be quicker.
    """
    shape = centre.weights.shape
    start = start or centre
    moved = (start.weights - centre.weights).astype(np.float64).ravel()
    bias = start.bias.astype(np.float64)
    share = row_weights.astype(np.float32) / np.float32(len(labels))
    parts = cuts(features)

    def smooth(change: Doubles, bias: Doubles) -> tuple[float, Doubles, Doubles]:
        """The loss without L1, and its gradient by the change of W and by b."""
        reached = SoftmaxRegression(
            (change.reshape(shape) + centre.weights).astype(np.float32), bias.astype(np.float32)
        )

        def summed(part: slice) -> tuple[float, Doubles, Doubles]:
            return _sums(reached, features[part], labels[part], share[part])

        value, slope, bias_slope = l2 / 2 * float(change @ change), l2 * change, np.zeros(shape[1])
        for one, by_weights, by_bias in map(summed, parts) if len(parts) == 1 else in_order(summed, parts):
            value, slope, bias_slope = value + one, slope + by_weights, bias_slope + by_bias
        return value, slope, bias_slope

    least = ROUGH_PROGRESS if rough else LEAST_PROGRESS
    found, at = _bounded(smooth, moved, bias, l1, least) if l1 else _free(smooth, moved, bias, least)
    return SoftmaxRegression(
        np.ascontiguousarray(centre.weights + found.reshape(shape), np.float32), np.asarray(at, np.float32)
    )


def _sums(
    reached: SoftmaxRegression, features: Floats, labels: NDArray[np.int64], share: Floats
) -> tuple[float, Doubles, Doubles]:
    """What these rows, each with its share of the loss, add to the loss and to its gradient by weights and bias."""
    logits = reached.logits(features)
    log_likelihood = logits - logsumexp(logits, axis=1, keepdims=True)
    value = -float(share.astype(np.float64) @ log_likelihood[np.arange(len(labels)), labels])
    error = np.exp(log_likelihood)
    error[np.arange(len(labels)), labels] -= 1
    error *= share[:, None]
    return value, (features.T @ error).astype(np.float64).ravel(), error.sum(axis=0, dtype=np.float64)


def _free(smooth: Smooth, change: Doubles, bias: Doubles, least: float) -> tuple[Doubles, Doubles]:
    size = len(change)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        value, slope, bias_slope = smooth(flat[:size], flat[size:])
        return value, np.concatenate([slope, bias_slope])

    found = _minimise(loss, np.concatenate([change, bias]), None, least)
    return found[:size], found[size:]


def _bounded(smooth: Smooth, change: Doubles, bias: Doubles, l1: float, least: float) -> tuple[Doubles, Doubles]:
    size = len(change)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        up, down = flat[:size], flat[size : 2 * size]
        value, slope, bias_slope = smooth(up - down, flat[2 * size :])
        return value + l1 * float((up + down).sum()), np.concatenate([slope + l1, l1 - slope, bias_slope])

    bounds = Bounds(np.concatenate([np.zeros(2 * size), np.full(len(bias), -np.inf)]), np.inf)
    start = np.concatenate([np.maximum(change, 0), np.maximum(-change, 0), bias])
    found = _minimise(loss, start, bounds, least)
    return found[:size] - found[size : 2 * size], found[2 * size :]


def _minimise(
    loss: Callable[[Doubles], tuple[float, Doubles]], start: Doubles, bounds: Bounds | None, least: float
) -> Doubles:
    options: dict[str, Any] = {"maxiter": MAX_ITERATIONS, "maxcor": 10, "gtol": TOLERANCE, "ftol": least}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)  # type: ignore[call-overload]  # the stubs want arrays of a literal rank
    return np.asarray(found.x, np.float64)
