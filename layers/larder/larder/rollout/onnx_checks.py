"""Check that an ONNX graph is safe to load, and has the inputs and outputs of a classifier (ARCHITECTURE.md).

This needs protobuf and the module of ``onnx`` with its messages, which no function on the request path has: import this
module where it is used.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from onnx.onnx_ml_pb2 import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    ValueInfoProto,
)

from larder.errors import InvalidModel
from larder.release import side_columns
from larder.release.serving import ClassifierServing

# The domains of the standard and of every build of onnxruntime: none needs code that is not in the function.
DOMAINS: Final = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")

Shape = tuple[int | None, ...]  # None: any length


def check_graph(data: bytes, serving: ClassifierServing) -> None:
    """Check the ONNX file ``data`` without running it.

    The inputs must be ``image`` uint8 ``[N,H,W,3]`` and, if the manifest has side information, ``side`` float32
    ``[N,S]``; the outputs ``probabilities`` float32 ``[N,C]``, ``embedding`` float32 ``[N,D]`` and ``novelty`` float32
    ``[N]``.

    Raises:
        InvalidModel: the file does not parse, uses external data or unknown operators, or has other inputs or outputs.
    """
    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise InvalidModel(f"{serving.file} is not an ONNX file: export it again.") from error
    if not model.graph.node:
        raise InvalidModel(f"{serving.file} has no graph: export it again.")
    _check_origin(model, serving.file)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    height, width, labels = serving.image.height, serving.image.width, len(serving.labels)
    signature: dict[str, tuple[int, Shape]] = {"image": (TensorProto.UINT8, (None, height, width, 3))}
    if serving.side:
        signature["side"] = (TensorProto.FLOAT, (None, side_columns.width(serving.side)))
    _check_values(inputs, signature, "input", serving.file)
    outputs: dict[str, tuple[int, Shape]] = {
        "probabilities": (TensorProto.FLOAT, (None, labels)),
        "embedding": (TensorProto.FLOAT, (None, None)),
        "novelty": (TensorProto.FLOAT, (None,)),
    }
    _check_values(model.graph.output, outputs, "output", serving.file)


def _check_origin(model: ModelProto, file: str) -> None:
    if model.training_info:
        raise InvalidModel(f"{file} has training graphs: export it for inference.")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise InvalidModel(
                f"{file} has the data of {tensor.name[:80]!r} in another file: save it with all data inside."
            )
    for node in _nodes(model):
        if node.domain not in DOMAINS:
            raise InvalidModel(
                f"{file} needs operator {node.op_type[:80]!r} of {node.domain[:80]!r}, unknown to onnxruntime: "
                "export it with standard operators."
            )


def _check_values(
    values: Iterable[ValueInfoProto], signature: dict[str, tuple[int, Shape]], what: str, file: str
) -> None:
    types = {value.name: value.type.tensor_type for value in values}
    if types.keys() != signature.keys():
        raise InvalidModel(f"{file} has the {what}s {sorted(types)}, not {sorted(signature)}: export it again.")
    for name, (dtype, shape) in signature.items():
        tensor = types[name]
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        same = len(dims) == len(shape) and all(length in {None, dim} for length, dim in zip(shape, dims, strict=True))
        # The batch has any size: the first dimension must not be a number.
        if tensor.elem_type != dtype or not same or dims[0] is not None:
            kind = TensorProto.DataType.Name(dtype)
            raise InvalidModel(
                f"{file}: {what} {name!r} is {TensorProto.DataType.Name(tensor.elem_type)} {dims}, not {kind} "
                f"{list(shape)} (None: any): export it again."
            )


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    for function in model.functions:
        yield from function.node
    for graph in _graphs(model):
        yield from graph.node


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The graph, and every graph in an attribute of a node or function, at any depth."""
    waiting = [model.graph]
    for function in model.functions:
        waiting.extend(_inner(function.attribute_proto))
        waiting.extend(_inner(_attributes(function.node)))
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting.extend(_inner(_attributes(graph.node)))


def _inner(attributes: Iterable[AttributeProto]) -> Iterator[GraphProto]:
    for attribute in attributes:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _attributes(nodes: Iterable[NodeProto]) -> Iterator[AttributeProto]:
    for node in nodes:
        yield from node.attribute


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    sparse: list[SparseTensorProto] = []
    for graph in _graphs(model):
        yield from graph.initializer
        sparse.extend(graph.sparse_initializer)
    defaults = (attribute for function in model.functions for attribute in function.attribute_proto)
    for attribute in chain(defaults, _attributes(_nodes(model))):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
        sparse.extend(attribute.sparse_tensors)
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices
