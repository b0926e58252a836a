"""From the choices of a training to the graph that a release serves: fit, quantize, calibrate, assemble, evaluate."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from larder.release.serving import ClassifierServing
from larder.rollout.onnx_checks import check_graph
from larder_training.classifier.data.formats.entries import Part
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.fitting.assemble import assemble
from larder_training.classifier.fitting.final_fit import FinalFit, FinalFitInputs, fit_final_head, with_ood_detector
from larder_training.classifier.fitting.head_calibration import Calibration, calibrate
from larder_training.classifier.fitting.predictions import Predictions, predict
from larder_training.classifier.fitting.quantize import QuantizedFit, quantize
from larder_training.classifier.onnx.graph import to_bytes
from larder_training.numerics.arrays import Floats

MODEL: Final = "model.onnx"
EVALUATED: Final[tuple[Part, ...]] = ("validation", "test")

Truth = Mapping[Part, NDArray[np.int64]]
PredictionsByPart = Mapping[Part, Predictions]


@dataclass(frozen=True, slots=True)
class ExportedClassifier:
    """The graph of a release, how it is served, and its predictions for held-out images.

    Attributes:
        graph: The graph of ``model.onnx``.
        model: The bytes of ``model.onnx``.
        fit: The head, with the images that calibrate it: the part "validation" here, out of fold or the validation
            part itself.
        serving: The ``serving`` section of the manifest.
        truth: The labels of the images, by evaluated part.
        predictions: The release's predictions for them, by evaluated part.
        comparison: Accuracy of float32 and of the release, JSON-ready.
        float_model: The graph in float32 if ``graph`` is int8, else None.
    """

    graph: onnx.ModelProto
    model: bytes
    fit: FinalFit
    serving: ClassifierServing
    truth: Truth
    predictions: PredictionsByPart
    comparison: Mapping[str, object]
    float_model: bytes | None = None


def export(inputs: FinalFitInputs) -> ExportedClassifier:
    """Fits the final head and builds the graph that is released.

    The test images are used only at the end, to evaluate; nothing is chosen by them.
    """
    float_fit = fit_final_head(inputs, inputs.features.model)
    quantized = quantize(
        inputs.features, float_fit, partial(fit_final_head, inputs), inputs.split.parts["train"], inputs.context
    )
    fit = with_ood_detector(quantized.fit, float_fit)
    calibration = calibrate(fit, inputs.context.options)
    graph = assemble(inputs, quantized.model, fit.head, calibration.temperature)
    serving = _serving(inputs, calibration)
    model = to_bytes(graph)
    check_graph(model, serving)  # the rollout makes the same check
    samples = inputs.split.parts["test"]
    truth: Truth = {"validation": fit.truth, "test": label_indices(samples, inputs.split.labels)}
    test = predict(model, samples, serving, title="Evaluating on test", progress=inputs.context.progress)
    predictions: PredictionsByPart = {"validation": calibration.held_out, "test": test}
    comparison = _compare_with_float(inputs, float_fit, quantized, truth, predictions)
    float_model = None
    if quantized.quantized:
        float_graph = assemble(inputs, inputs.features.model, float_fit.head, float_fit.temperature())
        float_model = to_bytes(float_graph)
    return ExportedClassifier(graph, model, fit, serving, truth, predictions, comparison, float_model)


def _serving(inputs: FinalFitInputs, calibration: Calibration) -> ClassifierServing:
    return ClassifierServing(
        file=MODEL,
        image=inputs.features.image_spec,
        labels=inputs.split.labels,
        thresholds=calibration.thresholds,
        temperature=calibration.temperature,
        novelty_threshold=calibration.ood_threshold,
        side=inputs.fusion.additional.columns,
    )


def _compare_with_float(
    inputs: FinalFitInputs,
    float_fit: FinalFit,
    quantized: QuantizedFit[FinalFit],
    truth: Truth,
    predictions: PredictionsByPart,
) -> dict[str, object]:
    """The data type of the release, why, and its accuracy next to that of float32, by evaluated part."""
    comparison = quantized.describe(inputs.features)
    test_inputs = inputs.served_inputs(inputs.features.model, inputs.split.parts["test"])
    float_logits: dict[Part, Floats] = {"validation": float_fit.logits(), "test": float_fit.head.logits(test_inputs)}
    for part in EVALUATED:
        labels = predictions[part].probabilities.argmax(axis=1)
        comparison[part] = agreement(truth[part], float_logits[part].argmax(axis=1), labels)
    return comparison


def agreement(truth: NDArray[Any], float_labels: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Accuracy of float32 and of the release on one part, and how often both give the same label.

    Args:
        truth: ``[N]``, the labels of the images; or ``[N, C]``, whether an image has each label.
        float_labels: The answers in float32, in the same form.
        labels: Those of the release.
    """
    return {
        "float32_accuracy": float((float_labels == truth).mean()),
        "release_accuracy": float((labels == truth).mean()),
        "agreement": float((float_labels == labels).mean()),
    }
