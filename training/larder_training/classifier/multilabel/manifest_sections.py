"""What a multi-label release states: ``evaluation`` and ``training`` of the manifest, and ``metrics.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.formats.entries import PARTS, Part
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation.ood_holdout import known_flagged
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.heads import softmax_regression
from larder_training.classifier.metrics.multilabel import (
    constant_baselines,
    multi_label_summary,
    rekognition_multi_label_summary,
)
from larder_training.classifier.multilabel.fit import MultiLabelModel
from larder_training.classifier.reports.manifest_sections import data, quantisation
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
        fitted: The graph with its predictions.
    """

    context: ClassifierContext
    audit: ImageAudit
    split: DatasetSplit
    features: FeatureGraph
    fitted: MultiLabelModel

    def summary(self, part: Part, *, intervals: bool = True) -> dict[str, object]:
        """The metrics of an evaluated part."""
        found, serving = self.fitted, self.fitted.serving
        return multi_label_summary(
            found.predictions[part].probabilities,
            found.truth[part],
            serving.labels,
            serving.thresholds,
            intervals=intervals,
        )

    def known_flagged(self) -> dict[str, float] | None:
        """The share of images flagged as unknown, by evaluated part; None without a threshold."""
        return known_flagged(self.fitted.predictions, self.fitted.serving.novelty_threshold)


def evaluation(run: MultiLabelRun) -> dict[str, object]:
    """The manifest's ``evaluation``: the split, the numbers of the test part and of the baseline."""
    validation = run.summary("validation", intervals=False)
    train = label_matrix(run.split.parts["train"], run.split.labels)
    return {
        "split": run.split.describe(),
        "test": run.summary("test"),
        "baselines": constant_baselines(train, run.fitted.truth["test"]),
        "validation": {"how": calibrated_by(run), **{name: validation[name] for name in _VALIDATION}},
        "unknown": {"false_alarms": run.context.options.false_alarms, "known_flagged": run.known_flagged()},
        "quantisation": run.fitted.comparison,
    }


def calibrated_by(run: MultiLabelRun) -> str:
    """Which predictions calibrate."""
    return f"out of fold, {run.fitted.fit.folds} folds" if run.fitted.fit.folds else "the validation part"


def metrics(run: MultiLabelRun, evaluation: Mapping[str, object]) -> bytes:
    """``metrics.json``: Rekognition's evaluation summary of the test part, and further metrics under ``larder``."""
    test = cast("Mapping[str, object]", evaluation["test"])
    document = {
        **rekognition_multi_label_summary(test, len(run.split.parts["train"])),
        "larder": {
            "split": run.split.describe(),
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
        "data": {
            **data(run.audit, run.split),
            "without_label": sum(not sample.image.classes for sample in run.audit.scan.samples),
            "images_by_part": {part: len(run.split.parts[part]) for part in PARTS},
        },
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
        "quantisation": quantisation(options, fitted.serving.image, fitted.model, fitted.float_model),
        "parent": None,
        "seconds": round(seconds, 1),
        **provenance(options.seed, command, run.context.progress.warnings),
    }


def headline(evaluation: dict[str, object]) -> str:
    """One line for the log: mean average precision and micro F1 on the test part, and the split."""
    test = evaluation["test"]
    assert isinstance(test, dict)  # noqa: S101 - evaluation() above made it
    low, high = test["micro_f1_interval_95"]
    return (
        f"Test micro F1 {test['micro_f1']:.4f} (95 %: {low:.4f} to {high:.4f}), mean average precision "
        f"{test['map']:.4f} ({evaluation['split']})"
    )
