"""What a multi-label release states: ``evaluation`` and ``training`` of the manifest, and ``metrics.json``."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.formats.entries import PARTS
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.fitting.export import EVALUATED
from larder_training.classifier.fitting.quantize import CALIBRATION_IMAGES
from larder_training.classifier.heads import softmax_regression
from larder_training.classifier.metrics.multilabel import (
    constant_baselines,
    multi_label_summary,
    rekognition_multi_label_summary,
)
from larder_training.classifier.multilabel.fit import MultiLabelModel
from larder_training.classifier.onnx.latency import milliseconds
from larder_training.release.writer import provenance

SKIPPED: Final = (
    "the comparison of backbones, the choice of layers, augmentation, heads with a hidden layer, the learning curve, "
    "held-out classes, side information"
)
LOSS: Final = "mean binary cross-entropy of the labels"
_VALIDATION: Final = ("photos", "map", "micro_f1", "subset_accuracy", "expected_calibration_error", "cross_entropy")


@dataclass(frozen=True, slots=True)
class MultiLabelRun:
    """The results of all steps of a multi-label training.

    Attributes:
        context: Options and progress.
        audit: The findings of the audit, with the scan of the data.
        split: The images by part.
        features: The feature graph.
        backbone: The backbone's name.
        fitted: The graph with its predictions.
    """

    context: ClassifierContext
    audit: ImageAudit
    split: DatasetSplit
    features: FeatureGraph
    backbone: str
    fitted: MultiLabelModel

    def summary(self, part: str = "test") -> dict[str, object]:
        """The metrics of an evaluated part."""
        found, serving = self.fitted, self.fitted.serving
        name = next(known for known in EVALUATED if known == part)
        return multi_label_summary(
            found.predictions[name].probabilities, found.truth[name], serving.labels, serving.thresholds
        )


def evaluation(run: MultiLabelRun) -> dict[str, object]:
    """The manifest's ``evaluation``: the split, the numbers of the test part and of the baseline."""
    validation = run.summary("validation")
    train = label_matrix(run.split.parts["train"], run.split.labels)
    return {
        "split": describe_split(run.split),
        "test": run.summary(),
        "baselines": constant_baselines(train, run.fitted.truth["test"]),
        "validation": {"how": calibrated_by(run), **{name: validation[name] for name in _VALIDATION}},
        "unknown": {"false_alarms": run.context.options.false_alarms, "known_flagged": known_flagged(run)},
        "quantisation": run.fitted.comparison,
    }


def describe_split(split: DatasetSplit) -> str:
    """The split in one sentence."""
    return split.describe().replace("at random by class", "by iterative stratification over the labels")


def calibrated_by(run: MultiLabelRun) -> str:
    """Which predictions calibrate."""
    return f"out of fold, {run.fitted.fit.folds} folds" if run.fitted.fit.folds else "the validation part"


def known_flagged(run: MultiLabelRun) -> dict[str, float] | None:
    """The share of images flagged as unknown, by evaluated part; None without a threshold."""
    limit = run.fitted.serving.novelty_threshold
    if limit is None:
        return None
    return {part: float((run.fitted.predictions[part].ood_scores > limit).mean()) for part in EVALUATED}


def metrics(run: MultiLabelRun) -> bytes:
    """``metrics.json``: Rekognition's evaluation summary of the test part, and further metrics under ``larder``."""
    test = run.summary()
    document = {
        **rekognition_multi_label_summary(test, len(run.split.parts["train"])),
        "larder": {
            "split": describe_split(run.split),
            "test": test,
            "quantisation": run.fitted.comparison,
            "audit": run.audit.document(),
        },
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def training(run: MultiLabelRun, *, seconds: float, command: str | None) -> dict[str, object]:
    """The manifest's ``training``: hyperparameters, fingerprint and counts of the data, versions and seed."""
    options, fitted = run.context.options, run.fitted
    return {
        "data": _data(run),
        "split": {"validation": options.validation, "test": options.test, "stated": run.split.stated},
        "backbone": run.features.description,
        "head": {
            "kind": "one logistic regression for each label",
            "recipe": fitted.search.chosen.config.describe(),
            "max_iterations": softmax_regression.MAX_ITERATIONS,
            "tolerance": softmax_regression.TOLERANCE,
            "learnt_from": "train and validation" if fitted.fit.folds else "train",
        },
        "skipped": SKIPPED,
        "search": {**fitted.search.describe(), "loss": LOSS, "most_trials": options.search.trials},
        "calibration": {
            "by": calibrated_by(run),
            "how": "slope and offset of each label (Platt scaling)",
            "photos": len(fitted.fit.truth),
            "false_alarms": options.false_alarms,
            "thresholds": "best F1" if options.precision is None else f"precision {options.precision:g}",
            "novelty_axes": fitted.detector.axes.shape[1],
        },
        "quantisation": {
            "asked": options.dtype,
            "scheme": "static, U8S8, weights by channel in 7 bits (depthwise: 8 bits), QDQ",
            "calibration_photos": CALIBRATION_IMAGES,
            "max_loss": options.max_loss,
            "milliseconds_a_photo": _milliseconds(fitted),
        },
        "parent": None,
        "seconds": round(seconds, 1),
        **provenance(options.seed, command, run.context.progress.warnings),
    }


def _data(run: MultiLabelRun) -> dict[str, object]:
    scan, split = run.audit.scan, run.split
    counts = {part: Counter(label for sample in split.parts[part] for label in sample.image.classes) for part in PARTS}
    return {
        "fingerprint": scan.fingerprint(),
        "photos": len(scan.samples),
        "without_label": sum(not sample.image.classes for sample in scan.samples),
        "bad": len(scan.bad),
        "copies": len(scan.copies),
        "conflicting": len(scan.conflicts),
        "near_duplicates": scan.near_duplicates,
        "near_duplicates_of_other_labels": len(run.audit.conflicting_groups),
        "alike": sum(map(len, scan.alike)),
        "labels_that_look_wrong": len(run.audit.label_errors),
        "straddling_left_out": len(split.straddling),
        "parts": {part: dict(sorted(counts[part].items())) for part in PARTS},
        "images_by_part": {part: len(split.parts[part]) for part in PARTS},
    }


def _milliseconds(fitted: MultiLabelModel) -> dict[str, float]:
    image = fitted.serving.image
    grey = np.full((1, image.height, image.width, 3), 128, np.uint8)
    if fitted.float_model is None:
        return milliseconds({"float32": fitted.model}, grey)
    times = milliseconds({"float32": fitted.float_model, "int8": fitted.model}, grey)
    return {**times, "int8_to_float32": round(times["int8"] / times["float32"], 3)}


def headline(evaluation: dict[str, object]) -> str:
    """One line for the log: mean average precision and micro F1 on the test part, and the split."""
    test = evaluation["test"]
    assert isinstance(test, dict)  # noqa: S101 - evaluation() above made it
    low, high = test["micro_f1_interval_95"]
    return (
        f"Test micro F1 {test['micro_f1']:.4f} (95 %: {low:.4f} to {high:.4f}), mean average precision "
        f"{test['map']:.4f} ({evaluation['split']})"
    )
