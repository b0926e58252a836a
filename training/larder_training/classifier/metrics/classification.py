"""How well probabilities agree with labels: our numbers, and Rekognition's evaluation summary."""

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


def accuracy_interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """The 95 % interval of the share of true values, by bootstrap; exact (Clopper and Pearson) where all are alike.

    Drawing N of N values with replacement and counting the true ones is a binomial draw.
    """
    number, hits = len(right), int(right.sum())
    if hits in {0, number}:
        exact = binomtest(hits, number).proportion_ci(0.95, "exact")
        return float(exact.low), float(exact.high)
    shares = np.random.default_rng(0).binomial(number, hits / number, RESAMPLES) / number
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def confusion_matrix(truth: Labels, found: Labels, classes: int) -> NDArray[np.int64]:
    """``[C, C]``: how many photos of the row's class were given the column's label."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, found), 1)
    return counts


def classification_summary(probabilities: Floats, truth: Labels, labels: Sequence[str]) -> dict[str, object]:
    """Accuracy with its interval, macro averages, calibration, every label's precision, recall and F1, and what the
    reliability diagram draws (``calibrate.reliability``). ``cross_entropy`` is the mean negative log-likelihood.

    The best label of each photo counts, whatever its confidence. Empty ``truth`` is not allowed.
    """
    found = probabilities.argmax(axis=1).astype(np.int64)
    right = found == truth
    counts = confusion_matrix(truth, found, len(labels))
    rows = [
        {"label": label, "photos": int(counts[c].sum()), **_scores(counts[c, c], counts[:, c].sum(), counts[c].sum())}
        for c, label in enumerate(labels)
    ]
    present = [row for row in rows if row["photos"]]
    likelihood = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
    return {
        "photos": len(truth),
        "accuracy": float(right.mean()),
        "accuracy_interval_95": list(accuracy_interval(right)),
        "macro_precision": float(np.mean([row["precision"] for row in present])),
        "macro_recall": float(np.mean([row["recall"] for row in present])),
        "macro_f1": float(np.mean([row["f1"] for row in present])),
        "expected_calibration_error": expected_calibration_error(probabilities.max(axis=1), right),
        "cross_entropy": float(-np.log(likelihood).mean()),
        "brier_score": brier_score(probabilities, truth),
        "labels": rows,
        "confusion": counts.tolist(),
        "reliability": [
            {"middle": middle, "confidence": confidence, "accuracy": accuracy, "share": share}
            for middle, confidence, accuracy, share in reliability(probabilities.max(axis=1), right)
        ],
    }


def brier_score(probabilities: Floats, truth: Labels) -> float:
    """Brier's (1950) score: the squared distance of the probabilities from the truth, 0 to 2, mean over the photos."""
    wanted = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - wanted) ** 2).sum(axis=1).mean())


def ood_auroc(known: Floats, strange: Floats) -> float:
    """AUROC of novelty: the chance that a stranger's is above that of a photo of a taught class."""
    truth = np.repeat([0, 1], [len(known), len(strange)])
    return float(roc_auc_score(truth, np.concatenate([known, strange])))


def _scores(right: int, named: int, present: int) -> dict[str, float]:
    return {
        "precision": float(right / named) if named else 0.0,
        "recall": float(right / present) if present else 0.0,
        "f1": float(2 * right / (named + present)) if named + present else 0.0,
    }


def rekognition_summary(
    probabilities: Floats, truth: Labels, labels: Sequence[str], thresholds: Sequence[float], training_photos: int
) -> dict[str, object]:
    """The evaluation summary as Rekognition Custom Labels writes it: each label judged at its own threshold."""
    found = probabilities.argmax(axis=1)
    counts = confusion_matrix(truth, found.astype(np.int64), len(labels))
    results = []
    for c, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        named, present = probabilities[:, c] >= threshold, truth == c
        scores = _scores(int((named & present).sum()), int(named.sum()), int(present.sum()))
        metrics = {
            "F1Score": scores["f1"],
            "Precision": scores["precision"],
            "Recall": scores["recall"],
            "Threshold": threshold,
        }
        results.append({"Label": label, "Metrics": metrics, "NumberOfTestingImages": int(present.sum())})
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "Version": 1,
        "EvaluationDetails": {
            "Labels": list(labels),
            "NumberOfTestingImages": len(truth),
            "NumberOfTrainingImages": training_photos,
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
