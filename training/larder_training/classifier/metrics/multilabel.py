"""Metrics of predictions with any number of labels for an image, with bootstrap intervals over the images."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.classifier.metrics.calibration import expected_calibration_error
from larder_training.classifier.metrics.classification import accuracy_interval
from larder_training.numerics.arrays import Floats

RESAMPLES: Final = 1_000
FEWER_RESAMPLES: Final = 200  # of very many images, whose intervals are narrow
_CELLS: Final = 5_000_000  # weights in memory at once

Truth = NDArray[np.bool_]
Doubles = NDArray[np.float64]


def multi_label_summary(
    probabilities: Floats,
    truth: Truth,
    labels: Sequence[str],
    thresholds: Sequence[float],
    *,
    intervals: bool = True,
) -> dict[str, object]:
    """Summarises predictions; an image is predicted to have each label at or above its threshold.

    Args:
        probabilities: ``[N, C]``, with N > 0.
        truth: ``[N, C]``.
        labels: The C labels.
        thresholds: ``[C]``.
        intervals: Whether to estimate the intervals, which takes nearly all of the time.

    Returns:
        JSON-ready: ``map`` (mean average precision), micro and macro F1, each with its 95 % interval; Hamming loss, the
        share of images whose labels are all right (subset accuracy), calibration metrics over all decisions, and
        precision, recall, F1 and average precision of each label. Means over labels leave out labels without an image.
    """
    predicted = probabilities >= np.asarray(thresholds)
    rows = [
        _label(label, probabilities[:, c], predicted[:, c], truth[:, c], thresholds[c])
        for c, label in enumerate(labels)
    ]
    exact = (predicted == truth).all(axis=1)
    right = predicted & truth
    certainty = np.where(probabilities >= 0.5, probabilities, 1 - probabilities)
    return {
        "photos": len(truth),
        "labels_per_image": float(truth.sum(axis=1).mean()),
        "labels_predicted_per_image": float(predicted.sum(axis=1).mean()),
        **_metrics_of_all(probabilities, predicted, truth, exact, intervals=intervals),
        "micro_precision": _ratio(right.sum(), predicted.sum()),
        "micro_recall": _ratio(right.sum(), truth.sum()),
        "hamming_loss": float((predicted != truth).mean()),
        "cross_entropy": float(-np.log(np.maximum(np.where(truth, probabilities, 1 - probabilities), 1e-12)).mean()),
        "expected_calibration_error": expected_calibration_error(
            certainty.ravel(), ((probabilities >= 0.5) == truth).ravel()
        ),
        "labels": rows,
    }


def average_precision(scores: Floats, positive: Truth, weights: Doubles) -> Doubles:
    """The average precision of one label for each row of weights, ``[R]``; NaN where no positive image has weight.

    The sum over the distinct scores, from the highest, of the precision there times the recall that it adds.

    Args:
        scores: ``[N]``.
        positive: ``[N]``.
        weights: ``[R, N]``, how often each image counts.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    ranked = weights[:, order]
    found = np.cumsum(ranked * positive[order], axis=1)[:, ends]
    seen = np.cumsum(ranked, axis=1)[:, ends]
    added = np.diff(found, axis=1, prepend=0)
    total = found[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Doubles = (added * found / np.maximum(seen, 1e-12)).sum(axis=1) / total
    return result


def constant_baselines(train: Truth, truth: Truth) -> dict[str, dict[str, float]]:
    """The metrics of answering from the label frequencies of the training images alone, without looking at an image.

    Every image gets the most frequent labels, as many as are best on the training images; the average precision of a
    label is then its frequency.

    Args:
        train: ``[M, C]``.
        truth: ``[N, C]``, of the evaluated images.
    """
    order = np.argsort(-train.sum(axis=0), kind="stable")
    scores = [
        _micro_f1(_constant(order[:count], len(train), train.shape[1]), train) for count in range(1, len(order) + 1)
    ]
    count = int(np.argmax(scores)) + 1
    predicted = _constant(order[:count], len(truth), truth.shape[1])
    present = truth.any(axis=0)
    return {
        f"the {count} most frequent labels for each image" if count > 1 else "the most frequent label for each image": {
            "map": float(truth.mean(axis=0)[present].mean()) if present.any() else 0.0,
            "micro_f1": _micro_f1(predicted, truth),
            "subset_accuracy": float((predicted == truth).all(axis=1).mean()),
            "hamming_loss": float((predicted != truth).mean()),
        }
    }


def rekognition_multi_label_summary(summary: Mapping[str, object], training_images: int) -> dict[str, object]:
    """The evaluation summary in the form of Rekognition Custom Labels; it has no confusion matrix."""
    rows: list[Mapping[str, object]] = summary["labels"]  # type: ignore[assignment]  # multi_label_summary made it
    names = {"F1Score": "f1", "Precision": "precision", "Recall": "recall"}
    return {
        "Version": 1,
        "EvaluationDetails": {
            "Labels": [row["label"] for row in rows],
            "NumberOfTestingImages": summary["photos"],
            "NumberOfTrainingImages": training_images,
        },
        "AggregatedEvaluationResults": {
            name: float(np.mean([float(str(row[key])) for row in rows])) for name, key in names.items()
        },
        "LabelEvaluationResults": [
            {
                "Label": row["label"],
                "Metrics": {**{name: row[key] for name, key in names.items()}, "Threshold": row["threshold"]},
                "NumberOfTestingImages": row["photos"],
            }
            for row in rows
        ],
    }


def _label(label: str, scores: Floats, predicted: Truth, positive: Truth, threshold: float) -> dict[str, object]:
    right, answered, actual = int((predicted & positive).sum()), int(predicted.sum()), int(positive.sum())
    precision = average_precision(scores, positive, np.ones((1, len(scores))))[0] if actual else None
    return {
        "label": label,
        "photos": actual,
        "precision": _ratio(right, answered),
        "recall": _ratio(right, actual),
        "f1": _ratio(2 * right, answered + actual),
        "average_precision": None if precision is None else float(precision),
        "threshold": float(threshold),
    }


def _metrics_of_all(
    probabilities: Floats, predicted: Truth, truth: Truth, exact: Truth, *, intervals: bool
) -> dict[str, object]:
    """Each metric of the images, and its 95 % bootstrap interval."""
    values = _metrics(np.ones((1, len(truth))), probabilities, predicted, truth, exact)
    weights = _resamples(*truth.shape) if intervals else ()
    resampled = [_metrics(drawn, probabilities, predicted, truth, exact) for drawn in weights]
    found: dict[str, object] = {}
    for metric, value in values.items():
        found[metric] = float(np.nan_to_num(value[0]))
        if intervals:
            found[f"{metric}_interval_95"] = _interval(np.concatenate([draws[metric] for draws in resampled]), exact)
    return found


def _interval(draws: Doubles, exact: Truth) -> list[float]:
    draws = draws[np.isfinite(draws)]
    low, high = np.quantile(draws, (0.025, 0.975)) if len(draws) else (0.0, 0.0)
    if exact.all():  # every resample is perfect too: the exact interval of that many right images is wider
        low = accuracy_interval(exact)[0]
    return [float(low), float(high)]


def _resamples(images: int, labels: int) -> Iterator[Doubles]:
    """How often each image is drawn, ``[R, N]``, a few resamples at a time."""
    random = np.random.default_rng(0)
    left = RESAMPLES if images * labels < 1_000_000 else FEWER_RESAMPLES
    while left:
        rows = min(left, max(1, _CELLS // images))
        yield random.multinomial(images, np.full(images, 1 / images), size=rows).astype(np.float64)
        left -= rows


def _metrics(
    weights: Doubles, probabilities: Floats, predicted: Truth, truth: Truth, exact: Truth
) -> dict[str, Doubles]:
    """Each metric for each row of weights ``[R, N]``."""
    right = weights @ (predicted & truth)
    answered, actual = weights @ predicted.astype(float), weights @ truth.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(actual > 0, 2 * right / np.maximum(answered + actual, 1e-12), np.nan)
        precisions = np.stack(
            [average_precision(probabilities[:, c], truth[:, c], weights) for c in range(truth.shape[1])], axis=1
        )
    return {
        "map": _mean_over_labels(precisions),
        "micro_f1": 2 * right.sum(axis=1) / np.maximum((answered + actual).sum(axis=1), 1e-12),
        "macro_f1": _mean_over_labels(f1),
        "subset_accuracy": weights @ exact / weights.sum(axis=1),
    }


def _mean_over_labels(values: Doubles) -> Doubles:
    """The mean of each row without its NaN; NaN for a row without a number."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: Doubles = np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)
    return mean


def _micro_f1(predicted: Truth, truth: Truth) -> float:
    return _ratio(2 * (predicted & truth).sum(), predicted.sum() + truth.sum())


def _constant(labels: NDArray[np.int64], images: int, classes: int) -> Truth:
    predicted = np.zeros((images, classes), np.bool_)
    predicted[:, labels] = True
    return predicted


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
