"""What a release says about itself: the manifest's sections, ``metrics.json`` and the golden probes."""

import base64
import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder.release.side_columns import encode
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data import side_columns
from larder_training.classifier.data.manifests import PARTS
from larder_training.classifier.data.scan import Sample
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation import ood_holdout
from larder_training.classifier.features import augmentation
from larder_training.classifier.fitting.export import ExportedClassifier
from larder_training.classifier.fitting.quantize import CALIBRATION_IMAGES
from larder_training.classifier.fitting.warm_start import ParentRelease
from larder_training.classifier.heads import softmax_regression
from larder_training.classifier.metrics import calibration
from larder_training.classifier.metrics.classification import classification_summary, rekognition_summary
from larder_training.classifier.onnx.graph import session
from larder_training.classifier.onnx.latency import milliseconds
from larder_training.classifier.reports.training_run import TrainingRun
from larder_training.release.tables import write_probes
from larder_training.release.writer import provenance

PROBES: Final = 8  # at least; one a label up to 16
PRECISION: Final = 0.95  # that thresholds are told for, beside those that serve, where the options name none
_VALIDATION: Final = ("photos", "accuracy", "expected_calibration_error", "cross_entropy", "brier_score")


def evaluation(run: TrainingRun) -> dict[str, object]:
    """The manifest's ``evaluation``: the split, the numbers of the test part, and the comparison with the parent."""
    options, parts, exported, fusion = run.options, run.split, run.exported, run.fusion
    test = classification_summary(exported.predictions["test"].probabilities, exported.truth["test"], parts.labels)
    validation = classification_summary(
        exported.predictions["validation"].probabilities, exported.truth["validation"], parts.labels
    )
    del test["confusion"], test["reliability"]
    return {
        "split": parts.describe(),
        "test": test,
        "validation": {
            "how": exported.fit.describe()["calibrated_by"],
            **{name: validation[name] for name in _VALIDATION},
        },
        "thresholds_at_precision": _at_precision(options, parts, exported),
        "unknown": ood_holdout.told(options, exported, run.held_out_classes),
        "quantisation": exported.comparison,
        **({"beside_the_image": fusion.explanation} if fusion.explanation else {}),
        **({"parent": _parent(run.parent, run)} if run.parent else {}),
    }


def _parent(parent: ParentRelease, run: TrainingRun) -> dict[str, object]:
    return parent.compare(run.split, run.exported.predictions["test"].probabilities, run.context.progress)


def _at_precision(options: ClassifierOptions, parts: DatasetSplit, exported: ExportedClassifier) -> dict[str, object]:
    precision = PRECISION if options.precision is None else options.precision
    found = calibration.thresholds_at_precision(
        exported.predictions["validation"].probabilities, exported.truth["validation"], precision
    )
    return {"precision": precision, "thresholds": dict(zip(parts.labels, found, strict=True))}


def metrics(run: TrainingRun) -> bytes:
    """``metrics.json``: Rekognition's evaluation summary of the test part, and everything of ours under ``larder``."""
    parts, exported = run.split, run.exported
    probabilities, truth = exported.predictions["test"].probabilities, exported.truth["test"]
    thresholds = exported.serving.thresholds
    document = {
        **rekognition_summary(probabilities, truth, parts.labels, thresholds, len(parts.parts["train"])),
        "larder": {
            "split": parts.describe(),
            "test": classification_summary(probabilities, truth, parts.labels),
            "quantisation": exported.comparison,
            "audit": run.audit.document(),
        },
    }
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def training(run: TrainingRun, *, seconds: float) -> dict[str, object]:
    """The manifest's ``training``: every hyperparameter, the data's fingerprint and counts, versions and seed."""
    options, parts, layers, fusion = run.options, run.split, run.layers, run.fusion
    checked, taught, fitted = run.audit.scan, run.exported.fit, run.exported.fit.head
    return {
        "data": {
            "fingerprint": checked.fingerprint(),
            "photos": len(checked.samples),
            "bad": len(checked.bad),
            "copies": len(checked.copies),
            "conflicting": len(checked.conflicts),
            "near_duplicates": checked.near_duplicates,
            "near_duplicates_of_other_labels": len(run.audit.conflicting_groups),
            "labels_that_look_wrong": len(run.audit.label_errors),
            "straddling_left_out": len(parts.straddling),
            "parts": {
                part: dict(sorted(Counter(photo.image.label for photo in parts.parts[part]).items())) for part in PARTS
            },
        },
        "split": {"validation": options.validation, "test": options.test, "stated": parts.stated},
        "backbone": layers.features.description,
        **({"reading": layers.describe()} if layers.compared else {}),
        "augmentation": dict(fusion.training_set.augmentation),
        "head": {
            "kind": "softmax regression" if fitted.hidden is None else "one hidden layer",
            "recipe": fitted.search.chosen.config.describe(),
            "epochs": fitted.search.chosen.epochs,
            "max_iterations": softmax_regression.MAX_ITERATIONS,
            "tolerance": softmax_regression.TOLERANCE,
            "learnt_from": taught.describe()["learnt_from"],
        },
        **({"beside_the_image": fusion.additional.describe(parts.parts["train"])} if fusion.additional else {}),
        "search": {**options.search.describe(), **fitted.search.describe()},
        "calibration": {
            "by": taught.describe()["calibrated_by"],
            "photos": len(taught.truth),
            "false_alarms": options.false_alarms,
            "thresholds": "best F1" if options.precision is None else f"precision {options.precision:g}",
            "novelty_axes": fitted.ood_detector.axes.shape[1],
        },
        "quantisation": {
            "asked": options.dtype,
            "scheme": "static, U8S8, weights by channel in 7 bits (depthwise: 8 bits), QDQ",
            "calibration_photos": CALIBRATION_IMAGES,
            "max_loss": options.max_loss,
            "milliseconds_a_photo": _milliseconds(run.exported),
        },
        "parent": run.parent.describe() if run.parent else None,
        "seconds": round(seconds, 1),
        **provenance(options.seed),
    }


def _milliseconds(exported: ExportedClassifier) -> dict[str, float]:
    """On this machine, one thread; for int8, its share of float32's time too: the ratio says more than either."""
    image = exported.serving.image
    grey = np.full((1, image.height, image.width, 3), 128, np.uint8)
    if exported.float_model is None:
        return milliseconds({"float32": exported.model}, grey)
    found = milliseconds({"float32": exported.float_model, "int8": exported.model}, grey)
    return {**found, "int8_to_float32": round(found["int8"] / found["float32"], 3)}


def probes(run: TrainingRun) -> bytes:
    """Some test photos as PNG, and the probabilities that the release gives them: the rollout asks for these again.

    Where the release takes side information, requests are JSON; the last of them says nothing beside the photo.
    """
    parts, exported = run.split, run.exported
    image, columns = exported.serving.image, exported.serving.side
    running = session(exported.model)
    requests, expected = [], []
    asked = _spread(parts.parts["test"], parts.labels)
    for number, checked in enumerate(asked, 1):
        request = _png(checked.image.path.read_bytes(), image)
        inputs: dict[str, NDArray[np.generic]] = {"image": decode(request, image)[None]}
        if columns:
            values = side_columns.values_of(columns, checked) if number < len(asked) else {}
            inputs["side"] = np.array([encode(columns, values)], np.float32)
            document = {"image": base64.b64encode(request).decode(), "side": values}
            request = json.dumps(document, ensure_ascii=False).encode()
        requests.append(request)
        expected.append(running.run(["probabilities"], inputs)[0][0])
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        path = Path(folder) / "probes.safetensors"
        write_probes(path, requests, probabilities=np.stack(expected).astype(np.float32))
        return path.read_bytes()


def _spread(photos: Sequence[Sample], labels: Sequence[str]) -> list[Sample]:
    """The first photo of each label, then the second, until there are enough."""
    rank: Counter[str] = Counter()
    ordered = []
    for checked in sorted(photos, key=lambda checked: checked.digest):
        ordered.append((rank[checked.image.label], labels.index(checked.image.label), checked))
        rank[checked.image.label] += 1
    ordered.sort(key=lambda entry: entry[:2])
    return [checked for *_, checked in ordered[: max(PROBES, min(len(labels), 2 * PROBES))]]


def _png(data: bytes, image: ImageSpec) -> bytes:
    """The photo at the scale that the graph sees, with the margin that the crop will take off."""
    buffer = io.BytesIO()
    Image.fromarray(decode(data, augmentation.with_margin(image))).save(buffer, "PNG", optimize=False, compress_level=9)
    return buffer.getvalue()


def headline(evaluation: dict[str, object]) -> str:
    """One line for the log: the test accuracy with its interval, and where it comes from."""
    test = evaluation["test"]
    assert isinstance(test, dict)  # noqa: S101 - evaluation() above made it
    low, high = test["accuracy_interval_95"]
    return f"{test['accuracy']:.2%} of the test photos right (95 %: {low:.2%} to {high:.2%}; {evaluation['split']})"
