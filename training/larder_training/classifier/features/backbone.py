"""Turns a pretrained network in an ONNX file into a graph ``image`` -> ``features`` that includes preprocessing.

The preprocessing comes from options, then from ``--backbone-spec``, then from ``<backbone>.json`` next to the file.
Missing values come from the graph or from defaults, which are reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, shape_inference

from larder.errors import InvalidModel, InvalidRequest
from larder.release.serving import ImageSpec, Resampling
from larder_training.classifier.config.preprocessing import Preprocessing, read_spec
from larder_training.classifier.features.backbone_file import check_outputs, find_features, find_input, read_graph
from larder_training.classifier.onnx.graph import optimise, prune

DEFAULT_MEAN: Final = 127.5  # x / 127.5 - 1, the most common convention for 0..255
DEFAULT_STD: Final = 127.5
DEFAULT_CROP: Final = 0.875  # "short side 256, centre 224"
DEFAULT_CROP_NOTE: Final = f"the central {DEFAULT_CROP:g} of the short side"
DEFAULT_RESAMPLING: Final[Resampling] = "bilinear"
Undecided = Literal["layers", "crop"]

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
        dtype: "int8" if the graph is that of a parent release and quantised, else "float32".
        undecided: Settings that no option specifies, which ``selection.layer_search`` may choose.
    """

    model: onnx.ModelProto
    image_spec: ImageSpec
    description: dict[str, object]
    assumed: tuple[str, ...] = ()
    dtype: str = "float32"
    undecided: frozenset[Undecided] = frozenset()

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
        path: An ONNX file with one float32 input ``[N, 3, H, W]``, RGB.
        stated: Preprocessing from options and ``--backbone-spec``; ``<path>.json`` completes it.
        source: The origin of the file, for the manifest.

    Raises:
        InvalidRequest: The file or its preprocessing is unsuitable; the message says what to give.
        InvalidModel: The file is not an ONNX graph that runs.
    """
    beside = path.with_name(path.name + ".json")
    if not beside.exists():
        beside = path.with_suffix(".json")
    if beside.exists():
        stated = stated.over(read_spec(beside))
    model = read_graph(path)
    entry, size = find_input(model, stated.input_size)
    assumed: list[str] = []
    output = stated.output or _assume(assumed, "features are the tensor", find_features(model))
    spec = _image_spec(stated, size, assumed)
    mean, std = _scaling(stated, assumed)
    outputs = output.split(",")
    check_outputs(model, outputs)
    # The prefix keeps the names of the backbone's tensors apart from Larder's.
    model = compose.add_prefix(model, _PREFIX)
    _normalise(model, _PREFIX + entry, size, mean, std)
    _pool(model, outputs)
    prune(model)
    try:
        optimised = optimise(model, "basic")
    except Exception as error:
        raise InvalidModel(f"onnxruntime cannot run {path.name}: {str(error)[:300]}. Export it again.") from error
    description = {
        **source,
        "output": output,
        "mean": list(mean),
        "std": list(std),
        "input_size": size,
        "assumed": assumed,
        "features": int(optimised.graph.output[0].type.tensor_type.shape.dim[1].dim_value),
    }
    open_to_choice: dict[Undecided, object] = {"layers": stated.output, "crop": stated.resize_short}
    undecided = frozenset(name for name, value in open_to_choice.items() if value is None)
    return FeatureGraph(optimised, spec, description, tuple(assumed), undecided=undecided)


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


def _scaling(stated: Preprocessing, assumed: list[str]) -> tuple[Sequence[float], Sequence[float]]:
    if not stated.mean:
        assumed.append(f"mean {DEFAULT_MEAN}")
    if not stated.std:
        assumed.append(f"std {DEFAULT_STD}")
    return stated.mean or (DEFAULT_MEAN,), stated.std or (DEFAULT_STD,)


def _normalise(model: onnx.ModelProto, entry: str, size: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Prepends ``image`` -> float -> NCHW -> ``x * (1 / std) + (-mean / std)`` to the graph's input."""
    scale = np.broadcast_to(1 / np.asarray(std, np.float64), 3).reshape(1, 3, 1, 1)
    shift = -np.broadcast_to(np.asarray(mean, np.float64), 3).reshape(1, 3, 1, 1) * scale
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), "larder.scale"))
    graph.initializer.append(numpy_helper.from_array(shift.astype(np.float32), "larder.shift"))
    nodes = [
        helper.make_node("Cast", ["image"], ["larder.float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["larder.float"], ["larder.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["larder.planes", "larder.scale"], ["larder.scaled"]),
        helper.make_node("Add", ["larder.scaled", "larder.shift"], [entry]),
        *graph.node,
    ]
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3]))


def _pool(model: onnx.ModelProto, outputs: Sequence[str]) -> None:
    """Makes the concatenated tensors the graph's only output, ``features`` ``[N, D]``.

    Maps ``[N, D, h, w]`` are averaged over their positions, and a transformer's tokens ``[N, T, D]`` over the tokens.
    """
    graph, tensors = model.graph, [_PREFIX + output for output in outputs]
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(tensor) for tensor in tensors)
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    flat: list[str] = []
    sizes: list[int] = []
    for output, tensor, value in zip(outputs, tensors, inferred.graph.output, strict=True):
        shape = value.type.tensor_type.shape.dim
        axis = 2 if len(shape) == 3 else 1
        if len(shape) not in {2, 3, 4} or not shape[axis].dim_value:
            known = [dim.dim_param or dim.dim_value for dim in shape]
            raise InvalidRequest(
                f"The tensor {output!r} has the shape {known}; [N, D], [N, T, D] or [N, D, h, w] is needed. Give "
                "another with --output."
            )
        graph.node.extend(_flatten(tensor, len(shape), f"larder.{len(flat)}"))
        flat.append(f"larder.{len(flat)}")
        sizes.append(shape[axis].dim_value)
    if len(flat) == 1:
        graph.node.append(helper.make_node("Identity", flat, ["features"]))
    else:
        graph.node.append(helper.make_node("Concat", flat, ["features"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", sum(sizes)]))


def _flatten(tensor: str, rank: int, to: str) -> list[onnx.NodeProto]:
    """Averages a tensor of this rank to ``[N, D]``."""
    if rank == 2:
        return [helper.make_node("Identity", [tensor], [to])]
    nodes = []
    if rank == 3:  # as a map of T positions; ReduceMean passes its axes differently in different opsets
        nodes.append(helper.make_node("Transpose", [tensor], [f"{to}.channels"], perm=[0, 2, 1]))
        tensor = f"{to}.channels"
    nodes.append(helper.make_node("GlobalAveragePool", [tensor], [f"{to}.pooled"]))
    nodes.append(helper.make_node("Flatten", [f"{to}.pooled"], [to], axis=1))
    return nodes
