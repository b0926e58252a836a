"""What is chosen on photos that were held out: temperature, the labels' thresholds, and how far is too far."""

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
    """T that makes ``softmax(logits / T)`` likeliest (Guo et al., 2017, "On Calibration of Modern Neural Networks").

    Targets are softened, for where every photo is right the likeliest T would be 0: half an error is invented among the
    N photos (Krichevsky and Trofimov, 1981). Platt's whole one makes few photos too unsure: of 40, twice as much.
    """
    number, classes = logits.shape
    soft = 0.5 / (number + 1)
    targets = np.full((number, classes), soft / max(classes - 1, 1))
    targets[np.arange(number), labels] = 1 - soft

    def loss(log_temperature: float) -> float:
        likelihood = targets * log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-likelihood.sum() / number)

    bounds = (np.log(LEAST_TEMPERATURE), np.log(LARGEST_TEMPERATURE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def thresholds(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[float, ...]:
    """For each label, the confidence from which naming it gives the best F1; of equals, the nearest to 0.5."""
    return tuple(_threshold(column, labels == label) for label, column in enumerate(probabilities.T))


def _threshold(confidence: Floats, positive: NDArray[np.bool_]) -> float:
    cuts, named, right = _cuts(confidence, positive)
    f1 = 2 * right / np.maximum(named + positive.sum(), 1)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return round(float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]]), 6)


def _cuts(confidence: Floats, positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], Counts, Counts]:
    """Every threshold that matters, ascending, how many photos it names, and how many of them rightly."""
    values = np.unique(np.concatenate([confidence.astype(np.float64), [0.0, 1.0]]))
    # Between two neighbouring values every threshold does the same: take the point nearest to 0.5, inside the gap.
    low, high = values[:-1], values[1:]
    margin = (high - low) * 0.05
    cuts = np.clip(0.5, low + margin, high - margin)
    named = len(confidence) - np.searchsorted(np.sort(confidence), cuts)
    right = positive.sum() - np.searchsorted(np.sort(confidence[positive]), cuts)
    return cuts, named, right


def thresholds_at_precision(probabilities: Floats, labels: NDArray[np.int64], precision: float) -> tuple[float, ...]:
    """For each label, the lowest confidence from which naming it is right at least so often; 1 where none is."""
    return tuple(_at_precision(column, labels == label, precision) for label, column in enumerate(probabilities.T))


def _at_precision(confidence: Floats, positive: NDArray[np.bool_], precision: float) -> float:
    cuts, named, right = _cuts(confidence, positive)
    enough = np.flatnonzero((named > 0) & (right >= precision * named - 1e-9))
    return round(float(cuts[enough[0]]), 6) if len(enough) else 1.0


def ood_threshold(novelty: Floats, rate: float) -> float:
    """The novelty that at most a share ``rate`` of photos like these will exceed, on average over samples like this.

    Of N photos that nothing was learnt from, the ceil((N + 1)(1 - rate))-th smallest novelty promises that whatever the
    distribution is (split conformal prediction; Vovk et al., 2005). Where N is too small for any of them to promise it
    (under 32 for 3 %), the bound is a normal distribution's prediction interval, and no less than the largest.
    """
    number = len(novelty)
    position = math.ceil((number + 1) * (1 - rate) - 1e-9)
    if position <= number:
        limit = float(np.sort(novelty)[position - 1])
    else:
        limit = float(novelty.max())
        if number > 1:
            reach = float(student.ppf(1 - rate, number - 1)) * math.sqrt(1 + 1 / number)
            limit = max(limit, float(novelty.mean()) + reach * float(novelty.std(ddof=1)))
    return math.ceil(limit * 1e6) / 1e6  # up: the photo that it was taken from stays below


def expected_calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy over 15 equal bins, by their size."""
    return float(sum(abs(accuracy - mean) * share for _, mean, accuracy, share in reliability(confidence, right)))


def reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[tuple[float, float, float, float]]:
    """For each filled bin of the best label's confidence: its middle, mean confidence, accuracy, share of photos."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return [
        (
            (position + 0.5) / BINS,
            float(confidence[bins == position].mean()),
            float(right[bins == position].mean()),
            float((bins == position).mean()),
        )
        for position in range(BINS)
        if (bins == position).any()
    ]
