"""Intermediate layers of a backbone: their means over the image, in addition to the last layer's features.

The last layer drops information that its own classes did not need but that may separate others (Evci et al., 2022,
"Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning"). The graph computes these layers
anyway; their means add a few hundred features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import onnx
from onnx import TensorProto, helper, shape_inference

from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.onnx.graph import MIDDLE, optimise

MAX_LAYERS: Final = 3  # earlier layers describe edges and colours only

Shape = tuple[int, int, int]


def with_intermediate_layers(features: FeatureGraph) -> FeatureGraph | None:
    """The graph with a second output ``middle`` ``[N, M]``; None if it has no suitable layers."""
    shapes = _maps(features.model)
    names = stages(features.model, shapes, features.dimensions)
    if not names:
        return None
    model = onnx.ModelProto()
    model.CopyFrom(features.model)
    for number, name in enumerate(names):
        model.graph.node.append(helper.make_node("GlobalAveragePool", [name], [f"middle.{number}.mean"]))
        model.graph.node.append(helper.make_node("Flatten", [f"middle.{number}.mean"], [f"middle.{number}"], axis=1))
    model.graph.node.append(helper.make_node("Concat", [f"middle.{n}" for n in range(len(names))], [MIDDLE], axis=1))
    width = sum(shapes[name][0] for name in names)
    model.graph.output.append(helper.make_tensor_value_info(MIDDLE, TensorProto.FLOAT, ["N", width]))
    layers = [" x ".join(map(str, shapes[name])) for name in names]
    return replace(
        features, model=optimise(model, "basic"), description={**features.description, "middle_layers": layers}
    )


def stages(model: onnx.ModelProto, shapes: Mapping[str, Shape], dimensions: int) -> list[str]:
    """The names of the last tensors of the stages before the last layer, at most ``MAX_LAYERS``, in the graph's order.

    In a residual network, these are the last sums of each shape, which pass all information from block to block. In
    other networks, it is the last map of each size. The map that the features (``dimensions`` of them) are pooled from
    is left out.
    """
    sums = {shapes[name]: name for name in _sums(model, shapes)}
    if sums:
        layers_found = [name for (channels, *_), name in sums.items() if channels != dimensions]
    else:
        sizes = {shape[1:]: name for name, shape in shapes.items()}
        layers_found = list(sizes.values())[:-1]
    order = list(shapes)
    return sorted(layers_found, key=order.index)[-MAX_LAYERS:]


def _sums(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> Iterator[str]:
    for node in model.graph.node:
        if node.op_type == "Add" and all(name in shapes for name in (*node.input, *node.output)):
            yield str(node.output[0])


def _maps(model: onnx.ModelProto) -> dict[str, Shape]:
    """All tensors ``[N, C, h, w]`` with h x w > 1 after the first convolution, in the graph's order."""
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    known = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred.value_info}
    layers_found: dict[str, Shape] = {}
    after_convolution = False
    for node in model.graph.node:
        after_convolution = after_convolution or node.op_type == "Conv"
        shape = known.get(node.output[0], [])
        if after_convolution and len(shape) == 4 and all(shape[1:]) and shape[2] * shape[3] > 1:
            layers_found[str(node.output[0])] = (shape[1], shape[2], shape[3])
    return layers_found
