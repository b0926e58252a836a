"""Assembles the graph that a release serves: features, additional columns, the head and the OOD score."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from larder_training.classifier.fitting import ood_onnx
from larder_training.classifier.fitting.final_fit import FinalFitInputs
from larder_training.classifier.heads.head import Head
from larder_training.classifier.onnx.finite import propagate_not_finite
from larder_training.classifier.onnx.graph import HEAD_INPUTS, MIDDLE, OUTPUTS, opset, optimise
from larder_training.classifier.ood.detector import OODDetector
from larder_training.numerics.arrays import Floats

Activation = Literal["Softmax", "Sigmoid"]


def assemble(inputs: FinalFitInputs, model: onnx.ModelProto, head: Head, temperature: float) -> onnx.ModelProto:
    """The graph that is released: the feature graph ``model``, additional columns, and the calibrated head."""
    joined = inputs.fusion.additional.extend_graph(propagate_not_finite(model), inputs.features.image_spec)
    graph = with_head(joined, head.weights / temperature, head.bias / temperature, head.ood_detector, head.hidden)
    return optimise(graph, "extended")


def with_head(
    model: onnx.ModelProto,
    weights: Floats,
    bias: Floats,
    detector: OODDetector,
    hidden: tuple[Floats, Floats] | None = None,
    activation: Activation = "Softmax",
) -> onnx.ModelProto:
    """Adds the head and the OOD score to a feature graph.

    The outputs are ``probabilities = activation(inputs @ weights + bias)``, ``embedding`` (the features at length 1)
    and ``novelty`` (the OOD score). The inputs of the head are ``features``, or ``HEAD_INPUTS`` if the graph makes it
    (``AdditionalColumns.extend_graph``); with a hidden layer, ``relu(inputs @ hidden[0] + hidden[1])``.

    Args:
        model: A graph that makes ``features`` ``[N, D]``, and ``MIDDLE`` ``[N, M]`` if the detector reads it.
        weights: ``[D, C]``, with standardisation and temperature folded in; ``[H, C]`` with a hidden layer.
        bias: ``[C]``.
        detector: The OOD detector.
        hidden: Weights ``[D, H]`` and bias ``[H]`` of the hidden layer, if there is one.
        activation: "Softmax" for one label for each image, "Sigmoid" for any number of them.
    """
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    graph = extended.graph
    constants = {"head.weights": weights, "head.bias": bias, **ood_onnx.constants(detector)}
    source = HEAD_INPUTS if any(HEAD_INPUTS in node.output for node in graph.node) else "features"
    if hidden is not None:
        constants |= {"hidden.weights": hidden[0], "hidden.bias": hidden[1]}
        graph.node.extend(_hidden_nodes(source))
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name) for name, value in constants.items()
    )
    graph.node.extend(_head_nodes(source if hidden is None else "hidden.units", activation))
    graph.node.extend(ood_onnx.nodes(detector, opset(extended), MIDDLE))
    del graph.output[:]
    shapes = {"probabilities": ["N", weights.shape[1]], "embedding": ["N", len(detector.centre)], "novelty": ["N"]}
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS)
    onnx.checker.check_model(extended)
    return extended


def _hidden_nodes(source: str) -> Iterable[onnx.NodeProto]:
    yield helper.make_node("Gemm", [source, "hidden.weights", "hidden.bias"], ["hidden.sums"])
    yield helper.make_node("Relu", ["hidden.sums"], ["hidden.units"])


def _head_nodes(source: str, activation: Activation) -> Iterable[onnx.NodeProto]:
    yield helper.make_node("Gemm", [source, "head.weights", "head.bias"], ["head.logits"])
    if activation == "Softmax":
        yield helper.make_node("Softmax", ["head.logits"], ["probabilities"], axis=1)
    else:
        yield helper.make_node("Sigmoid", ["head.logits"], ["probabilities"])
    yield helper.make_node("LpNormalization", ["features"], ["embedding"], axis=1, p=2)
