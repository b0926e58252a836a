"""Trains a classifier: from labelled images to a release folder."""

import time
from functools import partial
from pathlib import Path

from larder.release.manifest import PROBES
from larder_training.classifier.audit.audit import audit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.scan import DatasetScan
from larder_training.classifier.data.side_columns import fit_columns
from larder_training.classifier.data.splits import split_dataset
from larder_training.classifier.evaluation.ood_holdout import estimate
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.fitting.export import MODEL, export
from larder_training.classifier.fitting.final_fit import FinalFitInputs
from larder_training.classifier.fitting.warm_start import ParentRelease, open_parent
from larder_training.classifier.heads.head import Head, fit_head
from larder_training.classifier.heads.training_rows import TrainingRows
from larder_training.classifier.heads.trials import TRIALS
from larder_training.classifier.multilabel.train import train_multi_label
from larder_training.classifier.onnx.graph import structure
from larder_training.classifier.reports import manifest_sections
from larder_training.classifier.reports.golden_requests import golden_requests
from larder_training.classifier.reports.training_run import TrainingRun
from larder_training.classifier.selection import augmentation_search
from larder_training.classifier.selection.backbone_choice import BackboneChoice, choose_backbone, open_backbone
from larder_training.classifier.selection.layer_search import choose_layers
from larder_training.classifier.selection.learning_curve import learning_curve
from larder_training.classifier.selection.side_ablation import choose_fusion
from larder_training.classifier.selection.training_set import build_training_set
from larder_training.classifier.selection.usable_images import scan_data, with_usable_images
from larder_training.release.writer import REPORT, write_release
from larder_training.reporting.progress import Progress


def train(options: ClassifierOptions, progress: Progress | None = None, command: str | None = None) -> Path:
    """Trains a classifier and returns its release folder ``<out>/<release>``.

    The release is written as a whole at the end; a training that is stopped leaves nothing behind.

    Args:
        options: All settings.
        progress: Reports each step; quiet by default.
        command: The command line that started the training, for the manifest and the report.

    Raises:
        InvalidRequest: The data, the backbone or an option cannot be used; the message says what to do.
        InvalidModel: The backbone does not run.
    """
    from larder_training.classifier.reports.page import page

    if options.multi_label:
        return train_multi_label(options, progress, command)
    started = time.monotonic()
    context = ClassifierContext(options, progress or Progress(quiet=True))
    run = _run(context)
    evaluation = manifest_sections.evaluation(run)
    augmentations = augmentation_search.jsonl(run.fusion.training_set.compared)
    release = write_release(
        options.out,
        model=options.model,
        kind="classifier",
        serving=run.exported.serving,
        files={
            MODEL: run.exported.model,
            PROBES: golden_requests(run.exported.model, run.exported.serving, run.split.parts["test"]),
            "metrics.json": manifest_sections.metrics(run),
            REPORT: partial(page, run),
            TRIALS: run.backbone.jsonl() + run.layers.jsonl() + augmentations + run.fusion.head.search.jsonl(),
        },
        evaluation=evaluation,
        training=manifest_sections.training(run, seconds=time.monotonic() - started, command=command),
        structure=structure(run.exported.graph),
        created=options.created,
    )
    context.progress.say(manifest_sections.headline(evaluation))
    return release


def _run(context: ClassifierContext) -> TrainingRun:
    """All steps up to the graph, in their order."""
    options = context.options
    # First, since what is wrong with a backbone takes seconds to find, and many images take minutes to read.
    parent = open_parent(options) if options.parent is not None else None
    features = parent.features if parent and options.backbone is None else open_backbone(context)
    return with_usable_images(scan_data(context), partial(_run_on, context, parent, features))


def _run_on(
    context: ClassifierContext, parent: ParentRelease | None, features: FeatureGraph, scan: DatasetScan
) -> TrainingRun:
    options, progress = context.options, context.progress
    split = split_dataset(scan, validation=options.validation, test=options.test, seed=options.seed)
    for line in (*scan.log(), f"{len(split.labels)} labels; {split.describe()}"):
        progress.say(line)
    split = parent.ordered(split) if parent else split
    if parent and options.backbone is None:
        backbone = BackboneChoice(features, "parent")
    else:
        backbone = choose_backbone(features, split.parts["train"], context)
    layers = choose_layers(backbone.features, split, context)
    features = layers.features
    findings = audit(scan, features, context)
    progress.say(findings.describe())
    training_set = build_training_set(features, split, context)
    side = fit_columns(
        scan.samples,
        split.parts["train"],
        options.side,
        progress,
        groups=scan.stated.column if scan.stated else None,
    )
    fusion = choose_fusion(features, split, training_set, side.columns, partial(_fit, context, parent), context)
    exported = export(FinalFitInputs(context, features, split, fusion, parent))
    curve = learning_curve(fusion.training_set.rows, fusion.head.search.chosen, context)
    held_out = estimate(training_set.rows, split.labels, rate=options.false_alarms, seed=options.seed)
    return TrainingRun(
        context, findings, split, backbone, layers, fusion, exported, curve, held_out, parent, side.left_out
    )


def _fit(context: ClassifierContext, parent: ParentRelease | None, rows: TrainingRows) -> Head:
    return fit_head(rows, context, parent=parent.parent_head(rows.classes, rows.dimensions) if parent else None)
