"""Assembles the graph that a release serves: features, additional columns, the head and the OOD score."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from larder_training.classifier.fitting import ood_onnx
from larder_training.classifier.fitting.final_fit import FinalFitInputs
from larder_training.classifier.heads.head import Head
from larder_training.classifier.onnx.graph import HEAD_INPUTS, MIDDLE, OUTPUTS, opset, optimise
from larder_training.classifier.ood.detector import OODDetector
from larder_training.numerics.arrays import Floats


def assemble(inputs: FinalFitInputs, model: onnx.ModelProto, head: Head, temperature: float) -> onnx.ModelProto:
    """The graph that is released: the feature graph ``model``, additional columns, and the calibrated head."""
    joined = inputs.fusion.additional.extend_graph(model, inputs.features.image_spec)
    graph = with_head(joined, head.weights / temperature, head.bias / temperature, head.ood_detector, head.hidden)
    return optimise(graph, "extended")


def with_head(
    model: onnx.ModelProto,
    weights: Floats,
    bias: Floats,
    novelty: OODDetector,
    hidden: tuple[Floats, Floats] | None = None,
) -> onnx.ModelProto:
    """Puts the classifier on a graph that makes ``features`` ``[N, D]``, and maybe ``MIDDLE`` ``[N, M]``.

    ``probabilities = softmax(features @ weights + bias)`` with weights ``[D, C]`` that hold standardisation and
    temperature; ``embedding`` is the features at length 1; the output ``novelty`` is the score of ``novelty``. With
    ``hidden``, weights ``[D, H]`` and bias ``[H]``, ``weights`` are ``[H, C]`` and read ``relu(features @ hidden[0] +
    hidden[1])`` in place of the features. Where the graph makes ``HEAD_INPUTS`` (``beside.Beside.join``), the head
    reads those, and embedding and novelty still the features, novelty ``MIDDLE`` too where it learnt from it.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    constants = {"head.weights": weights, "head.bias": bias, **ood_onnx.constants(novelty)}
    read = HEAD_INPUTS if any(HEAD_INPUTS in node.output for node in made.graph.node) else "features"
    if hidden is not None:
        constants |= {"hidden.weights": hidden[0], "hidden.bias": hidden[1]}
        made.graph.node.extend(_hidden_nodes(read))
    made.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name) for name, value in constants.items()
    )
    made.graph.node.extend(_head_nodes(read if hidden is None else "hidden.units"))
    made.graph.node.extend(ood_onnx.nodes(novelty, opset(made), MIDDLE))
    del made.graph.output[:]
    shapes = {"probabilities": ["N", weights.shape[1]], "embedding": ["N", len(novelty.middle)], "novelty": ["N"]}
    made.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS)
    onnx.checker.check_model(made)
    return made


def _hidden_nodes(read: str) -> Iterable[onnx.NodeProto]:
    yield helper.make_node("Gemm", [read, "hidden.weights", "hidden.bias"], ["hidden.sums"])
    yield helper.make_node("Relu", ["hidden.sums"], ["hidden.units"])


def _head_nodes(read: str) -> Iterable[onnx.NodeProto]:
    yield helper.make_node("Gemm", [read, "head.weights", "head.bias"], ["head.logits"])
    yield helper.make_node("Softmax", ["head.logits"], ["probabilities"], axis=1)
    yield helper.make_node("LpNormalization", ["features"], ["embedding"], axis=1, p=2)
