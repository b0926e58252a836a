"""Softmax regression with L2, L1 or both (elastic net), fitted by L-BFGS.

It minimises, over weights W ``[D, C]`` and bias b ``[C]``::

    mean_i w_i * cross_entropy_i  +  l2 / 2 * ||W - M||^2  +  l1 * ||W - M||_1

M is 0, or the weights of a parent release, towards which W is then regularised. The bias is not regularised. The loss
is smooth if ``l1`` is 0. Otherwise W - M is written as the difference of two non-negative parts, which makes the loss
smooth over a box. L-BFGS-B solves both (Byrd, Lu, Nocedal and Zhu, "A Limited Memory Algorithm for Bound Constrained
Optimization", 1995).

Rows that do not fit into memory are read once per evaluation, in pieces on all cores. Loss and gradient are sums over
the pieces in a fixed order: they equal those of all rows at once except for rounding, and repeat bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from scipy.special import logsumexp

from larder_training.classifier.heads.scaler import FeatureRows, slices_of
from larder_training.numerics.arrays import Floats
from larder_training.numerics.parallel import map_in_order

MAX_ITERATIONS: Final = 300
TOLERANCE: Final = 1e-5  # largest entry of the projected gradient
LEAST_PROGRESS: Final = 1e-9  # relative decrease of the loss per iteration; float32 sums are not finer
ROUGH_PROGRESS: Final = 1e-6  # the same for a fit that is only evaluated: a trial's standard error is far larger

Doubles = NDArray[np.float64]
Smooth = Callable[[Doubles, Doubles], tuple[float, Doubles, Doubles]]
Sums = Callable[["SoftmaxRegression", Floats, NDArray[Any], Floats], tuple[float, Doubles, Doubles]]


@dataclass(frozen=True, slots=True)
class SoftmaxRegression:
    """``logits = features @ weights + bias``.

    Attributes:
        weights: ``[D, C]``.
        bias: ``[C]``.
    """

    weights: Floats
    bias: Floats

    def logits(self, features: Floats) -> Floats:
        """``[N, C]`` for features ``[N, D]``."""
        return features @ self.weights + self.bias


def zero_head(dimensions: int, classes: int) -> SoftmaxRegression:
    """Weights and bias of 0: all labels are equally likely."""
    return SoftmaxRegression(np.zeros((dimensions, classes), np.float32), np.zeros(classes, np.float32))


def fit_softmax_regression(
    features: FeatureRows,
    labels: NDArray[Any],
    row_weights: Floats,
    *,
    l2: float,
    l1: float,
    centre: SoftmaxRegression,
    start: SoftmaxRegression | None = None,
    rough: bool = False,
    sums: Sums | None = None,
) -> SoftmaxRegression:
    """Minimises the loss above.

    Args:
        features: ``[N, D]``, standardised, in memory or streamed.
        labels: ``[N]``, of 0..C-1, or what ``sums`` reads.
        row_weights: ``[N]``, of mean 1.
        l2: Strength of the squared distance to M.
        l1: Strength of the absolute distance to M.
        centre: M, and the initial bias.
        start: Where to begin, ``centre`` by default; it changes the result only by rounding.
        rough: Whether to stop earlier, to save time.
        sums: The loss of some rows and its gradient, for another loss than the cross-entropy of the softmax.
    """
    sums = sums or _sums
    shape = centre.weights.shape
    start = start or centre
    change = (start.weights - centre.weights).astype(np.float64).ravel()
    bias = start.bias.astype(np.float64)
    share = row_weights.astype(np.float32) / np.float32(len(labels))
    parts = slices_of(features)

    def smooth(change: Doubles, bias: Doubles) -> tuple[float, Doubles, Doubles]:
        """The loss without L1, and its gradient with respect to the change of W and to b."""
        model = SoftmaxRegression((change.reshape(shape) + centre.weights).astype(np.float32), bias.astype(np.float32))

        def summed(part: slice) -> tuple[float, Doubles, Doubles]:
            return sums(model, features[part], labels[part], share[part])

        loss, gradient, bias_gradient = l2 / 2 * float(change @ change), l2 * change, np.zeros(shape[1])
        for value, by_weights, by_bias in map(summed, parts) if len(parts) == 1 else map_in_order(summed, parts):
            loss, gradient, bias_gradient = loss + value, gradient + by_weights, bias_gradient + by_bias
        return loss, gradient, bias_gradient

    least = ROUGH_PROGRESS if rough else LEAST_PROGRESS
    change, bias = _bounded(smooth, change, bias, l1, least) if l1 else _free(smooth, change, bias, least)
    return SoftmaxRegression(
        np.ascontiguousarray(centre.weights + change.reshape(shape), np.float32), np.asarray(bias, np.float32)
    )


def _sums(
    model: SoftmaxRegression, features: Floats, labels: NDArray[np.int64], share: Floats
) -> tuple[float, Doubles, Doubles]:
    """The part of these rows in the loss and its gradient; ``share`` ``[n]`` is the weight of each row."""
    logits = model.logits(features)
    log_likelihood = logits - logsumexp(logits, axis=1, keepdims=True)
    value = -float(share.astype(np.float64) @ log_likelihood[np.arange(len(labels)), labels])
    error = np.exp(log_likelihood)
    error[np.arange(len(labels)), labels] -= 1
    error *= share[:, None]
    return value, (features.T @ error).astype(np.float64).ravel(), error.sum(axis=0, dtype=np.float64)


def _free(smooth: Smooth, change: Doubles, bias: Doubles, least: float) -> tuple[Doubles, Doubles]:
    size = len(change)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        value, gradient, bias_gradient = smooth(flat[:size], flat[size:])
        return value, np.concatenate([gradient, bias_gradient])

    solution = _minimise(loss, np.concatenate([change, bias]), None, least)
    return solution[:size], solution[size:]


def _bounded(smooth: Smooth, change: Doubles, bias: Doubles, l1: float, least: float) -> tuple[Doubles, Doubles]:
    size = len(change)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        up, down = flat[:size], flat[size : 2 * size]
        value, gradient, bias_gradient = smooth(up - down, flat[2 * size :])
        return value + l1 * float((up + down).sum()), np.concatenate([gradient + l1, l1 - gradient, bias_gradient])

    bounds = Bounds(np.concatenate([np.zeros(2 * size), np.full(len(bias), -np.inf)]), np.inf)
    start = np.concatenate([np.maximum(change, 0), np.maximum(-change, 0), bias])
    solution = _minimise(loss, start, bounds, least)
    return solution[:size] - solution[size : 2 * size], solution[2 * size :]


def _minimise(
    loss: Callable[[Doubles], tuple[float, Doubles]], start: Doubles, bounds: Bounds | None, least: float
) -> Doubles:
    options: dict[str, Any] = {"maxiter": MAX_ITERATIONS, "maxcor": 10, "gtol": TOLERANCE, "ftol": least}
    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)  # type: ignore[call-overload]  # the stubs require arrays of a literal rank
    return np.asarray(result.x, np.float64)
