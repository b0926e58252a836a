"""``report.html`` of a multi-label classifier."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np

from larder.release.manifest import Manifest
from larder_training.classifier.heads.trials import trials_section
from larder_training.classifier.multilabel.manifest_sections import LOSS, SKIPPED, MultiLabelRun
from larder_training.classifier.reports import audit_page
from larder_training.classifier.reports.data_section import data_section
from larder_training.classifier.reports.features_section import features_section
from larder_training.classifier.reports.size_and_speed import PART_NAMES, size_and_speed
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Section, facts, image_grid, paragraph, render, table
from larder_training.reporting.title import TitleBlock, about, warnings
from larder_training.reporting.values import Estimate, between, number, percent, size, times

ERRORS: Final = 24  # images with the most improbable labels
_FEW_IMAGES: Final = 100
_METRICS: Final = {
    "micro_f1": "Micro F1",
    "map": "Mean average precision",
    "macro_f1": "Macro F1",
    "subset_accuracy": "All labels right",
}


def page(run: MultiLabelRun, manifest: Manifest) -> bytes:
    """The report, HTML."""
    test, fitted = cast("dict[str, Any]", manifest.evaluation["test"]), run.fitted
    sections = [
        _summary(run, test, manifest),
        _labels(test["labels"]),
        _errors(run),
        _unknown(run),
        size_and_speed(
            fitted.comparison,
            fitted.model,
            fitted.float_model,
            manifest.training,
            right="Right decisions",
            same="Same decisions",
        ),
        trials_section(fitted.search),
        data_section(run.audit.scan, run.split, multi_label=True),
        *audit_page.sections(run.audit),
        features_section(run.features.description),
    ]
    return render(_title(run, manifest, test), sections).encode()


def _title(run: MultiLabelRun, manifest: Manifest, test: Mapping[str, Any]) -> TitleBlock:
    data = cast("Mapping[str, Any]", manifest.training["data"])
    images = f"{counted(data['photos'], 'image')}, {counted(len(run.split.labels), 'label')}"
    low, high = test["micro_f1_interval_95"]
    name, values = _baseline(manifest)
    ratio = f", {times(test['micro_f1'] / values['micro_f1'])} that of the best baseline" if values["micro_f1"] else ""
    return TitleBlock(
        "Multi-label image classifier",
        manifest.model,
        f"Micro F1 of {number(test['micro_f1'])} on {counted(test['photos'], 'test image')}",
        f"95 % interval {between(number(low), number(high))}{ratio}: {name}, {number(values['micro_f1'])}.",
        about(manifest, f"{images}; fingerprint {data['fingerprint'][:12]}…"),
        [*warnings(manifest), *_doubts(run, test, values)],
    )


def _baseline(manifest: Manifest) -> tuple[str, Mapping[str, float]]:
    baselines = cast("Mapping[str, Mapping[str, float]]", manifest.evaluation["baselines"])
    return next(iter(baselines.items()))


def _doubts(run: MultiLabelRun, test: Mapping[str, Any], baseline: Mapping[str, float]) -> list[str]:
    doubts = []
    if test["micro_f1_interval_95"][0] <= baseline["micro_f1"]:
        doubts.append("The model is not better than the baseline beyond noise: it should not go live.")
    if test["photos"] < _FEW_IMAGES:
        images = counted(test["photos"], "test image")
        doubts.append(f"Only {images}, so the intervals are wide. More images give surer numbers.")
    untested = [row["label"] for row in test["labels"] if not row["photos"]]
    if untested:
        doubts.append(f"No test image has {', '.join(untested[:5])}: these labels are not measured.")
    return [*doubts, *audit_page.doubts(run.audit, "Data")]


def _summary(run: MultiLabelRun, test: Mapping[str, Any], manifest: Manifest) -> Section:
    name, values = _baseline(manifest)
    rows: list[tuple[object, ...]] = []
    for metric, title in _METRICS.items():
        low, high = test[f"{metric}_interval_95"]
        estimate = Estimate(number(test[metric]), between(number(low), number(high)))
        rows.append((title, estimate, number(values[metric]) if metric in values else None))
    rows.append(("Wrong decisions (Hamming loss)", number(test["hamming_loss"]), number(values["hamming_loss"])))
    fitted = run.fitted
    tiles = {
        "Labels": len(run.split.labels),
        "Labels of a test image": number(test["labels_per_image"]),
        "Labels answered": number(test["labels_predicted_per_image"]),
        "Calibration error": number(test["expected_calibration_error"]),
        "Model file": f"{size(len(fitted.model))}, {fitted.comparison['dtype']}",
    }
    text = (
        f"{run.split.describe()}. No choice was made with the test images. Micro F1 counts all decisions alike, "
        "macro F1 and mean average precision all labels alike; average precision judges the order of the images "
        "without a threshold."
    )
    return Section.of(
        "Summary",
        facts(tiles),
        table(("Metric", "This release", f"Baseline: {name}"), rows),
        paragraph(text),
        paragraph(f"Not part of a multi-label training: {SKIPPED}. The loss in Trials is the {LOSS}."),
    )


def _labels(rows: Sequence[Mapping[str, Any]]) -> Section:
    head = ("Label", "Images", "Precision", "Recall", "F1", "Average precision", "Threshold")
    names = ("precision", "recall", "f1", "average_precision", "threshold")
    lines = [
        (row["label"], row["photos"], *(None if row[name] is None else number(row[name]) for name in names))
        for row in rows
    ]
    text = (
        "An image gets every label at or above its threshold; the probabilities of an image need not sum to 1. The "
        "thresholds are chosen on held-out images: for the best F1, or for the precision of --precision."
    )
    return Section.of("Labels", table(head, lines), paragraph(text))


def _errors(run: MultiLabelRun) -> Section:
    fitted, samples = run.fitted, run.split.parts["test"]
    probabilities, truth = fitted.predictions["test"].probabilities, fitted.truth["test"]
    wrong = (probabilities >= np.array(fitted.serving.thresholds)) != truth
    surprise = np.where(wrong, np.abs(probabilities - truth), 0).max(axis=1)
    order = [row for row in np.argsort(-surprise, kind="stable").tolist() if wrong[row].any()][:ERRORS]
    shown = []
    for row in order:
        differences = [
            f"{'without' if truth[row, c] else 'also'} {run.split.labels[c]} ({percent(probabilities[row, c])})"
            for c in np.flatnonzero(wrong[row]).tolist()
        ]
        image = samples[row].image
        has = ", ".join(image.classes) or "no label"
        shown.append(
            (audit_page.thumbnail(samples[row].image.path), f"{image.name}: {has}; answered {', '.join(differences)}")
        )
    images = int(wrong.any(axis=1).sum())
    count = f"{images:,} of {counted(len(truth), 'test image')} with a wrong decision"
    if not shown:
        return Section.of("Errors", paragraph(f"{count}."))
    first = f"the {len(shown)} most confident" if images > ERRORS else "the most confident first"
    return Section.of("Errors", paragraph(f"{count}; {first}."), image_grid(shown))


def _unknown(run: MultiLabelRun) -> Section:
    flagged, target = run.known_flagged(), percent(run.context.options.false_alarms)
    if flagged is None:
        return Section.of("Unknown", paragraph("There are too few images for an out-of-distribution score."))
    rows = [(PART_NAMES[part], percent(share)) for part, share in flagged.items()]
    text = f"The threshold of the out-of-distribution score flags {target} of images like those of the training."
    return Section.of("Unknown", paragraph(text), table(("Images", "Flagged as unknown"), rows))
