"""Measures any classifier release on photos that it has not seen, through its own graph and decoding."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from larder.errors import InvalidRequest
from larder.release.serving import ClassifierServing
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import Sample, scan_images
from larder_training.classifier.fitting.predictions import predict
from larder_training.classifier.metrics.classification import classification_summary, ood_auroc
from larder_training.numerics.arrays import Floats
from larder_training.release.loader import read_classifier
from larder_training.reporting.progress import Progress


def evaluate(
    release: Path, images: Path | str, *, label_attribute: str | None = None, progress: Progress | None = None
) -> dict[str, object]:
    """Measures the release in a folder on labelled photos.

    Args:
        release: the folder that a training wrote.
        images: a folder of class folders or a manifest, as ``dataset.read_dataset`` reads.
        label_attribute: as there.
        progress: told of each step; None is quiet.

    Returns:
        JSON-ready: ``metrics.summary`` over the photos whose label the release knows, with the model's and the
        release's names, ``bad_files``, ``unknown`` (how often known and foreign photos are flagged as unknown, and
        how well novelty tells them apart), and ``foreign_labels``, the photos by label that the release was never
        taught.

    Raises:
        InvalidRequest: nothing to measure, or no such release.
        InvalidManifest: the release's manifest is broken.
    """
    progress = progress or Progress(quiet=True)
    manifest, serving = read_classifier(release, "give --interactions in place of --images.")
    checked = scan_images(read_dataset(images, label_attribute), progress)
    known = [photo for photo in checked.samples if photo.image.label in serving.labels]
    foreign = [photo for photo in checked.samples if photo.image.label not in serving.labels]
    if not known:
        raise InvalidRequest(
            f"None of the {len(checked.samples)} images has a label of this release "
            f"({', '.join(serving.labels[:10])}). Give images labelled with them."
        )
    model = (release / serving.file).read_bytes()
    answers = predict(model, known, serving, title="Evaluating", progress=progress)
    held_out_classes = predict(model, foreign, serving, title="Evaluating foreign photos", progress=progress)
    return {
        "model": manifest.model,
        "release": manifest.release,
        **classification_summary(answers.probabilities, label_indices(known, serving.labels), serving.labels),
        "unknown": {
            "threshold": serving.novelty_threshold,
            "known_flagged": _flagged(answers.ood_scores, serving),
            "foreign_flagged": _flagged(held_out_classes.ood_scores, serving),
            "auroc": ood_auroc(answers.ood_scores, held_out_classes.ood_scores) if foreign else None,
        },
        "foreign_labels": dict(sorted(Counter(photo.image.label for photo in foreign).items())),
        **_side_told(serving, known),
        "bad_files": [{"file": photo.name, "reason": reason} for photo, reason in checked.bad],
        "copies": len(checked.copies),
        "conflicting": [photo.name for photo in checked.conflicts],
        "data_fingerprint": checked.fingerprint(),
    }


def _side_told(serving: ClassifierServing, photos: Sequence[Sample]) -> dict[str, object]:
    """For a release with side information: the share of the photos that say something in each of its columns."""
    told = {
        column.name: sum(column.name in checked.image.side for checked in photos) / len(photos)
        for column in serving.side
    }
    return {"side": told} if told else {}


def _flagged(novelty: Floats, serving: ClassifierServing) -> float | None:
    if serving.novelty_threshold is None or not len(novelty):
        return None
    return float((novelty > serving.novelty_threshold).mean())
