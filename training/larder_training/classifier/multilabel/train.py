"""Trains a classifier with any number of labels for an image: from a list to a release folder."""

import time
from functools import partial
from pathlib import Path

from larder.release.manifest import PROBES
from larder_training.classifier.audit.audit import audit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.scan import DatasetScan
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.fitting.export import MODEL
from larder_training.classifier.heads.trials import TRIALS
from larder_training.classifier.multilabel import manifest_sections
from larder_training.classifier.multilabel.fit import fit_and_export
from larder_training.classifier.multilabel.manifest_sections import MultiLabelRun
from larder_training.classifier.multilabel.split import split_images
from larder_training.classifier.onnx.graph import structure
from larder_training.classifier.reports.golden_requests import golden_requests
from larder_training.classifier.selection.backbone_choice import choose_backbone, open_backbone
from larder_training.classifier.selection.usable_images import scan_data, with_usable_images
from larder_training.release.writer import REPORT, write_release
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress


def train_multi_label(options: ClassifierOptions, progress: Progress | None, command: str | None) -> Path:
    """Trains and returns the release folder, as ``classifier.train.train`` does for one label for each image."""
    from larder_training.classifier.multilabel.page import page

    started = time.monotonic()
    context = ClassifierContext(options, progress or Progress(quiet=True))
    run = _run(context)
    evaluation = manifest_sections.evaluation(run)
    release = write_release(
        options.out,
        model=options.model,
        kind="classifier",
        serving=run.fitted.serving,
        files={
            MODEL: run.fitted.model,
            PROBES: golden_requests(run.fitted.model, run.fitted.serving, run.split.parts["test"]),
            "metrics.json": manifest_sections.metrics(run, evaluation),
            REPORT: partial(page, run),
            TRIALS: run.fitted.search.jsonl(),
        },
        evaluation=evaluation,
        training=manifest_sections.training(run, seconds=time.monotonic() - started, command=command),
        structure=structure(run.fitted.graph),
        created=options.created,
    )
    context.progress.say(manifest_sections.headline(evaluation))
    return release


def _run(context: ClassifierContext) -> MultiLabelRun:
    features = open_backbone(context)  # first, since what is wrong with a backbone takes seconds to find
    return with_usable_images(scan_data(context), partial(_run_on, context, features))


def _run_on(context: ClassifierContext, features: FeatureGraph, scan: DatasetScan) -> MultiLabelRun:
    options, progress = context.options, context.progress
    split = split_images(scan, validation=options.validation, test=options.test, seed=options.seed)
    without = sum(not sample.image.classes for sample in scan.samples)
    has = f"{counted(without, 'image')} without a label; " if without else ""
    for line in (*scan.log(), f"{len(split.labels)} labels; {has}{split.describe()}"):
        progress.say(line)
    progress.say(f"Not part of a multi-label training: {manifest_sections.SKIPPED}")
    chosen = choose_backbone(features, split.parts["train"], context)
    findings = audit(scan, chosen.features, context)
    progress.say(findings.describe())
    fitted = fit_and_export(context, chosen.features, split)
    return MultiLabelRun(context, findings, split, chosen.features, fitted)
