"""Finds the image input and the features in the graph of a backbone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import onnx
from onnx import TensorProto

from larder.errors import InvalidRequest

FEATURE_NAMES: Final = ("features", "embedding", "embeddings", "pooler_output")
DEFAULT_SIZE: Final = 224  # of a graph that takes any size

_RESHAPING: Final = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
_CLASSIFIER: Final = ("Add", "Mul", "Softmax", "LogSoftmax", "Identity", *_RESHAPING)  # after the last linear layer
_POOLED_CLASSIFIER: Final = (*_CLASSIFIER, "GlobalAveragePool", "ReduceMean", "Relu", "Dropout")
_POOLS: Final = ("GlobalAveragePool", "AveragePool", "ReduceMean")
_SHAPES: Final = "float32 or uint8 [N, 3, height, width] or [N, height, width, 3]"

Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input of a backbone.

    Attributes:
        name: The name of the tensor.
        size: Height and width, in pixels.
        layout: The order of its dimensions.
        eight_bit: Whether it takes pixels as they are, uint8; the graph then normalises them.
        batch: The size of its batches; 0 if it states that it takes any.
        any_size: Whether ``size`` is assumed, because the graph takes any.
    """

    name: str
    size: int
    layout: Layout
    eight_bit: bool
    batch: int
    any_size: bool


def find_input(model: onnx.ModelProto, wanted: int | None) -> ImageInput:
    """The image input; its size is ``wanted`` if the graph does not fix it, and else ``DEFAULT_SIZE``.

    Raises:
        InvalidRequest: The graph does not have exactly one input for square images of three channels, or ``wanted``
            differs from its side.
    """
    inputs = model.graph.input
    if len(inputs) != 1:
        raise InvalidRequest(
            f"The backbone has {len(inputs)} inputs ({', '.join(value.name for value in inputs)}); exactly one image "
            "input is needed. Export it with one."
        )
    kind = inputs[0].type.tensor_type
    shape = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type not in {TensorProto.FLOAT, TensorProto.UINT8} or len(shape) != 4 or not _layouts(shape):
        known = [dim.dim_value or dim.dim_param or "?" for dim in kind.shape.dim]
        raise InvalidRequest(
            f"The backbone's input is {TensorProto.DataType.Name(kind.elem_type)} {known}; {_SHAPES} is needed. Export "
            "it with this input."
        )
    layout = _layouts(shape)[0]
    stated = {side for side in (shape[2:] if layout == "NCHW" else shape[1:3]) if side}
    size = wanted or next(iter(stated), DEFAULT_SIZE)
    if stated and stated != {size}:
        raise InvalidRequest(
            f"The backbone's input is {shape} and the requested input size is {wanted or 'missing'}: "
            f"give --input-size {next(iter(stated))}; it must be a square."
        )
    eight_bit = kind.elem_type == TensorProto.UINT8
    return ImageInput(inputs[0].name, size, layout, eight_bit, shape[0], any_size=not stated and not wanted)


def _layouts(shape: Sequence[int]) -> list[Layout]:
    """The layouts that a shape allows, the usual one first; a dimension of 0 is open."""
    positions: tuple[tuple[Layout, int], ...] = (("NCHW", 1), ("NHWC", 3))
    exact: list[Layout] = [layout for layout, position in positions if shape[position] == 3]
    return exact or [layout for layout, position in positions if shape[position] == 0]


def find_features(model: onnx.ModelProto) -> str:
    """The output with a usual name of features; else the input of the last linear layer before the output of rank 2.

    If there is one output of another rank, it stands for the output of rank 2: a classifier that ends with a 1 x 1
    convolution has ``[N, C, 1, 1]``.

    Raises:
        InvalidRequest: Several outputs could have the features.
    """
    outputs = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.output}
    for name in FEATURE_NAMES:
        if name in outputs:
            return str(name)
    flat = [name for name, rank in outputs.items() if rank == 2] or list(outputs)
    if len(flat) != 1:
        raise InvalidRequest(
            f"The backbone's outputs are {', '.join(outputs)}; which one has the features? Give --output NAME."
        )
    return _before_classifier(model, str(flat[0]))


def _before_classifier(model: onnx.ModelProto, output: str) -> str:
    """The input of the last linear layer, or ``output`` if the graph ends with none."""
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = set(_constants(model))
    passed: tuple[str, ...] = _CLASSIFIER
    name = output
    while name in makers:
        node = makers[name]
        inputs = node.input[:1] if node.op_type in _RESHAPING else node.input
        data = [str(i) for i in inputs if i and i not in constants]
        if node.op_type in {"Gemm", "MatMul"} and data:
            return data[0]
        if node.op_type == "Conv":
            pooled = data[0] in makers and makers[data[0]].op_type in _POOLS
            return data[0] if pooled or passed is not _CLASSIFIER else output
        if node.op_type not in passed or len(data) != 1:
            break
        if node.op_type in {"Softmax", "LogSoftmax"}:
            passed = _POOLED_CLASSIFIER
        name = data[0]
    return output


def _constants(model: onnx.ModelProto) -> Iterator[str]:
    """The names of the tensors that do not depend on the image."""
    found = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if all(name in found or not name for name in node.input):
            found.update(node.output)
    yield from found


def check_outputs(model: onnx.ModelProto, outputs: Sequence[str]) -> None:
    """Checks that nodes of the graph compute these tensors.

    Raises:
        InvalidRequest: A tensor does not exist.
    """
    made = {name for node in model.graph.node for name in node.output}
    for output in outputs:
        if output not in made:
            names = ", ".join(value.name for value in model.graph.output)
            raise InvalidRequest(
                f"The backbone has no tensor {output!r}. Its outputs are {names}: give one with --output."
            )
