"""Static int8 quantisation of a feature graph, exact on every CPU; sensitive operators stay in float.

**Why 7-bit weights.** x86 CPUs without VNNI multiply unsigned activations with signed weights by ``vpmaddubsw``, which
adds two products in 16 signed bits: 2 * 255 * 127 overflows, 2 * 255 * 64 does not. So weights are limited to -64..64
(``reduce_range``), and AVX2 gives the same bits as VNNI. Depthwise convolutions use other kernels, which widen to 16
bits before they multiply: their weights keep all 8 bits, which preserves most of the accuracy.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # ships no types
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from larder_training.classifier.onnx.graph import canonical, optimise, session, to_bytes
from larder_training.reporting.progress import Progress

OPERATORS: Final = (
    *("Conv", "Gemm", "MatMul"),
    *("Add", "Mul", "Concat", "Relu", "Clip", "AveragePool", "GlobalAveragePool", "MaxPool"),
)
WEIGHTED: Final = ("Conv", "Gemm", "MatMul")
MAX_WEIGHT: Final = 64  # largest weight that vpmaddubsw may multiply

Pixels = NDArray[np.uint8]
LossFunction = Callable[[onnx.ModelProto], float]


@dataclass(frozen=True, slots=True)
class QuantizationResult:
    """A quantised graph.

    Attributes:
        model: The int8 graph, or None if int8 loses too much.
        loss: The loss of the last attempt.
        float_nodes: Names of the nodes that were left in float.
    """

    model: onnx.ModelProto | None
    loss: float
    float_nodes: tuple[str, ...]


def count_quantizable(model: onnx.ModelProto) -> int:
    """The number of operators with weights that quantisation would change."""
    return len(_weighted(model))


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether a graph computes in integers already."""
    return any(node.op_type in {"DequantizeLinear", "DynamicQuantizeLinear"} for node in model.graph.node)


def quantize_graph(
    model: onnx.ModelProto, calibration: Sequence[Pixels], loss_of: LossFunction, *, max_loss: float, progress: Progress
) -> QuantizationResult:
    """Quantises a canonical graph ``image`` -> ``features``.

    Args:
        model: Output of ``graph.optimise(..., "basic")``.
        calibration: Training images, each ``[1, H, W, 3]``, whose activations set the ranges.
        loss_of: Returns the loss of a quantised graph against ``model``, as a share of held-out images.
        max_loss: If the loss is larger, the most sensitive operators are left in float: one, two, four ... up to half
            of them, and otherwise all.
        progress: Reports each step.
    """
    ranges = _Ranges(calibration)
    quantized = _quantise(model, ranges, ())
    loss = loss_of(quantized)
    if loss <= max_loss:
        return QuantizationResult(quantized, loss, ())
    progress.say(f"int8 loses {100 * loss:.2f} points of accuracy: looking for the operators that cause it")
    order = _by_sensitivity(model, calibration[:8], progress)
    count = 1
    while count <= len(order) // 2:
        quantized = _quantise(model, ranges, order[:count])
        loss = loss_of(quantized)
        if loss <= max_loss:
            return QuantizationResult(quantized, loss, tuple(order[:count]))
        count *= 2
    return QuantizationResult(None, loss, tuple(order))


class _Ranges(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Feeds the calibration images; onnxruntime reads until None, once for each quantisation."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        self._images = images
        self.rewind()

    def rewind(self) -> None:
        self._remaining: Iterator[Pixels] = iter(self._images)

    def get_next(self) -> dict[str, Pixels] | None:
        image = next(self._remaining, None)
        return None if image is None else {"image": image}


def _weighted(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node for node in model.graph.node if node.op_type in WEIGHTED and any(name in constants for name in node.input)
    ]


def _normalisation(model: onnx.ModelProto) -> list[str]:
    """The nodes between the 8-bit image and the first node with weights; they stay in float, to be exact."""
    first = _weighted(model)[0].name
    names = [node.name for node in model.graph.node]
    return names[: names.index(first)]


def _means(model: onnx.ModelProto) -> list[str]:
    """The pools that no node with weights follows, and the nodes after them; they stay in float.

    In 8 bits, the means that the head reads would have 256 levels only; in float, a mean over 49 positions is precise.
    """
    weighted = {node.name for node in _weighted(model)}
    needed: set[str] = set()  # by a node with weights, directly or not
    for node in reversed(model.graph.node):
        if node.name in weighted or needed.intersection(node.output):
            needed.update(node.input)
    names, outputs = [], set[str]()
    for node in model.graph.node:
        pooled = node.op_type == "GlobalAveragePool" and not needed.intersection(node.output)
        if pooled or outputs.intersection(node.input):
            names.append(str(node.name))
            outputs.update(node.output)
    return names


def _depthwise(model: onnx.ModelProto) -> dict[str, list[dict[str, object]]]:
    """Full-range settings for the weights ``[C, 1, kh, kw]`` of convolutions with one group per channel."""
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    whole = {"quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False, "axis": 0}
    return {
        node.input[1]: [dict(whole)]
        for node in _weighted(model)
        if node.op_type == "Conv" and _groups(node) > 1 and _groups(node) == (shapes.get(node.input[1]) or [0])[0]
    }


def _groups(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


def _quantise(model: onnx.ModelProto, ranges: _Ranges, float_nodes: Sequence[str], only: str = "") -> onnx.ModelProto:
    """U8S8 in QDQ format, weights by channel; optimised, since operators are quantised only where they fuse."""
    ranges.rewind()
    options: dict[str, Any] = {"TensorQuantOverrides": _depthwise(model)}
    with tempfile.TemporaryDirectory(prefix="larder-") as folder, _quiet():
        float_path, int8_path = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        float_path.write_bytes(to_bytes(model))  # onnxruntime would change an object in place
        quantize_static(
            float_path,
            int8_path,
            ranges,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_quantize=[only] if only else None,
            nodes_to_exclude=[*_normalisation(model), *_means(model), *float_nodes],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=options,
        )
        return canonical(onnx.load(int8_path))


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser warns on the root logger, which would give that a handler if it had none."""
    handler = logging.NullHandler()
    before = logging.root.manager.disable
    logging.root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        logging.root.removeHandler(handler)


def _by_sensitivity(model: onnx.ModelProto, calibration: Sequence[Pixels], progress: Progress) -> list[str]:
    """Nodes with weights, most sensitive first: by the change of the features if only this node is quantised."""
    images = np.concatenate(calibration)
    exact = _run(model, images)
    moved: dict[str, float] = {}
    nodes = _weighted(model)
    with progress.task("Measuring each operator in int8", len(nodes)) as advance:
        for node in nodes:
            quantized = _quantise(model, _Ranges(calibration), (), only=node.name)
            moved[node.name] = float(np.linalg.norm(_run(optimise(quantized, "extended"), images) - exact))
            advance(1)
    return sorted(moved, key=lambda name: (-moved[name], name))


def _run(model: onnx.ModelProto, images: Pixels) -> NDArray[np.float32]:
    features: list[NDArray[np.float32]] = session(to_bytes(model)).run(None, {"image": images})
    return np.concatenate(features, axis=1)
