"""From labelled photos to a release folder: the steps in their order."""

import time
from pathlib import Path

from larder.manifest import PROBES
from larder_training.classifier import backbone, builtin, download, record
from larder_training.classifier.audit import audit
from larder_training.classifier.backbone import Features
from larder_training.classifier.dataset import read_dataset
from larder_training.classifier.export import MODEL, export
from larder_training.classifier.graph import optimise, structure
from larder_training.classifier.head import fit
from larder_training.classifier.learn import gather
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.preprocessing import read_spec
from larder_training.classifier.scan import Scan, scan
from larder_training.classifier.split import Split, split
from larder_training.classifier.trials import TRIALS
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
    features = choose_features(options, progress)
    audited = audit(checked, features, cache=options.feature_cache(), seed=options.seed, progress=progress)
    progress.say(audited.describe())
    material = gather(options, features, parts, progress)
    head = fit(
        material.features,
        material.labels,
        material.groups,
        material.changed,
        folds=options.folds,
        progress=progress,
        limits=options.search,
        seed=options.seed,
    )
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
            "metrics.json": record.metrics(parts, exported, audited),
            TRIALS: head.search.jsonl(),
            "report.html": page(checked, parts, features, head, exported, audited),
        },
        evaluation=evaluation,
        training=record.training(options, audited, parts, features, material, head, time.monotonic() - started),
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


def choose_features(options: ClassifierOptions, progress: Progress) -> Features:
    """The backbone's graph, or the built-in features where the options name none."""
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
