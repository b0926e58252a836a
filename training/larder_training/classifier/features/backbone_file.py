"""Reads the ONNX file of a backbone, and finds its image input and its features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto, version_converter

from larder.errors import InvalidModel, InvalidRequest
from larder_training.classifier.onnx.graph import OPSET

FEATURE_NAMES: Final = ("features", "embedding", "embeddings", "pooler_output")

_LAST_LAYERS: Final = ("Gemm", "MatMul", "Add", "Softmax", "Identity")


def read_graph(path: Path) -> onnx.ModelProto:
    """Reads a graph and converts it to ``OPSET``.

    Raises:
        InvalidRequest: The file does not exist.
        InvalidModel: The file is not a usable ONNX graph.
    """
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise InvalidRequest(f"The backbone {path.name!r} does not exist. Check the path.") from error
    except Exception as error:
        raise InvalidModel(f"{path.name} is not an ONNX file ({type(error).__name__}). Give an ONNX file.") from error
    if any(
        attribute.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}
        for node in model.graph.node
        for attribute in node.attribute
    ):
        raise InvalidModel(f"{path.name} has control flow (If, Loop or Scan). Export it without, for inference.")
    version = next((int(o.version) for o in model.opset_import if o.domain in {"", "ai.onnx"}), 0)
    if version < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise InvalidModel(
                f"{path.name} has opset {version}, which cannot be converted to {OPSET}. Export it with opset {OPSET}."
            ) from error
    return model


def find_input(model: onnx.ModelProto, wanted: int | None) -> tuple[str, int]:
    """The name of the image input, and its side in pixels: ``wanted`` if the graph does not fix it.

    Raises:
        InvalidRequest: The graph does not have exactly one float32 input ``[N, 3, side, side]``, or ``wanted`` differs
            from its side.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise InvalidRequest(
            f"The backbone has {len(inputs)} inputs; exactly one image input is needed. Export it with one."
        )
    kind = inputs[0].type.tensor_type
    shape = [dim.dim_value for dim in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(shape) != 4 or shape[1] not in {0, 3}:
        raise InvalidRequest(
            f"The backbone's input is {TensorProto.DataType.Name(kind.elem_type)} {shape}; float32 [N, 3, height, "
            "width] is needed. Export it with this input."
        )
    stated = {side for side in shape[2:] if side}
    size = wanted or next(iter(stated), 0)
    if not size or (stated and stated != {size}):
        raise InvalidRequest(
            f"The backbone's input is {shape} and the requested input size is {wanted or 'missing'}: "
            f"give --input-size {next(iter(stated), 'PIXELS')}; it must be a square."
        )
    return inputs[0].name, size


def find_features(model: onnx.ModelProto) -> str:
    """The output with a usual name of features; else the input of the last linear layer before the output of rank 2.

    Raises:
        InvalidRequest: Several outputs have rank 2, or none.
    """
    outputs = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.output}
    for name in FEATURE_NAMES:
        if name in outputs:
            return str(name)
    flat = [name for name, rank in outputs.items() if rank == 2]
    if len(flat) != 1:
        raise InvalidRequest(
            f"The backbone's outputs are {', '.join(outputs)}; which one has the features? Give --output NAME."
        )
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    name = flat[0]
    while name in makers and makers[name].op_type in _LAST_LAYERS:
        node = makers[name]
        name = str(next(i for i in node.input if i not in constants))
        if node.op_type in {"Gemm", "MatMul"}:
            return name
    return str(flat[0])


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
