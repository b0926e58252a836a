"""``report.html`` of a classifier: what to look at before the release goes live."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np

from larder.release.manifest import Manifest
from larder_training.classifier.backbones.zoo import BUILT_IN
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation.ood_holdout import unknown_section
from larder_training.classifier.fitting.export import ExportedClassifier
from larder_training.classifier.heads.trials import trials_section
from larder_training.classifier.metrics.classification import classification_summary
from larder_training.classifier.reports import audit_page, plots
from larder_training.classifier.reports.data_section import data_section
from larder_training.classifier.reports.features_section import features_section
from larder_training.classifier.reports.side_section import side_section
from larder_training.classifier.reports.size_and_speed import size_and_speed
from larder_training.classifier.reports.training_run import TrainingRun
from larder_training.classifier.selection import augmentation_search
from larder_training.classifier.selection.learning_curve import curve_section
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Section, facts, figure, image_grid, paragraph, render, table
from larder_training.reporting.title import TitleBlock, about, warnings
from larder_training.reporting.values import Estimate, between, number, percent, size, times

ERRORS: Final = 24  # misclassified images, the most confident first
CONFUSED: Final = 12  # pairs of confused labels
_FEW_IMAGES: Final = 100  # test images from which a result is worth a decision


def page(run: TrainingRun, manifest: Manifest) -> bytes:
    """The report, HTML."""
    split, exported = run.split, run.exported
    test = cast(
        "dict[str, Any]",
        classification_summary(exported.predictions["test"].probabilities, exported.truth["test"], split.labels),
    )
    sections = [
        _summary(split, exported, test),
        _errors(split, exported),
        curve_section(run.curve),
        _labels(test["labels"], exported),
        _confusion(test["confusion"], split.labels),
        _reliability(exported, test),
        unknown_section(run.options, exported, run.held_out_classes),
        *_parent(manifest.evaluation),
        size_and_speed(exported.comparison, exported.model, exported.float_model, manifest.training),
        *side_section(run.fusion, run.left_out),
        *run.backbone.sections(),
        *run.layers.sections(),
        *augmentation_search.sections(run.fusion.training_set.compared),
        trials_section(run.fusion.head.search),
        data_section(run.audit.scan, split),
        *audit_page.sections(run.audit),
        features_section(run.layers.features.description),
    ]
    return render(_title(run, manifest, test), sections).encode()


def _title(run: TrainingRun, manifest: Manifest, test: Mapping[str, Any]) -> TitleBlock:
    data = cast("Mapping[str, Any]", manifest.training["data"])
    images = f"{counted(data['photos'], 'image')}, {counted(len(run.split.labels), 'label')}"
    return TitleBlock(
        "Image classifier",
        manifest.model,
        *_headline(run.split, test),
        about(manifest, f"{images}; fingerprint {data['fingerprint'][:12]}…"),
        [*warnings(manifest), *_doubts(run, test)],
    )


def _headline(split: DatasetSplit, test: Mapping[str, Any]) -> tuple[str, str]:
    """The accuracy and its multiple of the best answer without looking at an image, and the numbers behind them."""
    low, high = test["accuracy_interval_95"]
    label, share = _most_frequent(split)
    ratio = f", {times(test['accuracy'] / share)} the best baseline" if share else ""
    verb = "is" if test["photos"] == 1 else "are"
    context = (
        f"95 % interval {between(percent(low), percent(high))}. The best baseline gives the most frequent label, "
        f"“{label}”, to all images, and is right for {percent(share)}."
    )
    images = counted(test["photos"], "test image")
    return f"{percent(test['accuracy'])} of {images} {verb} labelled correctly{ratio}", context


def _most_frequent(split: DatasetSplit) -> tuple[str, float]:
    """The most frequent label of the training part, and its share of the test part."""
    counts = Counter(sample.image.label for sample in split.parts["train"])
    label = max(split.labels, key=lambda name: counts[name])
    test = split.parts["test"]
    return label, sum(sample.image.label == label for sample in test) / len(test)


def _doubts(run: TrainingRun, test: Mapping[str, Any]) -> list[str]:
    """Why the result may not be worth a decision, and which data to look at."""
    doubts = []
    if test["accuracy_interval_95"][0] <= _most_frequent(run.split)[1]:
        doubts.append("The model is not better than the baseline beyond noise: it should not go live.")
    if test["photos"] < _FEW_IMAGES:
        images = counted(test["photos"], "test image")
        doubts.append(f"Only {images}, so the interval is wide. More images give surer numbers.")
    if run.backbone.name == BUILT_IN and run.backbone.compared:
        doubts.append("The built-in features are better than the pretrained backbone here: see “Backbone”.")
    columns = {*run.left_out, *(column.name for column in run.exported.serving.side)}
    return [*doubts, *audit_page.doubts(run.audit, "Data"), *audit_page.leaks(run.audit, columns)]


def _summary(split: DatasetSplit, exported: ExportedClassifier, test: Mapping[str, Any]) -> Section:
    low, high = test["accuracy_interval_95"]
    return Section.of(
        "Summary",
        facts(
            {
                "Accuracy": Estimate(percent(test["accuracy"]), between(percent(low), percent(high))),
                "Macro F1": number(test["macro_f1"]),
                "Calibration error": number(test["expected_calibration_error"]),
                "Labels": len(split.labels),
                "Model file": f"{size(len(exported.model))}, {exported.comparison['dtype']}",
                "Temperature": number(exported.serving.temperature),
            }
        ),
        paragraph(f"{split.describe()}. No choice was made with the test images."),
    )


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Section:
    matrix = np.array(counts)
    caption = "Test images by class (rows) and predicted label (columns); shades are shares of the class."
    blocks = []
    if len(labels) <= plots.DRAWN:
        drawing, numbered = plots.confusion_matrix(matrix, labels)
        blocks.append(figure(drawing, caption))
        if numbered:
            names = ", ".join(f"{position} {label}" for position, label in enumerate(labels, 1))
            blocks.append(paragraph(f"Classes are numbered, because some letters cannot be drawn: {names}."))
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [np.unravel_index(position, wrong.shape) for position in order]
    rows = [(labels[a], labels[b], wrong[a, b], matrix[a].sum()) for a, b in pairs if wrong[a, b]]
    if rows:
        blocks.append(table(("Class", "Predicted", "Images", "Images of the class"), rows))
    return Section.of("Confusion matrix", *blocks)


def _labels(rows: Sequence[Mapping[str, Any]], exported: ExportedClassifier) -> Section:
    head = ("Label", "Images", "Precision", "Recall", "F1", "Threshold")
    lines = [
        (
            row["label"],
            row["photos"],
            *(number(row[name]) for name in ("precision", "recall", "f1")),
            number(threshold),
        )
        for row, threshold in zip(rows, exported.serving.thresholds, strict=True)
    ]
    text = "The thresholds are chosen on held-out images: for the best F1, or for the precision of --precision."
    return Section.of("Labels", table(head, lines), paragraph(text))


def _errors(split: DatasetSplit, exported: ExportedClassifier) -> Section:
    probabilities, truth = exported.predictions["test"].probabilities, exported.truth["test"]
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    samples = split.parts["test"]
    shown = []
    for i in wrong[:ERRORS]:
        image, confidence = samples[i].image, percent(probabilities[i].max())
        caption = f"{image.name}: {image.label}, predicted {split.labels[predicted[i]]} with {confidence}"
        shown.append((audit_page.thumbnail(samples[i].image.path), caption))
    count = f"{len(wrong):,} of {counted(len(truth), 'test image')}"
    if not shown:
        return Section.of("Errors", paragraph(f"{count}."))
    first = f"the {len(shown)} most confident" if len(wrong) > ERRORS else "the most confident first"
    return Section.of("Errors", paragraph(f"{count}; {first}."), image_grid(shown))


def _reliability(exported: ExportedClassifier, test: Mapping[str, Any]) -> Section:
    probabilities, truth = exported.predictions["test"].probabilities, exported.truth["test"]
    drawing = plots.reliability_diagram(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    error = number(test["expected_calibration_error"])
    caption = f"Calibration error {error} over 15 bins. On the line, confidence and accuracy agree."
    return Section.of("Reliability", figure(drawing, caption))


def _parent(evaluation: Mapping[str, object]) -> list[Section]:
    """The comparison with the release that the training started from."""
    if "parent" not in evaluation:
        return []
    parent = cast("Mapping[str, Any]", evaluation["parent"])
    rows: list[tuple[object, ...]] = [
        ("Accuracy", percent(parent["accuracy"]), percent(parent["parent_accuracy"])),
        ("Images that only this one labels correctly", parent["only_new_right"], parent["only_parent_right"]),
    ]
    images = counted(parent["photos"], "test image")
    return [
        Section.of(
            "Comparison with the parent",
            paragraph(f"{images} with a label of the parent, {parent['release']}. {parent['note']}"),
            table(("Question", "This release", "Parent"), rows),
        )
    ]
