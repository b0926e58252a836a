"""ONNX graphs as values: sessions, optimisation, canonical names and structure.

The same graph always gives the same bytes. onnxruntime's optimiser names and orders nodes arbitrarily (hash tables,
counters), so ``canonical`` renames and sorts its output.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
from onnx import TensorProto, helper

OPSET: Final = 17
OUTPUTS: Final = ("probabilities", "embedding", "novelty")
MIDDLE: Final = "middle"  # the output of a feature graph with the means of intermediate layers
HEAD_INPUTS: Final = "head.inputs"  # a tensor that the head reads in place of ``features``, if the graph has it

# It quantises nodes that were left in float on purpose, to 8 bits, which saturate without VNNI.
_REQUANTISING: Final = ["WeightBiasQuantization"]

Level = Literal["basic", "extended"]


def session(model: bytes, *, optimise: bool = False) -> ort.InferenceSession:
    """Opens a graph on one thread, so that sums do not depend on the number of cores.

    ``optimise`` lets onnxruntime optimise it for this machine; releases are optimised already.
    """
    options = _options()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised
    return options


def optimise(model: onnx.ModelProto, level: Level) -> onnx.ModelProto:
    """Runs onnxruntime's offline optimiser, then ``canonical``.

    ``basic`` folds constants and batch normalisation, with standard operators only. ``extended`` fuses operators into
    those of onnxruntime that run on any CPU; the next level would arrange weights for this CPU.
    """
    options = _options()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_BASIC if level == "basic" else levels.ORT_ENABLE_EXTENDED
    with tempfile.TemporaryDirectory(prefix="larder-") as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            model.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_REQUANTISING,
        )
        return canonical(onnx.load(path))


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with names by position, constants in order of use, and no comments."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    fixed = {value.name for value in (*graph.input, *graph.output)}
    names: dict[str, str] = {name: name for name in fixed} | {"": ""}
    order: list[onnx.TensorProto] = []
    for number, node in enumerate(graph.node):
        for name in node.input:
            if name in constants and name not in names:
                names[name] = f"w{len(order)}"
                order.append(constants[name])
        for slot, name in enumerate(node.output):
            names.setdefault(name, f"t{number}" if slot == 0 else f"t{number}.{slot}")
    for number, node in enumerate(graph.node):
        _rename(node, names, f"{number}.{node.op_type}")
    for tensor in order:
        tensor.name, tensor.doc_string = names[tensor.name], ""
    made = helper.make_graph(graph.node, "larder", graph.input, graph.output, order)
    used = {node.domain if node.domain != "ai.onnx" else "" for node in graph.node} | {""}
    opsets = sorted((o for o in model.opset_import if o.domain in used), key=lambda opset: opset.domain)
    return helper.make_model(made, opset_imports=opsets, ir_version=min(max(model.ir_version, 8), 10))


def _rename(node: onnx.NodeProto, names: dict[str, str], name: str) -> None:
    inputs, outputs = [names[i] for i in node.input], [names[o] for o in node.output]
    del node.input[:], node.output[:]
    node.input.extend(inputs)
    node.output.extend(outputs)
    node.name, node.doc_string = name, ""
    attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
    del node.attribute[:]
    node.attribute.extend(attributes)


def prune(model: onnx.ModelProto) -> None:
    """Removes nodes that no output needs, and their constants."""
    needed = {value.name for value in model.graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(constants)


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The file's bytes; equal graphs give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operator set that the graph uses."""
    return next(int(opset.version) for opset in model.opset_import if opset.domain in {"", "ai.onnx"})


def structure(model: onnx.ModelProto) -> dict[str, object]:
    """The graph's structure, for the manifest: inputs, outputs, operators with counts, number of parameters."""

    def tensors(values: Iterable[onnx.ValueInfoProto]) -> list[dict[str, object]]:
        return [
            {
                "name": value.name,
                "type": TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower(),
                "shape": [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
            }
            for value in values
        ]

    operators = Counter(f"{node.domain}.{node.op_type}".lstrip(".") for node in model.graph.node)
    return {
        "opset": opset(model),
        "inputs": tensors(model.graph.input),
        "outputs": tensors(model.graph.output),
        "operators": dict(sorted(operators.items())),
        "parameters": sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
    }
