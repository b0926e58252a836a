"""Calibration of one label at a time: Platt scaling of its held-out logits, and its threshold.

Each label gets a slope and an offset (Platt, 1999, "Probabilistic Outputs for Support Vector Machines"). A slope alone,
as the temperature of one-label classifiers, would move the mean probability of a rare label away from its frequency,
because the logits of a rare label are far from 0.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from larder_training.classifier.metrics.calibration import (
    LARGEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    best_f1_threshold,
    threshold_at_precision,
)
from larder_training.classifier.multilabel.logistic_regression import Truth
from larder_training.numerics.arrays import Floats

_SLOPES: Final = (1 / LARGEST_TEMPERATURE, 1 / LEAST_TEMPERATURE)  # the same limits as for one temperature


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """``probability = sigmoid(slope * logit + offset)`` for each label.

    Attributes:
        slope: ``[C]``, above 0, so that the order of the images stays.
        offset: ``[C]``.
    """

    slope: Floats
    offset: Floats

    def logits(self, logits: Floats) -> Floats:
        """The calibrated logits ``[N, C]``."""
        return logits * self.slope + self.offset

    def fold_in(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Weights and bias of a linear head whose logits are calibrated."""
        return (weights * self.slope).astype(np.float32), (bias * self.slope + self.offset).astype(np.float32)


def fit_platt_scaling(logits: Floats, truth: Truth) -> PlattScaling:
    """Calibrates the held-out logits ``[N, C]`` of images whose labels are ``truth`` ``[N, C]``."""
    fitted = [_fit_label(logits[:, label].astype(np.float64), truth[:, label]) for label in range(truth.shape[1])]
    slopes, offsets = zip(*fitted, strict=True)
    return PlattScaling(np.array(slopes, np.float32), np.array(offsets, np.float32))


def _fit_label(logits: np.ndarray[tuple[int], np.dtype[np.float64]], positive: Truth) -> tuple[float, float]:
    """Slope and offset of the least cross-entropy.

    Targets are smoothed by half an image of the other kind, as those of the temperature: a label that is always right
    would have an infinite slope otherwise.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    targets = np.where(positive, (count + 0.5) / (count + 1), 0.5 / (others + 1))

    def loss(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, list[float]]:
        scaled = values[0] * logits + values[1]
        error = expit(scaled) - targets
        return (
            float((np.logaddexp(0, scaled) - targets * scaled).mean()),
            [float((error * logits).mean()), float(error.mean())],
        )

    result = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, (None, None)])
    return float(result.x[0]), float(result.x[1])


def fit_thresholds(probabilities: Floats, truth: Truth, precision: float | None) -> tuple[float, ...]:
    """The threshold of each label: with the best F1, or the lowest one with this precision."""
    columns = zip(probabilities.T, truth.T, strict=True)
    if precision is None:
        return tuple(best_f1_threshold(column, positive) for column, positive in columns)
    return tuple(threshold_at_precision(column, positive, precision) for column, positive in columns)
