import numpy as np
import pytest

from larder_training.classifier.metrics.classification import (
    accuracy_interval,
    classification_summary,
    rekognition_summary,
)

LABELS = ("cat", "dog", "fox")
TRUTH = np.array([0, 0, 0, 1, 1, 2])
SCORES = np.array(
    [[0.9, 0.1, 0.0], [0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.9, 0.0], [0.5, 0.2, 0.3]], np.float32
)


def test_summary_of_an_example_computed_by_hand() -> None:
    found = classification_summary(SCORES, TRUTH, LABELS)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found["labels"] == [
        {
            "label": "cat",
            "photos": 3,
            "precision": pytest.approx(2 / 3),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
        },
        {"label": "dog", "photos": 2, "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8)},
        {"label": "fox", "photos": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0},
    ]
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 3)
    assert found["cross_entropy"] == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.7, 0.9, 0.3]).mean(), rel=1e-6)


def test_a_label_without_images_does_not_lower_the_averages() -> None:
    found = classification_summary(SCORES[:5], TRUTH[:5], LABELS)
    assert found["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_interval_has_its_stated_coverage() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = accuracy_interval(random.random(300) < 0.9)
        covered += low <= 0.9 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_the_interval_of_only_correct_predictions_has_a_width() -> None:
    low, high = accuracy_interval(np.ones(30, np.bool_))
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 30))  # Clopper and Pearson


def test_the_rekognition_summary_evaluates_each_label_at_its_threshold() -> None:
    found = rekognition_summary(SCORES, TRUTH, LABELS, (0.85, 0.5, 0.25), 42)
    details = found["EvaluationDetails"]
    assert details == {"Labels": list(LABELS), "NumberOfTestingImages": 6, "NumberOfTrainingImages": 42}
    results = found["LabelEvaluationResults"]
    assert isinstance(results, list)
    cat = {"Precision": 1.0, "Recall": pytest.approx(1 / 3), "F1Score": 0.5, "Threshold": 0.85}
    assert results[0] == {"Label": "cat", "Metrics": cat, "NumberOfTestingImages": 3}
    assert results[2]["Metrics"]["Recall"] == 1.0
    aggregated = found["AggregatedEvaluationResults"]
    assert isinstance(aggregated, dict)
    assert aggregated["F1Score"] == pytest.approx(np.mean([0.5, 0.8, 1.0]))
    cells = {(c["GroundTruthLabel"], c["PredictedLabel"]): c["Value"] for c in aggregated["ConfusionMatrix"]}
    assert cells == {
        ("cat", "cat"): pytest.approx(2 / 3),
        ("cat", "dog"): pytest.approx(1 / 3),
        ("dog", "dog"): 1.0,
        ("fox", "cat"): 1.0,
    }
