"""Calibration on held-out images: the temperature, the labels' thresholds and the OOD threshold."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import t as student

from larder_training.numerics.arrays import Floats

LEAST_TEMPERATURE: Final = 0.2
LARGEST_TEMPERATURE: Final = 10.0
BINS: Final = 15

Counts = NDArray[np.int64]


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Temperature scaling (Guo et al., 2017, "On Calibration of Modern Neural Networks").

    Targets are smoothed by half an error among the N images (Krichevsky and Trofimov, 1981); otherwise T would be 0 if
    every image is right. Platt's smoothing by a whole error makes the probabilities of few images too low.

    Args:
        logits: ``[N, C]``.
        labels: ``[N]``.

    Returns:
        T that minimises the cross-entropy of ``softmax(logits / T)``.
    """
    count, classes = logits.shape
    smoothing = 0.5 / (count + 1)
    targets = np.full((count, classes), smoothing / max(classes - 1, 1))
    targets[np.arange(count), labels] = 1 - smoothing

    def loss(log_temperature: float) -> float:
        likelihood = targets * log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-likelihood.sum() / count)

    bounds = (np.log(LEAST_TEMPERATURE), np.log(LARGEST_TEMPERATURE))
    result = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(result.x))


def thresholds(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[float, ...]:
    """For each label, the confidence threshold with the best F1; of equal ones, the nearest to 0.5."""
    return tuple(best_f1_threshold(column, labels == label) for label, column in enumerate(probabilities.T))


def best_f1_threshold(confidence: Floats, positive: NDArray[np.bool_]) -> float:
    """The confidence threshold of one label with the best F1; of equal ones, the nearest to 0.5."""
    cuts, predicted, correct = _cuts(confidence, positive)
    f1 = 2 * correct / np.maximum(predicted + positive.sum(), 1)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return round(float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]]), 6)


def _cuts(confidence: Floats, positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], Counts, Counts]:
    """Every distinct threshold, ascending, with the number of images above it, and of correct ones among them."""
    values = np.unique(np.concatenate([confidence.astype(np.float64), [0.0, 1.0]]))
    # All thresholds between two neighbouring values are equivalent: take the point in the gap nearest to 0.5.
    low, high = values[:-1], values[1:]
    margin = (high - low) * 0.05
    cuts = np.clip(0.5, low + margin, high - margin)
    predicted = len(confidence) - np.searchsorted(np.sort(confidence), cuts)
    correct = positive.sum() - np.searchsorted(np.sort(confidence[positive]), cuts)
    return cuts, predicted, correct


def thresholds_at_precision(probabilities: Floats, labels: NDArray[np.int64], precision: float) -> tuple[float, ...]:
    """For each label, the lowest confidence threshold with this precision; 1 if there is none."""
    return tuple(
        threshold_at_precision(column, labels == label, precision) for label, column in enumerate(probabilities.T)
    )


def threshold_at_precision(confidence: Floats, positive: NDArray[np.bool_], precision: float) -> float:
    """The lowest confidence threshold of one label with this precision; 1 if there is none."""
    cuts, predicted, correct = _cuts(confidence, positive)
    precise = np.flatnonzero((predicted > 0) & (correct >= precision * predicted - 1e-9))
    return round(float(cuts[precise[0]]), 6) if len(precise) else 1.0


def ood_threshold(scores: Floats, rate: float) -> float:
    """The OOD score that at most a share ``rate`` of in-distribution images exceeds, on average over calibrations.

    Of N held-out scores, the ceil((N + 1)(1 - rate))-th smallest guarantees this for any distribution (split conformal
    prediction; Vovk et al., 2005). If N is too small for a guarantee (below 32 for 3 %), the threshold is the upper
    bound of a normal distribution's prediction interval, but at least the largest score.

    Args:
        scores: ``[N]``, of in-distribution images that the detector was not fitted on.
        rate: Target false alarm rate.
    """
    count = len(scores)
    position = math.ceil((count + 1) * (1 - rate) - 1e-9)
    if position <= count:
        limit = float(np.sort(scores)[position - 1])
    else:
        limit = float(scores.max())
        if count > 1:
            quantile = float(student.ppf(1 - rate, count - 1)) * math.sqrt(1 + 1 / count)
            limit = max(limit, float(scores.mean()) + quantile * float(scores.std(ddof=1)))
    return math.ceil(limit * 1e6) / 1e6  # rounded up, so that the image with this score stays below


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 equal-width bins of the best label's confidence."""
    return float(sum(abs(accuracy - mean) * share for _, mean, accuracy, share in reliability(confidence, correct)))


def reliability(confidence: Floats, correct: NDArray[np.bool_]) -> list[tuple[float, float, float, float]]:
    """For each non-empty bin of the best label's confidence: its middle, mean confidence, accuracy, share of images."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return [
        (
            (position + 0.5) / BINS,
            float(confidence[bins == position].mean()),
            float(correct[bins == position].mean()),
            float((bins == position).mean()),
        )
        for position in range(BINS)
        if (bins == position).any()
    ]
