"""The score of an ``OODDetector`` as nodes of an ONNX graph.

The tensors have the names of the graph format, which begin with ``novelty.``.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from larder_training.classifier.ood.detector import LEAST_LENGTH, OODDetector
from larder_training.numerics.arrays import Floats


def constants(detector: OODDetector) -> dict[str, Floats]:
    """The tensors that ``nodes`` reads."""
    kinds = detector.layer_means * np.float32(detector.layer_weight)
    layer_constants = {
        "novelty.usual": detector.layer_centre,
        "novelty.scale": detector.layer_scale * np.float32(detector.layer_weight),
        "novelty.kinds": 2 * kinds,
        "novelty.kind_lengths": -(kinds**2).sum(axis=0),
    }
    return {
        "novelty.middle": detector.centre,
        "novelty.directions": detector.directions,
        "novelty.axes": detector.axes,
        "novelty.least": np.array(LEAST_LENGTH**2, np.float32),
        "novelty.one": np.array(1, np.float32),
        **(layer_constants if detector.layer_weight else {}),
    }


def nodes(detector: OODDetector, opset: int, middle: str) -> Iterable[onnx.NodeProto]:
    """Nodes from ``embedding`` ``[N, D]`` and ``middle`` ``[N, M]`` to the output ``novelty`` ``[N]``."""
    yield helper.make_node("Abs", ["embedding"], ["novelty.sizes"])
    yield helper.make_node("Sign", ["embedding"], ["novelty.signs"])
    yield helper.make_node("Sqrt", ["novelty.sizes"], ["novelty.roots"])
    yield helper.make_node("Mul", ["novelty.signs", "novelty.roots"], ["novelty.signed_roots"])
    yield helper.make_node("LpNormalization", ["novelty.signed_roots"], ["novelty.unit"], axis=1, p=2)
    yield helper.make_node("Sub", ["novelty.unit", "novelty.middle"], ["novelty.away"])
    yield helper.make_node("MatMul", ["novelty.away", "novelty.axes"], ["novelty.along"])
    yield from _sum_of_squares("novelty.away", "novelty.whole")
    yield from _sum_of_squares("novelty.along", "novelty.part")
    yield helper.make_node("Sub", ["novelty.whole", "novelty.part"], ["novelty.rest"])
    yield helper.make_node("Max", ["novelty.rest", "novelty.least"], ["novelty.square"])  # rounding, or u = m
    yield helper.make_node("Sqrt", ["novelty.square"], ["novelty.length"])
    yield helper.make_node("MatMul", ["novelty.away", "novelty.directions"], ["novelty.all"])
    yield from _largest(opset, "novelty.all", "novelty.best")
    yield helper.make_node("Div", ["novelty.best", "novelty.length"], ["novelty.cosine"])
    yield helper.make_node("Sub", ["novelty.one", "novelty.cosine"], ["novelty.signed"])
    by_class = "novelty.by_class" if detector.layer_weight else "novelty"
    yield helper.make_node("Relu", ["novelty.signed"], [by_class])  # rounding can make it slightly negative
    if detector.layer_weight:
        yield from _layer_distance(opset, middle)
        yield helper.make_node("Add", [by_class, "novelty.beside"], ["novelty"])


def _layer_distance(opset: int, middle: str) -> Iterable[onnx.NodeProto]:
    """The weighted distance of the intermediate layers: ``sqrt(|scaled|**2 - max(2 scaled . kind - |kind|**2))``."""
    yield helper.make_node("Sub", [middle, "novelty.usual"], ["novelty.unusual"])
    yield helper.make_node("Mul", ["novelty.unusual", "novelty.scale"], ["novelty.scaled"])
    yield from _sum_of_squares("novelty.scaled", "novelty.far")
    yield helper.make_node("Gemm", ["novelty.scaled", "novelty.kinds", "novelty.kind_lengths"], ["novelty.nearness"])
    yield from _largest(opset, "novelty.nearness", "novelty.nearest")
    yield helper.make_node("Sub", ["novelty.far", "novelty.nearest"], ["novelty.beside_signed"])
    yield helper.make_node("Relu", ["novelty.beside_signed"], ["novelty.beside_square"])  # rounding
    yield helper.make_node("Sqrt", ["novelty.beside_square"], ["novelty.beside"])


def _largest(opset: int, name: str, result: str) -> Iterable[onnx.NodeProto]:
    """The maximum of each row."""
    if opset < 18:  # since opset 18 the axes are an input
        yield helper.make_node("ReduceMax", [name], [result], axes=[1], keepdims=0)
    else:
        axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
        yield helper.make_node("Constant", [], [f"{result}.axis"], value=axis)
        yield helper.make_node("ReduceMax", [name, f"{result}.axis"], [result], keepdims=0)


def _sum_of_squares(name: str, result: str) -> Iterable[onnx.NodeProto]:
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    yield helper.make_node("Mul", [name, name], [f"{result}.squares"])
    yield helper.make_node("Constant", [], [f"{result}.axis"], value=axis)
    yield helper.make_node("ReduceSum", [f"{result}.squares", f"{result}.axis"], [result], keepdims=0)
