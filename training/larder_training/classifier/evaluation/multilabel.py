"""Evaluates a multi-label release on labelled images."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from larder.errors import InvalidRequest
from larder.release.serving import ClassifierServing
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.classifier.fitting.predictions import Predictions, predict
from larder_training.classifier.metrics.multilabel import multi_label_summary
from larder_training.reporting.progress import Progress


def evaluate_multi_label(
    release: Path, serving: ClassifierServing, scan: DatasetScan, progress: Progress
) -> tuple[dict[str, object], DatasetScan]:
    """The metrics over all images, and the scan without those that the release makes NaN or infinity of.

    Labels that the release does not have are left out, and counted in ``foreign_labels``.

    Raises:
        InvalidRequest: No image can be evaluated.
    """
    labels = [label for sample in scan.samples for label in sample.image.classes]
    others = Counter(label for label in labels if label not in serving.labels)
    if len(labels) == others.total():
        raise InvalidRequest(
            f"None of the {len(scan.samples)} images has a label of this release ({', '.join(serving.labels[:10])}). "
            "Give images with these labels."
        )
    model = (release / serving.file).read_bytes()
    predictions = predict(model, scan.samples, serving, title="Evaluating", progress=progress)
    not_finite = predictions.not_finite(scan.samples)
    samples, predictions = predictions.finite(scan.samples)
    if not_finite:
        scan = scan.without(not_finite, "the release makes NaN or infinity of it")
    if not samples:
        raise InvalidRequest("The release makes NaN or infinity of every image. Train a new one with another backbone.")
    return _summary(serving, samples, predictions, others), scan


def _summary(
    serving: ClassifierServing, samples: Sequence[Sample], predictions: Predictions, others: Counter[str]
) -> dict[str, object]:
    truth = label_matrix(samples, serving.labels)
    limit = serving.novelty_threshold
    flagged = predictions.flagged(limit)
    return {
        "multi_label": True,
        **multi_label_summary(predictions.probabilities, truth, serving.labels, serving.thresholds),
        "unknown": {"threshold": limit, "known_flagged": flagged, "foreign_flagged": None, "auroc": None},
        "foreign_labels": dict(sorted(others.items())),
    }
