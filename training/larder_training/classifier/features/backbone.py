"""Turns a pretrained network in an ONNX file into a graph ``image`` -> ``features`` that includes preprocessing.

The preprocessing comes from options, then from ``--backbone-spec``, then from ``<backbone>.json`` next to the file.
Missing values come from the graph or from defaults, which are reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, shape_inference

from larder.errors import InvalidModel, InvalidRequest
from larder.release.serving import ImageSpec, Resampling
from larder_training.classifier.config.preprocessing import Preprocessing, read_spec
from larder_training.classifier.features.backbone_file import ImageInput, check_outputs, find_features, find_input
from larder_training.classifier.onnx.dynamic_batch import BATCHES, compare_batches, free_batch
from larder_training.classifier.onnx.file import read_graph
from larder_training.classifier.onnx.graph import optimise, prune
from larder_training.classifier.onnx.quantization import is_quantized

DEFAULT_MEAN: Final = 127.5  # x / 127.5 - 1, the most common convention for 0..255
DEFAULT_STD: Final = 127.5
DEFAULT_CROP: Final = 0.875  # "short side 256, centre 224"
DEFAULT_CROP_NOTE: Final = f"the central {DEFAULT_CROP:g} of the short side"
DEFAULT_RESAMPLING: Final[Resampling] = "bilinear"
Undecided = Literal["layers", "crop"]
Scaling = tuple[Sequence[float], Sequence[float]]  # mean and std

_PREFIX: Final = "backbone."


@dataclass(frozen=True, slots=True)
class FeatureGraph:
    """A float graph ``image`` uint8 ``[N, H, W, 3]`` -> ``features`` float32 ``[N, D]``.

    It may have a second output ``middle`` ``[N, M]``, which the head reads after the features
    (``intermediate_layers.with_intermediate_layers``).

    Attributes:
        model: The graph.
        image_spec: How images become its input.
        description: The backbone, for the manifest.
        assumed: Defaults that were used for missing preprocessing, for the log and the manifest.
        dtype: "int8" if the graph is quantised already, as a parent release's may be, else "float32".
        undecided: Settings that no option specifies, which ``selection.layer_search`` may choose.
        file: The backbone's ONNX file if its scaling may be wrong (``selection.preprocessing_check``). None: the
            scaling is known, or part of the network.
    """

    model: onnx.ModelProto
    image_spec: ImageSpec
    description: dict[str, object]
    assumed: tuple[str, ...] = ()
    dtype: str = "float32"
    undecided: frozenset[Undecided] = frozenset()
    file: Path | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that the head reads, in this order: ``features``, and ``middle`` if the graph has it."""
        return tuple(value.name for value in self.model.graph.output)

    @property
    def dimensions(self) -> int:
        """The number of features, D."""
        return int(self.model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def load_backbone(path: Path, stated: Preprocessing, source: dict[str, object]) -> FeatureGraph:
    """Loads a backbone and prepends its preprocessing.

    Args:
        path: An ONNX file with one RGB input ``[N, 3, H, W]`` or ``[N, H, W, 3]``, float32 or uint8.
        stated: Preprocessing from options and ``--backbone-spec``; ``<path>.json`` completes it.
        source: The origin of the file, for the manifest.

    Raises:
        InvalidRequest: The file or its preprocessing is unsuitable; the message says what to give.
        InvalidModel: The file is not an ONNX graph that runs.
    """
    stated = stated.over(beside_spec(path))
    model = read_graph(path)
    entry = find_input(model, stated.input_size)
    assumed: list[str] = []
    if entry.any_size:
        assumed.append(f"input size {entry.size}")
    output = stated.output or _assume(assumed, "features are the tensor", find_features(model))
    spec = _image_spec(stated, entry.size, assumed)
    mean, std = _scaling(stated, assumed, entry)
    outputs = output.split(",")
    check_outputs(model, outputs)
    optimised = _build(model, path.name, entry, outputs, (mean, std))
    description = {
        **source,
        "output": output,
        "mean": list(mean),
        "std": list(std),
        "input_size": entry.size,
        "assumed": assumed,
        "features": int(optimised.graph.output[0].type.tensor_type.shape.dim[1].dim_value),
    }
    open_to_choice: dict[Undecided, object] = {"layers": stated.output, "crop": stated.resize_short}
    undecided = frozenset(name for name, value in open_to_choice.items() if value is None)
    dtype = "int8" if is_quantized(optimised) else "float32"
    file = None if entry.eight_bit else path
    return FeatureGraph(optimised, spec, description, tuple(assumed), dtype, undecided, file)


def _build(
    model: onnx.ModelProto, name: str, entry: ImageInput, outputs: Sequence[str], scaling: Scaling
) -> onnx.ModelProto:
    """The graph ``image`` -> ``features``, for batches of any size.

    Raises:
        InvalidModel: The graph does not run, or its batch cannot be freed.
    """
    noise = np.random.default_rng(0).integers(0, 256, (max(BATCHES), entry.size, entry.size, 3)).astype(np.uint8)
    freed = free_batch(model, entry.name, entry.batch or 1)
    first: Exception | None = None
    outcomes = set()
    # What states that it takes any batch most likely does.
    for candidate in chain(freed, [model]) if entry.batch else chain([model], freed):
        try:
            built = _preprocessed(candidate, entry, outputs, scaling)
        except InvalidRequest:
            raise
        except Exception as error:  # noqa: BLE001  # onnxruntime raises all kinds of errors
            first = first or error
            continue
        outcomes.add(outcome := compare_batches(built, noise))
        if outcome == "equal":
            return built
        if outcome == "not finite":
            raise InvalidModel(
                f"The backbone {name} makes NaN or infinity of every image. Check --mean and --std, or export it in "
                "float32 from an intact checkpoint."
            )
    if first is not None and not outcomes:
        raise InvalidModel(f"onnxruntime cannot run {name}: {_reason(first)}. Export it again.") from first
    if "different" in outcomes and not entry.batch:
        raise InvalidModel(
            f"{name} makes other features of an image in another batch, as graphs in training mode or with dynamic "
            "quantisation do. Export it for inference, in float32."
        )
    raise InvalidModel(
        f"The backbone {name}: its batch is fixed at {entry.batch or 1}. Export it with a dynamic batch "
        '(torch.onnx.export(..., dynamic_axes={"input": {0: "N"}})).'
    )


def _reason(error: Exception) -> str:
    """The first line of an error of onnxruntime, without its codes."""
    text = str(error).strip().split("\n", maxsplit=1)[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)[:300].rstrip(". ")


def _preprocessed(
    model: onnx.ModelProto, entry: ImageInput, outputs: Sequence[str], scaling: Scaling
) -> onnx.ModelProto:
    # The prefix keeps the names of the backbone's tensors apart from Larder's.
    model = compose.add_prefix(model, _PREFIX)
    _normalise(model, entry, *scaling)
    _pool(model, outputs, channels_last=entry.layout == "NHWC")
    prune(model)
    return optimise(model, "basic")


def beside_spec(path: Path) -> Preprocessing:
    """The preprocessing in ``<path>.json``, or in the file with the suffix ``.json`` in place of the backbone's."""
    beside = path.with_name(path.name + ".json")
    if not beside.exists():
        beside = path.with_suffix(".json")
    return read_spec(beside) if beside.exists() else Preprocessing()


def _assume(assumed: list[str], what: str, value: str) -> str:
    assumed.append(f"{what} {value}")
    return value


def _image_spec(stated: Preprocessing, size: int, assumed: list[str]) -> ImageSpec:
    crop = size / stated.resize_short if stated.resize_short else DEFAULT_CROP
    if crop > 1:
        raise InvalidRequest(f"resize_short {stated.resize_short} is less than the input size {size}. Raise it.")
    if not stated.resize_short:
        assumed.append(DEFAULT_CROP_NOTE)
    if not stated.resampling:
        assumed.append(f"{DEFAULT_RESAMPLING} resampling")
    return ImageSpec(size, size, crop=crop, resampling=stated.resampling or DEFAULT_RESAMPLING)


def _scaling(stated: Preprocessing, assumed: list[str], entry: ImageInput) -> Scaling:
    if entry.eight_bit:
        if stated.mean or stated.std:
            raise InvalidRequest(
                f"The backbone's input {entry.name!r} takes pixels as they are (uint8): leave out --mean and --std."
            )
        return (0.0,), (1.0,)
    if not stated.mean:
        assumed.append(f"mean {DEFAULT_MEAN}")
    if not stated.std:
        assumed.append(f"std {DEFAULT_STD}")
    return stated.mean or (DEFAULT_MEAN,), stated.std or (DEFAULT_STD,)


def _normalise(model: onnx.ModelProto, entry: ImageInput, mean: Sequence[float], std: Sequence[float]) -> None:
    """Prepends ``image`` -> float -> NCHW -> ``x * (1 / std) + (-mean / std)``, as the input needs it."""
    graph, name = model.graph, _PREFIX + entry.name
    planes = entry.layout == "NCHW"
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if not entry.eight_bit:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
    if planes:
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if not entry.eight_bit:
        scale = np.broadcast_to(1 / np.asarray(std, np.float64), 3)
        shift = -np.broadcast_to(np.asarray(mean, np.float64), 3) * scale
        for constant, values in (("larder.scale", scale), ("larder.shift", shift)):
            shaped = values.reshape(1, 3, 1, 1) if planes else values.reshape(1, 1, 1, 3)
            graph.initializer.append(numpy_helper.from_array(shaped.astype(np.float32), constant))
        steps += [("Mul", ["larder.scale"], {}), ("Add", ["larder.shift"], {})]
    nodes, source = [], "image"
    steps = steps or [("Identity", [], {})]
    for number, (operator, constants, attributes) in enumerate(steps, start=1):
        to = name if number == len(steps) else f"larder.{operator.lower()}"
        nodes.append(helper.make_node(operator, [source, *constants], [to], **attributes))
        source = to
    nodes += graph.node
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", entry.size, entry.size, 3]))


def _pool(model: onnx.ModelProto, outputs: Sequence[str], *, channels_last: bool) -> None:
    """Makes the concatenated tensors the graph's only output, ``features`` ``[N, D]``.

    Maps ``[N, D, h, w]`` are averaged over their positions, and a transformer's tokens ``[N, T, D]`` over the tokens.
    With ``channels_last``, the graph's own outputs and what such a graph transposes for them are ``[N, h, w, D]``.
    """
    graph, tensors = model.graph, [_PREFIX + output for output in outputs]
    last = _channels_last(graph) if channels_last else set[str]()
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(tensor) for tensor in tensors)
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    flat: list[str] = []
    sizes: list[int] = []
    for output, tensor, value in zip(outputs, tensors, inferred.graph.output, strict=True):
        shape = value.type.tensor_type.shape.dim
        axis = len(shape) - 1 if len(shape) == 3 or tensor in last else 1
        if len(shape) not in {2, 3, 4} or not shape[axis].dim_value:
            known = [dim.dim_param or dim.dim_value for dim in shape]
            raise InvalidRequest(
                f"The tensor {output!r} has the shape {known}; [N, D], [N, T, D] or [N, D, h, w] is needed. Give "
                "another with --output."
            )
        graph.node.extend(_flatten(tensor, len(shape), f"larder.{len(flat)}", last=tensor in last))
        flat.append(f"larder.{len(flat)}")
        sizes.append(shape[axis].dim_value)
    if len(flat) == 1:
        graph.node.append(helper.make_node("Identity", flat, ["features"]))
    else:
        graph.node.append(helper.make_node("Concat", flat, ["features"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", sum(sizes)]))


def _channels_last(graph: onnx.GraphProto) -> set[str]:
    """The maps ``[N, h, w, D]`` of a graph whose images are ``[N, h, w, 3]``.

    TensorFlow's converter transposes to channels first for each convolution, and back for what follows.
    """
    transposed = {
        node.output[0]
        for node in graph.node
        if node.op_type == "Transpose" and list(node.attribute[0].ints if node.attribute else ()) == [0, 2, 3, 1]
    }
    return transposed | {value.name for value in graph.output if len(value.type.tensor_type.shape.dim) == 4}


def _flatten(tensor: str, rank: int, to: str, *, last: bool) -> list[onnx.NodeProto]:
    """Averages a tensor of this rank to ``[N, D]``."""
    if rank == 2:
        return [helper.make_node("Identity", [tensor], [to])]
    nodes = []
    if rank == 3 or last:  # as a map of T positions; ReduceMean passes its axes differently in different opsets
        order = [0, 2, 1] if rank == 3 else [0, 3, 1, 2]
        nodes.append(helper.make_node("Transpose", [tensor], [f"{to}.channels"], perm=order))
        tensor = f"{to}.channels"
    nodes.append(helper.make_node("GlobalAveragePool", [tensor], [f"{to}.pooled"]))
    nodes.append(helper.make_node("Flatten", [f"{to}.pooled"], [to], axis=1))
    return nodes
