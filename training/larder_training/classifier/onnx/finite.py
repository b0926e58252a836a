"""Makes a graph answer NaN for an image that it computes NaN or infinity of on the way.

Without this, such an image gets an answer that looks like any other: QuantizeLinear turns NaN into some integer, and
Relu, Clip and MaxPool may turn it into a number. Only operators that can make NaN of finite numbers are watched, and
only where epsilon or a constant does not rule it out, so that most graphs stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

_INVERTING: Final = ("Div", "Reciprocal", "Log", "Sqrt", "Pow", "Exp", "LpNormalization", "Acos", "Acosh", "Asin")
_MORE: Final = ("Atanh", "Tan", "Mod", "ReduceLogSum", "ReduceLogSumExp")
_WITH_EPSILON: Final = (
    *("BatchNormalization", "InstanceNormalization", "LayerNormalization", "SkipLayerNormalization"),
    *("GroupNormalization", "GroupNorm", "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"),
    "RMSNormalization",
)
_POSITIVE: Final = ("Exp", "Sigmoid", "Softplus", "Softmax")
_NOT_NEGATIVE: Final = ("Abs", "Sqrt", "Relu", "ReduceL1", "ReduceL2", "ReduceSumSquare", *_POSITIVE)
_KEEPING_SIGN: Final = (
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "GlobalAveragePool", "AveragePool", "MaxPool"),
    *("Cast", "Reshape", "Transpose", "Expand", "Identity"),
)


def propagate_not_finite(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph whose outputs are NaN for an image of which a watched tensor is NaN or infinite.

    Args:
        model: A feature graph with outputs ``[N, D]`` in float32. It stays unchanged, and is returned as it is if it
            has nothing to watch.
    """
    watched = list(_watched(model))
    if not watched:
        return model
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    graph = extended.graph
    for name, values in (("by_image", [0, -1]), ("together", [1, -1]), ("axis", [1])):
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"finite.{name}"))
    sums = [_sums(graph, number, name, shape) for number, (name, shape) in enumerate(watched)]
    graph.node.append(helper.make_node("Sum", sums, ["finite.total"]))
    for output in [value.name for value in graph.output]:
        before = f"{output}.unchecked"
        for node in graph.node:
            node.input[:] = [before if name == output else name for name in node.input]
            node.output[:] = [before if name == output else name for name in node.output]
        graph.node.append(helper.make_node("Add", [before, "finite.total"], [output]))
    return extended


def _sums(graph: onnx.GraphProto, number: int, name: str, shape: str) -> str:
    """Adds a tensor ``[N, 1]`` or ``[1, 1]``: 0 where the tensor ``name`` is finite, else NaN; returns its name.

    x - x is 0 for finite x, and NaN for NaN and infinity. Quantisation does not touch Sub.
    """
    zeros, rows, summed = (f"finite.{step}.{number}" for step in ("zeros", "rows", "sum"))
    graph.node.append(helper.make_node("Sub", [name, name], [zeros]))
    graph.node.append(helper.make_node("Reshape", [zeros, f"finite.{shape}"], [rows]))
    graph.node.append(helper.make_node("ReduceSum", [rows, "finite.axis"], [summed], keepdims=1))
    return summed


def _watched(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    """The float tensors that may be NaN or infinite though all inputs are finite.

    Each with "by_image" if its first dimension is the batch, or else "together": all images of the batch share it.
    """
    graph = model.graph
    facts = _Facts(graph)
    risky = [node for node in graph.node if facts.may_overflow(node)]
    if not risky:
        return
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    kinds = {value.name: value.type.tensor_type for value in (*inferred.value_info, *inferred.output)}
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    done = {node.input[0] for node in graph.node if node.op_type == "Sub" and node.input[0] == node.input[1]}
    for name in (node.output[0] for node in risky):
        kind = kinds.get(name)
        if kind is None or kind.elem_type != TensorProto.FLOAT or name in done:
            continue
        first = kind.shape.dim[0].dim_param if kind.shape.dim else ""
        yield name, "by_image" if first == batch else "together"


class _Facts:
    """What is known of the signs of a graph's tensors."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self._pixels = {value.name for value in graph.input if value.type.tensor_type.elem_type == TensorProto.UINT8}
        self._makers: Mapping[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}

    def may_overflow(self, node: onnx.NodeProto) -> bool:
        """Whether a node can make NaN or infinity of finite inputs of ordinary size."""
        if node.op_type in _WITH_EPSILON:
            return _attribute(node, "epsilon", 1e-5) <= 0
        safe: Mapping[str, Callable[[], bool]] = {
            "Div": lambda: self._positive(node.input[1]) or self._never_zero(node.input[1]),
            "Reciprocal": lambda: self._positive(node.input[0]),
            "Log": lambda: self._positive(node.input[0]),
            "Sqrt": lambda: self._not_negative(node.input[0]),
            "Pow": lambda: self._is_finite_power(*node.input),
        }
        if node.op_type in safe:
            return not safe[node.op_type]()
        return node.op_type in _INVERTING + _MORE

    def _never_zero(self, name: str) -> bool:
        """Whether a divisor is a constant without 0, or ``Where(|x| < limit, constant, x)``."""
        if name in self.constants:
            return bool(np.all(self.constants[name] != 0))
        node = self._makers.get(name)
        if node is None or node.op_type != "Where" or not self._never_zero(node.input[1]):
            return False
        small = self._makers.get(node.input[0])
        size = self._makers.get(small.input[0]) if small is not None and small.op_type == "Less" else None
        return size is not None and size.op_type == "Abs" and size.input[0] == node.input[2]

    def _is_finite_power(self, base: str, exponent: str) -> bool:
        values = self.constants.get(exponent)
        if values is None:
            return False
        whole = bool(np.all((values >= 1) & (values == np.round(values))))
        return whole or self._positive(base) or (bool(np.all(values > 0)) and self._not_negative(base))

    def _positive(self, name: str) -> bool:
        """Whether a tensor is above 0 everywhere, by a constant that is added or a limit."""
        if name in self.constants:
            return bool(np.all(self.constants[name] > 0))
        node = self._makers.get(name)
        if node is None:
            return False
        inputs = list(node.input)
        if node.op_type == "Add":
            first, second = inputs
            return any(
                self._positive(one) and self._not_negative(other) for one, other in ((first, second), (second, first))
            )
        if node.op_type in {"Clip", "Max"}:
            limits = inputs[1:2] if node.op_type == "Clip" else inputs
            return any(name in self.constants and self._positive(name) for name in limits)
        return node.op_type in {*_POSITIVE} or (
            node.op_type in {"Sqrt", "Expand", "Cast", "Identity"} and self._positive(inputs[0])
        )

    def _not_negative(self, name: str) -> bool:
        if name in self._pixels or name in self.constants:
            return name in self._pixels or bool(np.all(self.constants[name] >= 0))
        node = self._makers.get(name)
        if node is None:
            return False
        inputs = list(node.input)
        if node.op_type == "Pow":
            return inputs[1] in self.constants and bool(np.all(self.constants[inputs[1]] % 2 == 0))
        if node.op_type in {"Add", "Mul", "Conv", "MatMul", "Concat"}:
            square = node.op_type == "Mul" and inputs[0] == inputs[1]
            return square or all(map(self._not_negative, inputs))
        if node.op_type in _KEEPING_SIGN:
            return self._not_negative(inputs[0])
        return node.op_type in _NOT_NEGATIVE or self._positive(name)


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    return next((float(attribute.f) for attribute in node.attribute if attribute.name == name), default)
