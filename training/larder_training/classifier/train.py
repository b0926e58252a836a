"""From labelled photos to a release folder: the steps in their order."""

import time
from functools import partial
from pathlib import Path

from larder.manifest import PROBES
from larder_training.classifier import backbone, builtin, download, record, strength
from larder_training.classifier.ablation import choose
from larder_training.classifier.audit import audit
from larder_training.classifier.backbone import Features
from larder_training.classifier.dataset import read_dataset
from larder_training.classifier.export import MODEL, export
from larder_training.classifier.graph import optimise, structure
from larder_training.classifier.head import Head, fit
from larder_training.classifier.learn import Material, gather
from larder_training.classifier.learning_curve import learning_curve
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.parent import ParentRelease, open_parent
from larder_training.classifier.preprocessing import read_spec
from larder_training.classifier.reading import choose as choose_reading
from larder_training.classifier.refit import Settled
from larder_training.classifier.scan import Scan, scan
from larder_training.classifier.side import read_columns
from larder_training.classifier.split import Split, split
from larder_training.classifier.trials import TRIALS
from larder_training.classifier.unseen import estimate, unknown_section
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
    parent = open_parent(options) if options.parent is not None else None
    parts = parent.ordered(parts) if parent else parts
    features = parent.features if parent and options.backbone is None else choose_features(options, progress)
    reading = choose_reading(options, features, parts, progress)
    features = reading.features
    audited = audit(checked, features, cache=options.feature_cache(), seed=options.seed, progress=progress)
    progress.say(audited.describe())
    material = gather(options, features, parts, progress)
    columns = read_columns(checked.photos, parts.parts["train"], options.side, progress)
    choice = choose(options, features, parts, material, columns, partial(_fit, options, parent, progress), progress)
    exported = export(Settled(options, features, parts, choice, parent, progress))
    search = choice.head.search
    curve = learning_curve(choice.material, search.chosen, seed=options.seed, progress=progress)
    strangers = estimate(material, parts.labels, rate=options.false_alarms, seed=options.seed)
    evaluation = record.evaluation(options, parts, exported, choice, strangers)
    if parent:
        evaluation["parent"] = parent.compare(parts, exported.answers["test"].probabilities, progress)
    release = write_release(
        options.out,
        model=options.model,
        kind="classifier",
        serving=exported.serving,
        files={
            MODEL: exported.model,
            PROBES: record.probes(parts, exported),
            "metrics.json": record.metrics(parts, exported, audited),
            TRIALS: reading.jsonl() + strength.jsonl(material.compared) + search.jsonl(),
            "report.html": page(
                checked,
                parts,
                reading,
                choice,
                exported,
                audited,
                curve,
                unknown_section(options, exported, strangers),
            ),
        },
        evaluation=evaluation,
        training=record.training(
            options,
            audited,
            parts,
            reading,
            choice,
            exported,
            parent.describe() if parent else None,
            time.monotonic() - started,
        ),
        structure=structure(exported.graph),
        created=options.created,
    )
    progress.say(record.headline(evaluation))
    return release


def _fit(options: ClassifierOptions, parent: ParentRelease | None, progress: Progress, material: Material) -> Head:
    classes, dimensions = int(material.labels.max()) + 1, material.features.shape[1]
    return fit(
        material.features,
        material.labels,
        material.groups,
        material.changed,
        folds=options.folds,
        progress=progress,
        limits=options.search,
        emphasis=material.emphasis,
        looks=material.looks,
        parent=parent.inherited(classes, dimensions) if parent else None,
        seed=options.seed,
    )


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
