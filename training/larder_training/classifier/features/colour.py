"""Colour statistics of the image, computed in the graph, so that a request needs only the image.

The mean and standard deviation of each channel, and a histogram of each opponent colour (red against green, yellow
against blue, intensity; van de Sande et al., 2010, "Evaluating Color Descriptors for Object and Scene Recognition") in
eight bins, where each pixel counts for its two nearest bins: 30 numbers from 0 to 1.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from larder.release.serving import ImageSpec
from larder_training.classifier.features.hog import COLOUR_BINS, OPPONENT, OPPONENT_OFFSET
from larder_training.classifier.onnx.graph import OPSET

COLOUR_OUTPUT: Final = "colour"
COLOUR_WIDTH: Final = 6 + len(OPPONENT) * COLOUR_BINS
_GRID: Final = 32  # the histogram counts means of squares, at least this many along the shorter side


def add_colour_statistics(graph: onnx.GraphProto, image: ImageSpec) -> None:
    """Adds nodes that compute ``colour`` float32 ``[N, 30]`` from the graph's input ``image``."""
    graph.node.extend(_moments())
    graph.node.extend(_histogram(max(1, min(image.height, image.width) // _GRID)))
    graph.node.append(
        helper.make_node("Concat", ["colour.mean", "colour.deviation", "colour.bins"], [COLOUR_OUTPUT], axis=1)
    )
    centres = (np.arange(COLOUR_BINS) + 0.5) / COLOUR_BINS
    constants = {
        "colour.scale": 1 / 255,
        "colour.weights": np.repeat(np.array(OPPONENT), COLOUR_BINS, axis=0).reshape(-1, 3, 1, 1),
        "colour.centres": np.concatenate([offset - centres for offset in OPPONENT_OFFSET]),
        "colour.count": float(COLOUR_BINS),
        "colour.one": 1.0,
    }
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()
    )


def colour_graph(image: ImageSpec) -> onnx.ModelProto:
    """A graph ``image`` uint8 ``[N, H, W, 3]`` -> ``colour``, for training."""
    shape: list[str | int | None] = ["N", image.height, image.width, 3]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)]
    outputs = [helper.make_tensor_value_info(COLOUR_OUTPUT, TensorProto.FLOAT, ["N", COLOUR_WIDTH])]
    graph = helper.make_graph([], "larder", inputs, outputs)
    add_colour_statistics(graph, image)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _moments() -> Iterator[onnx.NodeProto]:
    node = helper.make_node
    yield node("Cast", ["image"], ["colour.float"], to=TensorProto.FLOAT)
    yield node("Transpose", ["colour.float"], ["colour.planes"], perm=[0, 3, 1, 2])
    yield node("Mul", ["colour.planes", "colour.scale"], ["colour.pixels"])
    yield node("Mul", ["colour.pixels", "colour.pixels"], ["colour.squares"])
    for what, whole in (("pixels", "mean"), ("squares", "square")):
        yield node("GlobalAveragePool", [f"colour.{what}"], [f"colour.{whole}.map"])
        yield node("Flatten", [f"colour.{whole}.map"], [f"colour.{whole}"])
    yield node("Mul", ["colour.mean", "colour.mean"], ["colour.mean2"])
    yield node("Sub", ["colour.square", "colour.mean2"], ["colour.difference"])
    yield node("Relu", ["colour.difference"], ["colour.variance"])  # rounding may leave it a little below 0
    yield node("Sqrt", ["colour.variance"], ["colour.deviation"])


def _histogram(square: int) -> Iterator[onnx.NodeProto]:
    node = helper.make_node
    yield node("AveragePool", ["colour.pixels"], ["colour.grid"], kernel_shape=[square] * 2, strides=[square] * 2)
    yield node("Conv", ["colour.grid", "colour.weights", "colour.centres"], ["colour.apart"])
    yield node("Abs", ["colour.apart"], ["colour.distance"])
    yield node("Mul", ["colour.distance", "colour.count"], ["colour.in_bins"])
    yield node("Sub", ["colour.one", "colour.in_bins"], ["colour.share"])
    yield node("Relu", ["colour.share"], ["colour.votes"])
    yield node("GlobalAveragePool", ["colour.votes"], ["colour.bins.map"])
    yield node("Flatten", ["colour.bins.map"], ["colour.bins"])
