"""Reads an ONNX file that someone else exported: says what is wrong with it, and brings it to one usual form.

The usual form: weights in the file, float32, no local functions, weights not among the inputs, ``OPSET`` or newer, and
no Constant: what does not depend on the image is a weight.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, inliner, numpy_helper, version_converter
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data
from onnxruntime.capi.onnxruntime_pybind11_state import (  # type: ignore[import-untyped]  # ships no types
    get_all_operator_schema,
)

from larder.errors import InvalidModel, InvalidRequest
from larder.rollout.onnx_checks import DOMAINS
from larder_training.classifier.onnx.graph import OPSET

IR_VERSIONS: Final = (8, 10)  # onnxruntime and Lambda's layer read these; newer ones differ in what graphs here lack

_MAX_BYTES: Final = 2**31 - 1  # of protobuf
_HEAD: Final = 1024
_DATA: Final = TensorProto.DataType
_NARROW: Final = (_DATA.FLOAT16, _DATA.BFLOAT16, _DATA.DOUBLE)
_CONTRIBUTED: Final = "com.microsoft"  # operators of onnxruntime
_NUMBERS: Final = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
_EXPORT: Final = "Export the network to ONNX and give the .onnx file."
_OTHER_FORMATS: Final = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "Run git lfs pull and give it again."),
    (b"PK\x03\x04", "a ZIP archive or a PyTorch checkpoint (.pth)", _EXPORT),
    (b"\x80\x02", "a pickle, such as a PyTorch checkpoint (.pth)", _EXPORT),
    (b"\x89HDF", "an HDF5 file, such as Keras weights", _EXPORT),
    (b"\x1f\x8b", "compressed by gzip", "Unpack it."),
    (b"ORTM", "onnxruntime's own format (.ort)", "Give the .onnx file that it was made from."),
)


def read_graph(path: Path) -> onnx.ModelProto:
    """Reads a graph and converts it to the usual form.

    Raises:
        InvalidRequest: The file does not exist.
        InvalidModel: The file is not a usable ONNX graph; the message says why and what to do.
    """
    model = _load(path)
    if not model.graph.node:
        raise InvalidModel(f"{path.name} has no graph: it is empty, or not an ONNX file. Give an ONNX file.")
    _load_external_data(model, path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    _check_operators(model, path.name)
    _drop_weights_from_inputs(model)
    _to_float32(model)
    _check_weights(model, path.name)
    model = _convert(model, path.name)
    _constants_to_weights(model)
    return model


def _load(path: Path) -> onnx.ModelProto:
    if path.is_dir():
        raise InvalidRequest(f"The backbone {path.name!r} is a folder. Give the .onnx file inside.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise InvalidRequest(f"The backbone {path.name!r} does not exist. Check the path.") from error
    except OSError as error:
        raise InvalidRequest(f"The backbone {path.name!r} cannot be read ({error.strerror}). Check it.") from error
    if reason := _other_format(head):
        raise InvalidModel(f"{path.name} is {reason}")
    try:
        return onnx.load(path, format="protobuf", load_external_data=False)
    except Exception as error:
        raise InvalidModel(
            f"{path.name} is not an ONNX file, or it is incomplete ({type(error).__name__}). Give an ONNX file."
        ) from error


def _other_format(head: bytes) -> str:
    """What a file is if its first bytes are those of another format, with the remedy; else an empty text."""
    if not head:
        return "empty. Download or export it again."
    for magic, what, remedy in _OTHER_FORMATS:
        if head.startswith(magic):
            return f"{what}. {remedy}"
    if head[4:8] == b"TFL3":
        return f"a TensorFlow Lite file. {_EXPORT}"
    if head[8:10] == b'{"':
        return f"a safetensors file: weights without their graph. {_EXPORT}"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML page, such as a login page that a download ended at. Download the file itself."
    return ""


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    """Reads weights that are kept in files next to the graph.

    Raises:
        InvalidModel: One of these files is missing or incomplete, or all weights together are too large.
    """
    external = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    for location in sorted({str(ExternalDataInfo(tensor).location) for tensor in external}):
        if not (path.parent / location).is_file():
            raise InvalidModel(
                f"{path.name} keeps its weights in {location!r}, which is missing. Put that file next to it, or save "
                "the network in one file (torch.onnx.export(..., external_data=False))."
            )
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise InvalidModel(
            f"The weights of {path.name} in other files cannot be read ({str(error)[:200]}). Copy these files again."
        ) from error
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _MAX_BYTES:
        raise InvalidModel(f"{path.name} has more than 2 GB of weights. Give a smaller network.")


def _check_operators(model: onnx.ModelProto, name: str) -> None:
    version, newest = _standard_opset(model), defs.onnx_opset_version()
    if version > newest:
        raise InvalidModel(f"{name} has opset {version}; {newest} is the newest. Export it with {OPSET}.")
    contributed = {schema.name for schema in get_all_operator_schema() if schema.domain == _CONTRIBUTED}
    for node in model.graph.node:
        if node.domain not in DOMAINS or (node.domain == _CONTRIBUTED and node.op_type not in contributed):
            raise InvalidModel(
                f"{name} has the operator {node.op_type!r} of {node.domain!r}, which onnxruntime does not know. Export "
                "it with standard operators."
            )
        if any(a.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS} for a in node.attribute):
            raise InvalidModel(
                f"{name} has control flow (If, Loop or Scan), here {node.op_type!r}. Export it without, for inference."
            )
        if node.domain in {"", "ai.onnx"} and not _exists(node.op_type, version):
            raise InvalidModel(
                f"{name} has the operator {node.op_type!r}, which opset {version} does not have. Export it with "
                "standard operators."
            )


def _exists(operator: str, version: int) -> bool:
    with suppress(defs.SchemaError):
        return bool(defs.get_schema(operator, version, "") is not None)
    return False


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    """Before IR version 4, weights had to be listed as inputs; shape inference of newer versions ignores them there."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = min(max(model.ir_version, IR_VERSIONS[0]), IR_VERSIONS[1])


def _to_float32(model: onnx.ModelProto) -> None:
    """Half and double precision become float32, which every kernel has and which quantisation starts from."""
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in _NARROW:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    tensors = [*graph.initializer]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            if attribute.name in {"to", "dtype"} and attribute.i in _NARROW:
                attribute.i = TensorProto.FLOAT
    for tensor in tensors:
        if tensor.data_type in _NARROW:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _check_weights(model: onnx.ModelProto, name: str) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.isnan(numpy_helper.to_array(tensor)).any():
            raise InvalidModel(
                f"{name} has NaN among the weights {tensor.name[:80]!r}. Export it from a checkpoint that is intact."
            )


def _convert(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    version = _standard_opset(model)
    if version >= OPSET:
        return model
    kept = _other_opsets(model.opset_import)
    try:
        model = version_converter.convert_version(model, OPSET)
    except Exception as error:
        raise InvalidModel(
            f"{name} has opset {version}, which cannot be converted to {OPSET}. Export it with opset {OPSET}."
        ) from error
    missing = {opset.domain for opset in kept} - {opset.domain for opset in model.opset_import}
    model.opset_import.extend(opset for opset in kept if opset.domain in missing)
    return model


def _constants_to_weights(model: onnx.ModelProto) -> None:
    graph, kept = model.graph, []
    for node in graph.node:
        tensor = _constant_of(node) if node.op_type == "Constant" else None
        if tensor is None:
            kept.append(node)
        else:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(kept)


def _constant_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The numbers of a Constant, a copy; None for texts and sparse tensors."""
    for attribute in node.attribute:
        if attribute.name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(attribute.t)
            return tensor
        if attribute.name in _NUMBERS:
            values = np.array(helper.get_attribute_value(attribute), _NUMBERS[attribute.name])
            return numpy_helper.from_array(values)
    return None


def _standard_opset(model: onnx.ModelProto) -> int:
    return next((int(opset.version) for opset in model.opset_import if opset.domain in {"", "ai.onnx"}), 0)


def _other_opsets(opsets: Iterable[onnx.OperatorSetIdProto]) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid(opset.domain, opset.version) for opset in opsets if opset.domain not in {"", "ai.onnx"}]
