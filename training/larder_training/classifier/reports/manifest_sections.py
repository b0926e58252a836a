"""What a release states about its training: ``evaluation`` and ``training`` of the manifest, and ``metrics.json``."""

import json
from collections import Counter
from typing import Final

import numpy as np

from larder.release.serving import ImageSpec
from larder_training.classifier.audit.audit import ImageAudit
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.formats.entries import PARTS
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation import ood_holdout
from larder_training.classifier.fitting.quantize import CALIBRATION_IMAGES
from larder_training.classifier.fitting.warm_start import ParentRelease
from larder_training.classifier.heads import softmax_regression
from larder_training.classifier.metrics import calibration
from larder_training.classifier.metrics.classification import classification_summary, rekognition_summary
from larder_training.classifier.onnx.latency import milliseconds
from larder_training.classifier.reports.training_run import TrainingRun
from larder_training.release.writer import provenance

PRECISION: Final = 0.95  # of the additional thresholds in the manifest, unless the options state one
_VALIDATION: Final = ("photos", "accuracy", "expected_calibration_error", "cross_entropy", "brier_score")


def evaluation(run: TrainingRun) -> dict[str, object]:
    """The manifest's ``evaluation``: the split, the numbers of the test part, and the comparison with the parent."""
    split, exported, fusion = run.split, run.exported, run.fusion
    test = classification_summary(exported.predictions["test"].probabilities, exported.truth["test"], split.labels)
    validation = classification_summary(
        exported.predictions["validation"].probabilities, exported.truth["validation"], split.labels
    )
    del test["confusion"], test["reliability"]
    return {
        "split": split.describe(),
        "test": test,
        "validation": {
            "how": exported.fit.describe()["calibrated_by"],
            **{name: validation[name] for name in _VALIDATION},
        },
        "thresholds_at_precision": _thresholds_at_precision(run),
        "unknown": ood_holdout.ood_summary(run.options, exported, run.held_out_classes),
        "quantisation": exported.comparison,
        **({"beside_the_image": fusion.explanation} if fusion.explanation else {}),
        **({"parent": _parent(run.parent, run)} if run.parent else {}),
    }


def _parent(parent: ParentRelease, run: TrainingRun) -> dict[str, object]:
    return parent.compare(run.split, run.exported.predictions["test"].probabilities, run.context.progress)


def _thresholds_at_precision(run: TrainingRun) -> dict[str, object]:
    precision = PRECISION if run.options.precision is None else run.options.precision
    thresholds = calibration.thresholds_at_precision(
        run.exported.predictions["validation"].probabilities, run.exported.truth["validation"], precision
    )
    return {"precision": precision, "thresholds": dict(zip(run.split.labels, thresholds, strict=True))}


def metrics(run: TrainingRun) -> bytes:
    """``metrics.json``: Rekognition's evaluation summary of the test part, and further metrics under ``larder``."""
    split, exported = run.split, run.exported
    probabilities, truth = exported.predictions["test"].probabilities, exported.truth["test"]
    thresholds = exported.serving.thresholds
    document = {
        **rekognition_summary(probabilities, truth, split.labels, thresholds, len(split.parts["train"])),
        "larder": {
            "split": split.describe(),
            "test": classification_summary(probabilities, truth, split.labels),
            "quantisation": exported.comparison,
            "audit": run.audit.document(),
        },
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def training(run: TrainingRun, *, seconds: float, command: str | None) -> dict[str, object]:
    """The manifest's ``training``: hyperparameters, fingerprint and counts of the data, versions and seed."""
    options, split, layers, fusion, exported = run.options, run.split, run.layers, run.fusion, run.exported
    return {
        "data": data(run.audit, split),
        "split": {"validation": options.validation, "test": options.test, "stated": split.stated},
        "backbone": layers.features.description,
        **({"backbone_choice": run.backbone.describe()} if run.backbone.compared else {}),
        **({"reading": layers.describe()} if layers.compared else {}),
        "augmentation": dict(fusion.training_set.augmentation),
        "head": _head(run),
        **({"beside_the_image": fusion.additional.describe(split.parts["train"])} if fusion.additional else {}),
        **({"side_left_out": dict(run.left_out)} if run.left_out else {}),
        "search": {**options.search.describe(), **exported.fit.head.search.describe()},
        "calibration": _calibration(run),
        "quantisation": quantisation(options, exported.serving.image, exported.model, exported.float_model),
        "parent": run.parent.describe() if run.parent else None,
        "seconds": round(seconds, 1),
        **provenance(options.seed, command, run.context.progress.warnings),
    }


def data(audit: ImageAudit, split: DatasetSplit) -> dict[str, object]:
    """The fingerprint and the counts of the images, what was left out, and the images of each label by part."""
    scan = audit.scan
    return {
        "fingerprint": scan.fingerprint(),
        "photos": len(scan.samples),
        "bad": len(scan.bad),
        "copies": len(scan.copies),
        "conflicting": len(scan.conflicts),
        "near_duplicates": scan.near_duplicates,
        "near_duplicates_of_other_labels": len(audit.conflicting_groups),
        "alike": sum(map(len, scan.alike)),
        "labels_that_look_wrong": len(audit.label_errors),
        "straddling_left_out": len(split.straddling),
        **({"notes": list(scan.notes)} if scan.notes else {}),
        "parts": {
            part: dict(sorted(Counter(label for s in split.parts[part] for label in s.image.classes).items()))
            for part in PARTS
        },
    }


def _head(run: TrainingRun) -> dict[str, object]:
    head, chosen = run.exported.fit.head, run.exported.fit.head.search.chosen
    return {
        "kind": "softmax regression" if head.hidden is None else "one hidden layer",
        "recipe": chosen.config.describe(),
        "epochs": chosen.epochs,
        "max_iterations": softmax_regression.MAX_ITERATIONS,
        "tolerance": softmax_regression.TOLERANCE,
        "learnt_from": run.exported.fit.describe()["learnt_from"],
    }


def _calibration(run: TrainingRun) -> dict[str, object]:
    options, fit = run.options, run.exported.fit
    return {
        "by": fit.describe()["calibrated_by"],
        "photos": len(fit.truth),
        "false_alarms": options.false_alarms,
        "thresholds": "best F1" if options.precision is None else f"precision {options.precision:g}",
        "novelty_axes": fit.head.ood_detector.axes.shape[1],
    }


def quantisation(
    options: ClassifierOptions, image: ImageSpec, model: bytes, float_model: bytes | None
) -> dict[str, object]:
    """How the graph was quantized, and the time per image.

    Args:
        options: Of the training.
        image: What the graph reads.
        model: The released graph.
        float_model: The same in float32; None if it is not quantized.
    """
    return {
        "asked": options.dtype,
        "scheme": "static, U8S8, weights by channel in 7 bits (depthwise: 8 bits), QDQ",
        "calibration_photos": CALIBRATION_IMAGES,
        "max_loss": options.max_loss,
        "milliseconds_a_photo": _milliseconds(image, model, float_model),
    }


def _milliseconds(image: ImageSpec, model: bytes, float_model: bytes | None) -> dict[str, float]:
    """The time per image on this machine and one thread; for int8 also the ratio to float32."""
    grey = np.full((1, image.height, image.width, 3), 128, np.uint8)
    if float_model is None:
        return milliseconds({"float32": model}, grey)
    times = milliseconds({"float32": float_model, "int8": model}, grey)
    return {**times, "int8_to_float32": round(times["int8"] / times["float32"], 3)}


def headline(evaluation: dict[str, object]) -> str:
    """One line for the log: the test accuracy with its interval, and the split."""
    test = evaluation["test"]
    assert isinstance(test, dict)  # noqa: S101 - evaluation() above made it
    low, high = test["accuracy_interval_95"]
    return f"Test accuracy {test['accuracy']:.2%} (95 %: {low:.2%} to {high:.2%}; {evaluation['split']})"
