"""``report.html`` of a classifier: what to look at before the release goes live."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from unicodedata import bidirectional

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

from larder_training.classifier.data.formats.entries import PARTS
from larder_training.classifier.data.scan import DatasetScan
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation.ood_holdout import unknown_section
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.fitting.export import EVALUATED, ExportedClassifier
from larder_training.classifier.heads.trials import trials_section
from larder_training.classifier.metrics.calibration import reliability
from larder_training.classifier.metrics.classification import classification_summary
from larder_training.classifier.reports import audit_page
from larder_training.classifier.reports.side_section import side_section
from larder_training.classifier.reports.training_run import TrainingRun
from larder_training.classifier.selection import augmentation_search
from larder_training.classifier.selection.learning_curve import curve_section
from larder_training.reporting.html import Section, facts, figure, image_grid, paragraph, render, table

ERRORS: Final = 24  # misclassified images, the most confident first
FILES: Final = 200  # files that are left out, by name
CONFUSED: Final = 12  # pairs of confused labels
_NUMBERED: Final = 20  # labels up to which the cells of the confusion matrix have numbers
_DRAWN: Final = 60  # labels up to which it is drawn
_LONG: Final = 24  # letters of a label on its axes
_PARTS: Final = {"validation": "held out", "test": "test"}


def page(run: TrainingRun) -> bytes:
    """The report, HTML. It has no time and no path, so the same training gives the same bytes."""
    split, exported = run.split, run.exported
    test = cast(
        "dict[str, Any]",
        classification_summary(exported.predictions["test"].probabilities, exported.truth["test"], split.labels),
    )
    sections = [
        _headline(split, exported, test),
        _errors(split, exported),
        curve_section(run.curve),
        _labels(test["labels"], exported),
        _confusion(test["confusion"], split.labels),
        _reliability(exported, test),
        unknown_section(run.options, exported, run.held_out_classes),
        _quantization(exported),
        *side_section(run.fusion),
        *run.layers.sections(),
        *augmentation_search.sections(run.fusion.training_set.compared),
        trials_section(run.fusion.head.search),
        _data(run.audit.scan, split),
        *audit_page.sections(run.audit),
        _features(run.layers.features),
    ]
    return render("Classifier report", sections).encode()


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _headline(split: DatasetSplit, exported: ExportedClassifier, test: Mapping[str, Any]) -> Section:
    low, high = test["accuracy_interval_95"]
    return Section.of(
        f"{_percent(test['accuracy'])} of {test['photos']} test images are labelled correctly",
        facts(
            {
                "95 % interval": f"{_percent(low)} to {_percent(high)}",
                "Macro F1": f"{test['macro_f1']:.3f}",
                "Calibration error": f"{test['expected_calibration_error']:.3f}",
                "Labels": len(split.labels),
                "Graph": f"{len(exported.model) / 2**20:.2f} MiB, {exported.comparison['dtype']}",
                "Temperature": f"{exported.serving.temperature:.2f}",
            }
        ),
        paragraph(f"{split.describe()}. No choice was made with the test images."),
    )


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Section:
    matrix = np.array(counts)
    caption = "Test images by class (rows) and predicted label (columns); shades are shares of the class."
    blocks = []
    if len(labels) <= _DRAWN:
        named = all(map(_drawable, labels))
        ticks = [_short(label) if named else str(number) for number, label in enumerate(labels, 1)]
        blocks.append(figure(_matrix(matrix, ticks), caption))
        if not named:
            numbered = ", ".join(f"{number} {label}" for number, label in enumerate(labels, 1))
            blocks.append(paragraph(f"Classes are numbered, because some letters cannot be drawn: {numbered}."))
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [np.unravel_index(position, wrong.shape) for position in order]
    rows = [(labels[a], labels[b], wrong[a, b], matrix[a].sum()) for a, b in pairs if wrong[a, b]]
    if rows:
        blocks.append(table(("Class", "Predicted", "Images", "Of"), rows))
    return Section.of("Confusion matrix", *blocks)


def _drawable(text: str) -> bool:
    """Whether matplotlib's font has every letter. Its text runs from left to right only."""
    font = get_font(findfont("DejaVu Sans"))
    return all(font.get_char_index(ord(letter)) and bidirectional(letter) not in {"R", "AL"} for letter in text)


def _short(label: str) -> str:
    return label if len(label) <= _LONG else f"{label[: _LONG - 1]}…"


def _matrix(matrix: NDArray[np.int64], labels: Sequence[str]) -> Figure:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(2.6 + 0.22 * len(labels), 14)
    drawing = Figure(figsize=(side, side))
    axes = drawing.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted label")
    axes.set_ylabel("class")
    axes.set_xticks(range(len(labels)), labels, rotation=90, parse_math=False)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    if len(labels) <= _NUMBERED:
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return drawing


def _labels(rows: Sequence[Mapping[str, Any]], exported: ExportedClassifier) -> Section:
    head = ("Label", "Images", "Precision", "Recall", "F1", "Threshold")
    lines = [
        (
            row["label"],
            row["photos"],
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            f"{threshold:.3f}",
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
        image, confidence = samples[i].image, _percent(probabilities[i].max())
        caption = f"{image.name}: {image.label}, predicted {split.labels[predicted[i]]} with {confidence}"
        shown.append((audit_page.thumbnail(samples[i]), caption))
    text = f"{len(wrong)} of {len(truth)} test images; the most confident first."
    return Section.of("Errors", paragraph(text), image_grid(shown))


def _reliability(exported: ExportedClassifier, test: Mapping[str, Any]) -> Section:
    probabilities, truth = exported.predictions["test"].probabilities, exported.truth["test"]
    bins = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    drawing = Figure(figsize=(4.2, 3.4))
    axes = drawing.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.bar([b[0] for b in bins], [b[2] for b in bins], width=1 / 16, alpha=0.6, label="accuracy")
    axes.plot([b[1] for b in bins], [b[2] for b in bins], "o", color="black", label="at mean confidence")
    axes.set(xlabel="confidence of the best label", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower left")
    caption = f"Expected calibration error {test['expected_calibration_error']:.3f} over 15 bins."
    return Section.of("Reliability", figure(drawing, caption))


def _quantization(exported: ExportedClassifier) -> Section:
    comparison = cast("Mapping[str, Any]", exported.comparison)
    rows = [
        (
            f"Accuracy, {_PARTS[part]}",
            *(_percent(comparison[part][name]) for name in ("float32_accuracy", "release_accuracy")),
        )
        for part in EVALUATED
    ]
    float_model = exported.model if exported.float_model is None else exported.float_model
    rows.append(("Size", *(f"{len(graph) / 1e6:.2f} MB" for graph in (float_model, exported.model))))
    rows += [(f"Same label, {_PARTS[part]}", "", _percent(comparison[part]["agreement"])) for part in EVALUATED]
    text = f"The release is in {comparison['dtype']}" + (f": {comparison['reason']}" if "reason" in comparison else "")
    float_nodes = comparison.get("float_nodes", ())
    more = ""
    if float_nodes and comparison["dtype"] == "int8":
        more = f" {len(float_nodes)} sensitive operators stay in float32."
    where = " The time per image of both is in the manifest: training, quantisation, milliseconds_a_photo."
    return Section.of("Size and speed", paragraph(f"{text}.{more}{where}"), table(("", "float32", "Release"), rows))


def _data(scan: DatasetScan, split: DatasetSplit) -> Section:
    counts = {part: Counter(sample.image.label for sample in split.parts[part]) for part in PARTS}
    rows = [(label, *(counts[part][label] for part in PARTS)) for label in split.labels]
    rows.append(("all", *(len(split.parts[part]) for part in PARTS)))
    left_out = [
        *((image.name, reason) for image, reason in scan.bad),
        *((image.name, "A copy of this file has another label. Decide which is right.") for image in scan.conflicts),
        *(
            (sample.image.name, "An image of its group is in the validation or test part.")
            for sample in split.straddling
        ),
    ]
    counts_of_files = {
        "Bad files": len(scan.bad),
        "Exact copies": len(scan.copies),
        "Conflicting labels": len(scan.conflicts),
        "Near-duplicates": "not looked for" if scan.stated else scan.near_duplicates,
    }
    blocks = [table(("Class", *PARTS), rows), facts(counts_of_files)]
    blocks.append(paragraph(f"Kept in the same part of the split: {scan.together}. Exact copies count once."))
    if left_out:
        blocks.append(table(("Left out", "Reason"), left_out[:FILES]))
    if len(left_out) > FILES:
        blocks.append(paragraph(f"... and {len(left_out) - FILES} more."))
    return Section.of("Data", *blocks)


def _features(features: FeatureGraph) -> Section:
    rows = [(name, value) for name, value in features.description.items()]
    return Section.of("Features", table(("Property", "Value"), rows))
