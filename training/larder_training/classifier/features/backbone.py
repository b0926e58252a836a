"""A pretrained network in an ONNX file, made into ``image`` -> ``features`` with its preprocessing inside.

The preprocessing comes from flags, then ``--backbone-spec``, then ``<backbone>.json`` beside the file. What none of
them states is taken from the graph or from ``DEFAULTS``, and told.
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

DEFAULT_MEAN: Final = 127.5  # x / 127.5 - 1, the commonest of the conventions for 0..255
DEFAULT_STD: Final = 127.5
DEFAULT_CROP: Final = 0.875  # "short side 256, centre 224"
DEFAULT_CROP_NOTE: Final = f"the central {DEFAULT_CROP:g} of the short side"
DEFAULT_RESAMPLING: Final[Resampling] = "bilinear"
Undecided = Literal["layers", "crop"]

_PREFIX: Final = "backbone."


@dataclass(frozen=True, slots=True)
class FeatureGraph:
    """A float graph ``image`` uint8 ``[N, H, W, 3]`` -> ``features`` float32 ``[N, D]``.

    It may make ``middle`` ``[N, M]`` too, which the head reads behind the features (``middle.with_middle``).
    ``image`` says how photos become its input. ``description`` goes into the manifest, ``assumed`` (what nobody stated,
    and what was taken for it) into the log and the manifest; ``undecided`` of that is what ``reading`` may choose.
    """

    model: onnx.ModelProto
    image_spec: ImageSpec
    description: dict[str, object]
    assumed: tuple[str, ...] = ()
    dtype: str = "float32"  # int8 where the graph is a parent release's that is quantised already
    undecided: frozenset[Undecided] = frozenset()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the head reads, in this order: ``features``, and ``middle`` where the graph makes it."""
        return tuple(value.name for value in self.model.graph.output)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def load_backbone(path: Path, stated: Preprocessing, source: dict[str, object]) -> FeatureGraph:
    """Reads a backbone and puts its preprocessing in front.

    Args:
        path: an ONNX file with one float32 input ``[N, 3, H, W]``, RGB.
        stated: what flags and ``--backbone-spec`` say; a ``<path>.json`` beside the file fills the rest.
        source: where the file came from, for the manifest.

    Raises:
        InvalidRequest: the file or its specification cannot be used so.
        InvalidModel: it is no ONNX graph that runs.
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
    # A prefix of its own, so that no tensor of the backbone is called as one of ours.
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
    undecided = frozenset(name for name, said in open_to_choice.items() if said is None)
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
    """Puts ``image`` -> float -> NCHW -> ``x * (1 / std) + (-mean / std)`` in front of the graph's input."""
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
    """Makes the tensors, one behind the other, the graph's only output, ``features`` ``[N, D]``.

    Maps ``[N, D, h, w]`` are averaged over their places, tokens ``[N, T, D]`` (of a transformer) over the tokens.
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
                f"The tensor {output!r} has the shape {known}; [N, D], [N, T, D] or [N, D, h, w] is needed. Name "
                "another."
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
    if rank == 3:  # as a map of T places; ReduceMean takes its axes in other ways in other opsets
        nodes.append(helper.make_node("Transpose", [tensor], [f"{to}.channels"], perm=[0, 2, 1]))
        tensor = f"{to}.channels"
    nodes.append(helper.make_node("GlobalAveragePool", [tensor], [f"{to}.pooled"]))
    nodes.append(helper.make_node("Flatten", [f"{to}.pooled"], [to], axis=1))
    return nodes
