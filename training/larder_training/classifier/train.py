"""From labelled photos to a release folder: the steps in their order."""

import time
from pathlib import Path

import numpy as np

from larder.manifest import PROBES
from larder_training.classifier import backbone, builtin, download, record
from larder_training.classifier.backbone import Features
from larder_training.classifier.dataset import read_dataset
from larder_training.classifier.evaluate import numbers
from larder_training.classifier.export import MODEL, export
from larder_training.classifier.features import extract, with_copies
from larder_training.classifier.graph import optimise, structure, to_bytes
from larder_training.classifier.head import Head, fit
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.preprocessing import read_spec
from larder_training.classifier.scan import Scan, scan
from larder_training.classifier.split import Split, split
from larder_training.progress import Progress
from larder_training.release import write_release


def train(options: ClassifierOptions, progress: Progress | None = None) -> Path:
    """Trains a classifier and returns its release folder ``<out>/<release>``.

    The release is written at the end, whole: a training that is stopped leaves nothing behind.

    Raises:
        InvalidRequest: the data, the backbone or an option cannot be used; the message says what to do.
        InvalidModel: the backbone does not run.
    """
    from larder_training.classifier.page import page

    started = time.monotonic()
    progress = progress or Progress(quiet=True)
    checked = scan(read_dataset(options.data, options.label_attribute), progress)
    parts = split(checked, validation=options.validation, test=options.test, seed=options.seed)
    _tell(checked, parts, progress)
    features = _features(options, progress)
    head = _head(options, features, parts, progress)
    exported = export(options, features, head, parts, progress)
    evaluation = record.evaluation(parts, exported)
    release = write_release(
        options.out,
        model=options.model,
        kind="classifier",
        serving=exported.serving,
        files={
            MODEL: exported.model,
            PROBES: record.probes(parts, exported),
            "metrics.json": record.metrics(parts, exported),
            "report.html": page(checked, parts, features, exported),
        },
        evaluation=evaluation,
        training=record.training(options, checked, parts, features, head, time.monotonic() - started),
        structure=structure(exported.graph),
        created=options.created,
    )
    progress.say(record.headline(evaluation))
    return release


def _tell(checked: Scan, parts: Split, progress: Progress) -> None:
    for photo, reason in checked.bad[:20]:
        progress.say(f"Bad file {photo.name}: {reason}")
    progress.say(
        f"{len(checked.bad)} bad files, {len(checked.copies)} copies, {len(checked.conflicts)} copies with conflicting "
        f"labels, {checked.near_duplicates} near-duplicates"
    )
    progress.say(f"{len(parts.labels)} labels; {parts.describe()}")


def _features(options: ClassifierOptions, progress: Progress) -> Features:
    stated = options.preprocessing
    if options.backbone is None:
        image = builtin.spec(stated.input_size, stated.resampling)
        progress.say(f"No backbone: built-in HOG and colour features at {image.width} x {image.height} pixels")
        model = optimise(builtin.features(image.width), "basic")
        return Features(model, image, {"builtin": "hog-colour", "features": builtin.dimension()})
    path, source = download.locate(options.backbone, progress)
    if options.backbone_spec is not None:
        stated = stated.over(read_spec(options.backbone_spec))
    features = backbone.load(path, stated, source)
    for assumption in features.assumed:
        progress.say(f"Not stated for the backbone, assumed: {assumption}")
    return features


def _head(options: ClassifierOptions, features: Features, parts: Split, progress: Progress) -> Head:
    photos, each = parts.parts["train"], 1 + options.augment
    load = with_copies(photos, features.image, copies=options.augment, flip=options.flip, seed=options.seed)
    (found,) = extract(
        to_bytes(features.model),
        ["features"],
        load,
        len(photos),
        each=each,
        optimise=True,
        title="Extracting features",
        progress=progress,
    )
    labels = np.repeat(numbers(photos, parts.labels), each)
    groups = np.repeat(np.array([checked.group for checked in photos]), each)
    changed = np.tile(np.arange(each) > 0, len(photos))
    return fit(found, labels, groups, changed, folds=options.folds, progress=progress)
