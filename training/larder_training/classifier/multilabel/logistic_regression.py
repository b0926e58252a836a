"""One-vs-rest logistic regression with L2, one for each label on the same features, fitted by L-BFGS at once.

It minimises, over weights W ``[D, C]`` and bias b ``[C]``, the sum over the labels of::

    mean_i binary_cross_entropy_i  +  l2 / 2 * ||W_label||^2

The labels do not interact, so this equals C separate fits with the same strength.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from larder_training.classifier.heads.scaler import FeatureRows
from larder_training.classifier.heads.softmax_regression import (
    Doubles,
    SoftmaxRegression,
    fit_softmax_regression,
    zero_head,
)
from larder_training.numerics.arrays import Floats

Truth = NDArray[np.bool_]
LinearHead = SoftmaxRegression  # its logits are those of any linear head


def fit_logistic_regressions(
    features: FeatureRows, truth: Truth, *, l2: float, start: LinearHead | None = None, rough: bool = False
) -> LinearHead:
    """Fits one logistic regression for each label.

    Args:
        features: ``[N, D]``, standardised, in memory or streamed.
        truth: ``[N, C]``, whether an image has a label.
        l2: Strength of the regularisation.
        start: Where to begin, to save time.
        rough: Whether to stop earlier, for a fit that is only evaluated.
    """
    return fit_softmax_regression(
        features,
        truth,
        np.ones(len(truth), np.float32),
        l2=l2,
        l1=0.0,
        centre=zero_head(features.shape[1], truth.shape[1]),
        start=start,
        rough=rough,
        sums=_sums,
    )


def binary_cross_entropy(logits: Floats, truth: Truth) -> Floats:
    """``[N, C]``: the loss of each decision."""
    losses: Floats = np.logaddexp(0, logits) - truth * logits
    return losses


def _sums(model: LinearHead, features: Floats, truth: Truth, share: Floats) -> tuple[float, Doubles, Doubles]:
    """The part of these rows in the loss and its gradient; ``share`` ``[n]`` is the weight of each row."""
    logits = model.logits(features)
    value = float(share.astype(np.float64) @ binary_cross_entropy(logits, truth).sum(axis=1, dtype=np.float64))
    error = (expit(logits) - truth) * share[:, None]
    return value, (features.T @ error).astype(np.float64).ravel(), error.sum(axis=0, dtype=np.float64)
