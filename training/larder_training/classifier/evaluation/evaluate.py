"""Evaluates a classifier release on labelled images, through its own graph and decoding."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from larder.errors import InvalidRequest
from larder.release.serving import ClassifierServing
from larder_training.classifier.config.options import Boxes, check_list_options, check_separator
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import ImageDataset, read_dataset
from larder_training.classifier.data.scan import DatasetScan, Sample, scan_images
from larder_training.classifier.evaluation.multilabel import evaluate_multi_label
from larder_training.classifier.fitting.predictions import predict
from larder_training.classifier.metrics.classification import classification_summary, ood_auroc
from larder_training.release.loader import read_classifier
from larder_training.reporting.progress import Progress

EVALUATED: Final[tuple[Part, ...]] = ("test", "validation")  # the first that a stated split has


def evaluate(
    release: Path,
    images: Path | str,
    *,
    label_attribute: str | None = None,
    columns: Mapping[str, str] | None = None,
    boxes: Boxes | None = None,
    label_separator: str | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Evaluates the release in a folder on labelled images.

    Args:
        release: The folder that a training wrote.
        images: A folder of class folders or a list, as ``manifests.read_dataset`` takes it. If it states a split, only
            its test part is used, or its validation part if it has no test part.
        label_attribute: The label attribute of a Ground Truth manifest that has several.
        columns: The list's names of the columns ``path``, ``label`` and ``split``, if they are unusual.
        boxes: For a list of boxes: "cut" or "ignore".
        label_separator: For a multi-label release: what separates the labels of a cell, in addition to ``|``.
        progress: Reports each step; quiet by default.

    Returns:
        JSON-ready: ``classification_summary`` over the images whose label the release knows, the names of model and
        release, ``bad_files``, ``unknown`` (the share of images flagged as unknown, with known and with other labels,
        and how well the OOD score separates them), ``foreign_labels``, the number of images of each other label, and
        ``part``, the part of a stated split that was used, else None. For a multi-label release, ``multi_label`` is
        true, and ``multi_label_summary`` takes the place of ``classification_summary``.

    Raises:
        InvalidRequest: There is nothing to evaluate, or no such release.
        InvalidManifest: The manifest of the release is invalid.
    """
    progress = progress or Progress(quiet=True)
    manifest, serving = read_classifier(release, "give --interactions in place of --images.")
    check_list_options(columns, boxes)
    check_separator(label_separator, multi_label=serving.multi_label)
    read = read_dataset(
        images, label_attribute, columns, boxes, multi_label=serving.multi_label, label_separator=label_separator
    )
    dataset, part = _evaluated_part(read)
    for note in (*dataset.notes, *([f"Evaluated: the {part} part of the split"] if part else [])):
        progress.say(note)
    scan = scan_images(dataset, progress)
    identity = {"model": manifest.model, "release": manifest.release, "part": part}
    if serving.multi_label:
        metrics, scan = evaluate_multi_label(release, serving, scan, progress)
        return {**identity, **metrics, **_about(scan)}
    known = [sample for sample in scan.samples if sample.image.label in serving.labels]
    other = [sample for sample in scan.samples if sample.image.label not in serving.labels]
    if not known:
        raise InvalidRequest(
            f"None of the {len(scan.samples)} images has a label of this release ({', '.join(serving.labels[:10])}). "
            "Give images with these labels."
        )
    model = (release / serving.file).read_bytes()
    title, other_title = "Evaluating", "Evaluating images of other labels"
    predictions = predict(model, known, serving, title=title, progress=progress)
    other_predictions = predict(model, other, serving, title=other_title, progress=progress)
    not_finite = [*predictions.not_finite(known), *other_predictions.not_finite(other)]
    if not_finite:
        scan = scan.without(not_finite, "the release makes NaN or infinity of it")
        known, predictions = predictions.finite(known)
        other, other_predictions = other_predictions.finite(other)
    if not known:
        raise InvalidRequest("The release makes NaN or infinity of every image. Train a new one with another backbone.")
    return {
        **identity,
        **classification_summary(predictions.probabilities, label_indices(known, serving.labels), serving.labels),
        "unknown": {
            "threshold": serving.novelty_threshold,
            "known_flagged": predictions.flagged(serving.novelty_threshold),
            "foreign_flagged": other_predictions.flagged(serving.novelty_threshold),
            "auroc": ood_auroc(predictions.ood_scores, other_predictions.ood_scores) if other else None,
        },
        "foreign_labels": dict(sorted(Counter(sample.image.label for sample in other).items())),
        **_side_coverage(serving, known),
        **_about(scan),
    }


def _about(scan: DatasetScan) -> dict[str, object]:
    """The files that were left out, and the fingerprint of the others."""
    return {
        "bad_files": [{"file": image.name, "reason": reason} for image, reason in scan.bad],
        "copies": len(scan.copies),
        "conflicting": [image.name for image in scan.conflicts],
        "data_fingerprint": scan.fingerprint(),
    }


def _evaluated_part(dataset: ImageDataset) -> tuple[ImageDataset, Part | None]:
    """The images of the test part, else of the validation part; all images if no split is stated."""
    stated = {image.part for image in dataset.images}
    for part in EVALUATED:
        if part in stated and len(stated) > 1:
            return replace(dataset, images=tuple(image for image in dataset.images if image.part == part)), part
    return dataset, None


def _side_coverage(serving: ClassifierServing, samples: Sequence[Sample]) -> dict[str, object]:
    """For a release with side information: the share of the images with a value in each column."""
    shares = {
        column.name: sum(column.name in sample.image.side for sample in samples) / len(samples)
        for column in serving.side
    }
    return {"side": shares} if shares else {}
