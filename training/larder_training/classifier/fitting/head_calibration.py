"""Calibration on held-out images: the temperature, the labels' thresholds and the OOD threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.fitting.final_fit import FinalFit
from larder_training.classifier.fitting.predictions import Predictions
from larder_training.classifier.metrics import calibration
from larder_training.numerics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns logits and OOD scores into answers.

    Attributes:
        temperature: Divides the logits.
        thresholds: The lowest probability of each label that is answered.
        ood_threshold: The OOD score above which an image is unknown.
        held_out: The calibrated predictions for the images that set these numbers.
    """

    temperature: float
    thresholds: tuple[float, ...]
    ood_threshold: float
    held_out: Predictions


def calibrate(fit: FinalFit, options: ClassifierOptions) -> Calibration:
    """Calibrates a head by its held-out predictions."""
    logits = fit.logits()
    temperature = calibration.fit_temperature(logits, fit.truth)
    probabilities = softmax(logits / temperature, axis=1).astype(np.float32)
    ood_scores = fit.head.held_out_scores
    return Calibration(
        temperature,
        _thresholds(probabilities, fit.truth, options.precision),
        calibration.ood_threshold(ood_scores, options.false_alarms),
        Predictions(probabilities, ood_scores),
    )


def _thresholds(probabilities: Floats, truth: NDArray[np.int64], precision: float | None) -> tuple[float, ...]:
    if precision is None:
        return calibration.thresholds(probabilities, truth)
    return calibration.thresholds_at_precision(probabilities, truth, precision)
