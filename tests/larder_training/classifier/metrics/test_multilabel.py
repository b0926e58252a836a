"""Metrics of several labels against scikit-learn."""

from typing import Any, cast

import numpy as np
import pytest
from sklearn import metrics as oracle

from larder_training.classifier.metrics.multilabel import (
    average_precision,
    constant_baselines,
    multi_label_summary,
    rekognition_multi_label_summary,
)

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.random((80, 4)) < np.array([0.6, 0.3, 0.1, 0.2])
TRUTH[:3] = False  # images without a label
SCORES = np.clip(TRUTH * 0.3 + RANDOM.random((80, 4)).round(1) * 0.7, 0, 1).astype(np.float32)  # with equal scores
LABELS = ("a", "b", "c", "d")
THRESHOLDS = (0.5, 0.4, 0.6, 0.45)
PREDICTED = np.asarray(THRESHOLDS) <= SCORES


def summary() -> dict[str, Any]:
    return cast("dict[str, Any]", multi_label_summary(SCORES, TRUTH, LABELS, THRESHOLDS))


def test_the_metrics_are_those_of_scikit_learn() -> None:
    found = summary()
    assert found["map"] == pytest.approx(oracle.average_precision_score(TRUTH, SCORES, average="macro"))
    assert found["micro_f1"] == pytest.approx(oracle.f1_score(TRUTH, PREDICTED, average="micro"))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(TRUTH, PREDICTED, average="macro"))
    assert found["micro_precision"] == pytest.approx(oracle.precision_score(TRUTH, PREDICTED, average="micro"))
    assert found["micro_recall"] == pytest.approx(oracle.recall_score(TRUTH, PREDICTED, average="micro"))
    assert found["hamming_loss"] == pytest.approx(oracle.hamming_loss(TRUTH, PREDICTED))
    assert found["subset_accuracy"] == pytest.approx(oracle.accuracy_score(TRUTH, PREDICTED))
    for label, row in enumerate(found["labels"]):
        assert row["average_precision"] == pytest.approx(
            oracle.average_precision_score(TRUTH[:, label], SCORES[:, label])
        )
        assert row["f1"] == pytest.approx(oracle.f1_score(TRUTH[:, label], PREDICTED[:, label]))


def test_an_average_precision_with_weights_counts_images_several_times() -> None:
    weights = RANDOM.integers(0, 3, (2, 80)).astype(float)
    found = average_precision(SCORES[:, 0], TRUTH[:, 0], weights)
    expected = [oracle.average_precision_score(TRUTH[:, 0], SCORES[:, 0], sample_weight=row) for row in weights]
    assert found == pytest.approx(expected)


def test_the_values_are_the_same_without_intervals() -> None:
    found = multi_label_summary(SCORES, TRUTH, LABELS, THRESHOLDS, intervals=False)
    assert found == {name: value for name, value in summary().items() if not name.endswith("_interval_95")}


def test_the_intervals_hold_the_values_and_narrow_with_more_images() -> None:
    found, many = summary(), multi_label_summary(np.tile(SCORES, (9, 1)), np.tile(TRUTH, (9, 1)), LABELS, THRESHOLDS)
    for metric in ("map", "micro_f1", "macro_f1", "subset_accuracy"):
        low, high = found[f"{metric}_interval_95"]
        narrow = cast("list[float]", many[f"{metric}_interval_95"])
        assert low < found[metric] < high
        assert narrow[1] - narrow[0] == pytest.approx((high - low) / 3, rel=0.25)


def test_perfect_predictions_of_few_images_have_an_interval_of_their_own() -> None:
    found = multi_label_summary(TRUTH.astype(np.float32)[:20], TRUTH[:20], LABELS, (0.5,) * 4)
    assert found["micro_f1"] == 1
    assert found["micro_f1_interval_95"] == [pytest.approx(0.8316, abs=1e-3), 1.0]  # Clopper and Pearson, 20 of 20


def test_a_label_without_a_test_image_is_left_out_of_the_means() -> None:
    found = multi_label_summary(SCORES[:, :2], np.stack([TRUTH[:, 0], np.zeros(80, bool)], 1), ("a", "b"), (0.5, 0.9))
    rows = cast("list[dict[str, Any]]", found["labels"])
    assert rows[1]["average_precision"] is None
    assert found["map"] == rows[0]["average_precision"]


def test_the_baseline_gives_the_labels_that_are_frequent_enough() -> None:
    train = np.zeros((10, 3), np.bool_)
    train[:9, 0] = train[:7, 1] = train[:1, 2] = True
    name, values = next(iter(constant_baselines(train, train).items()))
    assert name == "the 2 most frequent labels for each image"
    assert values["micro_f1"] == pytest.approx(2 * 16 / (20 + 17))
    assert values["map"] == pytest.approx((0.9 + 0.7 + 0.1) / 3)


def test_the_summary_in_rekognitions_form_has_each_label_at_its_threshold() -> None:
    document = cast("dict[str, Any]", rekognition_multi_label_summary(summary(), 7))
    assert document["EvaluationDetails"] == {
        "Labels": list(LABELS),
        "NumberOfTestingImages": 80,
        "NumberOfTrainingImages": 7,
    }
    assert [row["Metrics"]["Threshold"] for row in document["LabelEvaluationResults"]] == list(THRESHOLDS)
