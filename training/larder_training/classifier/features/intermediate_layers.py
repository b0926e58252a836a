"""Middle layers of a backbone: their means over the picture, beside the last layer's features.

What a last layer gave up, because the classes that it was taught did not need it, often tells others apart (Evci et
al., 2022, "Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning"). The graph computes these
layers in any case; their means are a few hundred numbers more for the head to read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import onnx
from onnx import TensorProto, helper, shape_inference

from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.onnx.graph import MIDDLE, optimise

MAX_LAYERS: Final = 3  # layers; earlier ones see edges and colours alone

Shape = tuple[int, int, int]


def with_intermediate_layers(features: FeatureGraph) -> FeatureGraph | None:
    """The same graph with one more output, ``middle`` ``[N, M]``; None where it has no layers to take it from."""
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
    told = [" x ".join(map(str, shapes[name])) for name in names]
    return replace(
        features, model=optimise(model, "basic"), description={**features.description, "middle_layers": told}
    )


def stages(model: onnx.ModelProto, shapes: Mapping[str, Shape], dimensions: int) -> list[str]:
    """The names of the last tensors of the stages before the last layer, at most ``MAX_LAYERS``, in the graph's order.

    In a residual network these are the last sums of each shape; they carry everything from one block to the next. In
    any other, the last map of each size. What the features (``dimensions`` of them) are pooled from is left out.
    """
    sums = {shapes[name]: name for name in _sums(model, shapes)}
    if sums:
        found = [name for (channels, *_), name in sums.items() if channels != dimensions]
    else:
        sizes = {shape[1:]: name for name, shape in shapes.items()}
        found = list(sizes.values())[:-1]
    order = list(shapes)
    return sorted(found, key=order.index)[-MAX_LAYERS:]


def _sums(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> Iterator[str]:
    for node in model.graph.node:
        if node.op_type == "Add" and all(name in shapes for name in (*node.input, *node.output)):
            yield str(node.output[0])


def _maps(model: onnx.ModelProto) -> dict[str, Shape]:
    """Every tensor ``[N, C, h, w]`` with h x w over 1 behind the first convolution, in the graph's order."""
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    known = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred.value_info}
    found: dict[str, Shape] = {}
    begun = False
    for node in model.graph.node:
        begun = begun or node.op_type == "Conv"
        shape = known.get(node.output[0], [])
        if begun and len(shape) == 4 and all(shape[1:]) and shape[2] * shape[3] > 1:
            found[str(node.output[0])] = (shape[1], shape[2], shape[3])
    return found
