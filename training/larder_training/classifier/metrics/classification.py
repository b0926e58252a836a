"""Classification metrics: Larder's summary, and the evaluation summary of Rekognition Custom Labels."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from larder_training.classifier.metrics.calibration import expected_calibration_error, reliability
from larder_training.numerics.arrays import Floats

RESAMPLES: Final = 10_000

Labels = NDArray[np.int64]


def accuracy_interval(correct: NDArray[np.bool_]) -> tuple[float, float]:
    """The 95 % bootstrap interval of an accuracy; the exact one (Clopper and Pearson) if all values are equal.

    To draw N of N values with replacement and count the true ones is to draw from a binomial distribution.
    """
    count, hits = len(correct), int(correct.sum())
    if hits in {0, count}:
        exact = binomtest(hits, count).proportion_ci(0.95, "exact")
        return float(exact.low), float(exact.high)
    shares = np.random.default_rng(0).binomial(count, hits / count, RESAMPLES) / count
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """``[C, C]``: the number of images of the row's class that are predicted as the column's class."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def classification_summary(probabilities: Floats, truth: Labels, labels: Sequence[str]) -> dict[str, object]:
    """Summarises predictions; the best label of each image counts, whatever its confidence.

    Args:
        probabilities: ``[N, C]``, with N > 0.
        truth: ``[N]``.
        labels: The C classes.

    Returns:
        JSON-ready: accuracy with its 95 % interval, macro averages, calibration metrics, precision, recall and F1 of
        each label, the confusion matrix and the reliability diagram. ``cross_entropy`` is the mean negative
        log-likelihood.
    """
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    correct = predicted == truth
    counts = confusion_matrix(truth, predicted, len(labels))
    rows = [
        {"label": label, "photos": int(counts[c].sum()), **_scores(counts[c, c], counts[:, c].sum(), counts[c].sum())}
        for c, label in enumerate(labels)
    ]
    present = [row for row in rows if row["photos"]]
    likelihood = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
    return {
        "photos": len(truth),
        "accuracy": float(correct.mean()),
        "accuracy_interval_95": list(accuracy_interval(correct)),
        "macro_precision": float(np.mean([row["precision"] for row in present])),
        "macro_recall": float(np.mean([row["recall"] for row in present])),
        "macro_f1": float(np.mean([row["f1"] for row in present])),
        "expected_calibration_error": expected_calibration_error(probabilities.max(axis=1), correct),
        "cross_entropy": float(-np.log(likelihood).mean()),
        "brier_score": brier_score(probabilities, truth),
        "labels": rows,
        "confusion": counts.tolist(),
        "reliability": [
            {"middle": middle, "confidence": confidence, "accuracy": accuracy, "share": share}
            for middle, confidence, accuracy, share in reliability(probabilities.max(axis=1), correct)
        ],
    }


def brier_score(probabilities: Floats, truth: Labels) -> float:
    """Brier score (1950): the mean squared distance of the probabilities ``[N, C]`` to the one-hot truth, 0 to 2."""
    one_hot = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - one_hot) ** 2).sum(axis=1).mean())


def ood_auroc(in_distribution: Floats, ood: Floats) -> float:
    """AUROC of OOD scores: the probability that an OOD image scores higher than an in-distribution image."""
    truth = np.repeat([0, 1], [len(in_distribution), len(ood)])
    return float(roc_auc_score(truth, np.concatenate([in_distribution, ood])))


def _scores(correct: int, predicted: int, actual: int) -> dict[str, float]:
    return {
        "precision": float(correct / predicted) if predicted else 0.0,
        "recall": float(correct / actual) if actual else 0.0,
        "f1": float(2 * correct / (predicted + actual)) if predicted + actual else 0.0,
    }


def rekognition_summary(
    probabilities: Floats, truth: Labels, labels: Sequence[str], thresholds: Sequence[float], training_images: int
) -> dict[str, object]:
    """The evaluation summary in the form of Rekognition Custom Labels; each label is evaluated at its own threshold."""
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(truth, predicted.astype(np.int64), len(labels))
    results = []
    for c, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        above, actual = probabilities[:, c] >= threshold, truth == c
        scores = _scores(int((above & actual).sum()), int(above.sum()), int(actual.sum()))
        metrics = {
            "F1Score": scores["f1"],
            "Precision": scores["precision"],
            "Recall": scores["recall"],
            "Threshold": threshold,
        }
        results.append({"Label": label, "Metrics": metrics, "NumberOfTestingImages": int(actual.sum())})
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "Version": 1,
        "EvaluationDetails": {
            "Labels": list(labels),
            "NumberOfTestingImages": len(truth),
            "NumberOfTrainingImages": training_images,
        },
        "AggregatedEvaluationResults": {
            "ConfusionMatrix": [
                {"GroundTruthLabel": labels[row], "PredictedLabel": labels[column], "Value": float(shares[row, column])}
                for row, column in np.argwhere(counts)
            ],
            **{
                name: float(np.mean([result["Metrics"][name] for result in results]))  # type: ignore[index]
                for name in ("F1Score", "Precision", "Recall")
            },
        },
        "LabelEvaluationResults": results,
    }
