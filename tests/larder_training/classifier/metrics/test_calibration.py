"""Thresholds and calibration against values computed by hand."""

import math

import numpy as np
import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.metrics.calibration import (
    expected_calibration_error,
    ood_threshold,
    reliability,
    thresholds_at_precision,
)
from larder_training.classifier.metrics.classification import brier_score, classification_summary, ood_auroc
from larder_training.numerics.arrays import Floats


def columns(first: list[float]) -> Floats:
    """Probabilities of two labels."""
    return np.array([[value, 1 - value] for value in first], np.float32)


@pytest.mark.parametrize(("rate", "position"), [(0.05, 95), (0.03, 97), (0.01, 99), (0.5, 50)])
def test_the_ood_threshold_is_the_conformal_order_statistic(rate: float, position: int) -> None:
    scores = np.random.default_rng(0).permutation(99).astype(np.float32) / np.float32(100)
    # ceil((99 + 1) (1 - rate))-th smallest of 0.00, 0.01 ... 0.98
    assert ood_threshold(scores, rate) == pytest.approx((position - 1) / 100, abs=2e-6)


@pytest.mark.parametrize("number", [40, 150])
@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_new_images_are_flagged_at_most_at_the_target_rate(number: int, rate: float) -> None:
    """On average over samples and for any distribution; this one is skewed."""
    random = np.random.default_rng(number)
    drawn = random.gamma(2, 1, (4000, number)).astype(np.float32)
    new = random.gamma(2, 1, 4000).astype(np.float32)
    flagged = np.mean([value > ood_threshold(sample, rate) for value, sample in zip(new, drawn, strict=True)])
    error = 3 * math.sqrt(rate * (1 - rate) / 4000)
    assert rate - 1 / (number + 1) - error <= flagged <= rate + error


def test_few_images_give_a_cautious_threshold() -> None:
    random = np.random.default_rng(1)
    drawn = random.normal(10, 1, (4000, 8)).astype(np.float32)
    new = random.normal(10, 1, 4000).astype(np.float32)
    limits = np.array([ood_threshold(sample, 0.03) for sample in drawn])
    assert (limits >= drawn.max(axis=1) - 1e-5).all()
    assert (new > limits).mean() <= 0.03 + 3 * math.sqrt(0.03 * 0.97 / 4000)
    # AND the largest of eight guarantees a rate of 1 in 9 only
    assert (new > drawn.max(axis=1)).mean() > 0.08


def test_the_score_of_a_single_image_is_the_threshold() -> None:
    assert ood_threshold(np.array([0.25], np.float32), 0.03) == 0.25


def test_the_image_that_sets_the_threshold_is_not_flagged() -> None:
    for value in np.random.default_rng(2).uniform(0, 2, 50).astype(np.float32):
        assert float(value) <= ood_threshold(np.array([value, 0], np.float32), 0.4)


def test_thresholds_at_a_precision() -> None:
    probabilities = columns([0.9, 0.8, 0.7, 0.6, 0.3, 0.2])
    labels = np.array([0, 0, 1, 0, 1, 1])
    # Label 0: the two above 0.7 are correct (1); with 0.7: 2 of 3; with 0.6: 3 of 4; with 0.3: 3 of 5.
    expected = {1.0: (0.7, 0.8), 0.75: (0.3, 0.6), 0.6: (0.2, 0.3), 0.4: (0.0, 0.2)}
    for precision, (low, high) in expected.items():
        threshold, _ = thresholds_at_precision(probabilities, labels, precision)
        assert low < threshold <= high
        named = probabilities[:, 0] >= threshold
        assert (labels[named] == 0).mean() >= precision


def test_a_precision_that_no_threshold_reaches_gives_the_threshold_1() -> None:
    probabilities = columns([0.9, 0.8, 0.4])
    first, second = thresholds_at_precision(probabilities, np.array([1, 1, 1]), 0.9)
    assert first == 1.0
    assert second < 0.1  # every image has the second label


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], np.float32)
    right = np.array([True, True, True, False, True, False])
    # Bins of 1/15: four at 0.95 are correct 3/4 of the time (gap 0.2), two at 0.55 half of the time (gap 0.05).
    assert expected_calibration_error(confidence, right) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6, abs=1e-6)
    drawn = reliability(confidence, right)
    assert [(round(middle, 3), accuracy, round(share, 3)) for middle, _, accuracy, share in drawn] == [
        (0.567, 0.5, 0.333),
        (0.967, 0.75, 0.667),
    ]


def test_brier_score_and_cross_entropy_of_a_known_example() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]], np.float32)
    truth = np.array([0, 2])
    assert brier_score(probabilities, truth) == pytest.approx((0.09 + 0.04 + 0.01 + 0.25 + 0.25) / 2)
    assert brier_score(np.eye(3, dtype=np.float32), np.arange(3)) == 0
    assert brier_score(np.eye(3, dtype=np.float32), np.array([1, 2, 0])) == 2
    summary = classification_summary(probabilities, truth, "abc")
    assert summary["brier_score"] == pytest.approx(0.32)
    assert summary["cross_entropy"] == pytest.approx(-(math.log(0.7) + math.log(0.5)) / 2)
    assert [row["share"] for row in summary["reliability"]] == [0.5, 0.5]  # type: ignore[attr-defined]  # a list of rows


def test_ood_auroc_is_the_share_of_correctly_ordered_pairs() -> None:
    known, strange = np.array([1, 2, 3], np.float32), np.array([2.5, 4, 0], np.float32)
    # Of nine pairs: 2.5 beats 1 and 2; 4 beats all; 0 none.
    assert ood_auroc(known, strange) == pytest.approx(5 / 9)
    assert ood_auroc(known, known) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"false_alarms": 0.0}, "false_alarms is 0.0: give a share from 0.0001 to 0.5"),
        ({"false_alarms": 0.9}, "false_alarms is 0.9"),
        ({"precision": 95.0}, "precision is 95.0: give a share from 0.5 to 1, or omit it"),
    ],
)
def test_shares_out_of_range_are_refused(stated: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        ClassifierOptions("images", "pets", **stated)  # type: ignore[arg-type]  # of the table
