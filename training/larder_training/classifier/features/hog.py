"""Features that need no download: histograms of oriented gradients (HOG) and colour, as an ONNX graph.

HOG follows Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection" (CVPR 2005): square-root gamma,
centred differences, nine unsigned orientations with linear interpolation, 8 x 8 cells, overlapping 2 x 2 blocks,
L2-Hys normalisation. Colour is the mean and standard deviation of each channel in 4 x 4 cells, and soft histograms of
the three opponent colours in 2 x 2 cells. A grey image has constant colour features.
"""

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from larder.errors import InvalidRequest
from larder.release.serving import ImageSpec, Resampling
from larder_training.classifier.onnx.builder import GraphBuilder

ORIENTATIONS: Final = 9
CELLS: Final = 8  # along each side
COLOUR_CELLS: Final = 4
COLOUR_BINS: Final = 8
INPUT_SIZE: Final = 64

# Luma of Rec. 601; red against green, yellow against blue, and intensity, each scaled to 0..1.
LUMA: Final = (0.299, 0.587, 0.114)
OPPONENT: Final = ((0.5, -0.5, 0.0), (0.25, 0.25, -0.5), (1 / 3, 1 / 3, 1 / 3))
OPPONENT_OFFSET: Final = (0.5, 0.5, 0.0)


def image_spec(input_size: int | None, resampling: Resampling | None) -> ImageSpec:
    """The input that the built-in features take: a square of ``input_size`` pixels, a multiple of 8."""
    size = input_size or INPUT_SIZE
    if size % CELLS or size < 2 * CELLS:
        raise InvalidRequest(f"The input size is {size}; the built-in features need a multiple of 8 from 16 on.")
    return ImageSpec(size, size, crop=1.0, resampling=resampling or "bilinear")


def feature_graph(size: int) -> onnx.ModelProto:
    """The graph ``image`` uint8 ``[N, size, size, 3]`` -> ``feature_graph`` float32 ``[N, D]``; D is ``width()``."""
    graph = GraphBuilder()
    pixels = _pixels(graph)
    parts = [_hog(graph, pixels, size), _moments(graph, pixels, size), _histogram(graph, pixels, size)]
    graph.add("Concat", *parts, to="features", axis=1)
    shape = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width()]),
    ]
    return graph.model("larder", shape[:1], shape[1:])


def width() -> int:
    """D: the HOG's blocks, the colour moments and the colour histograms."""
    return (CELLS - 1) ** 2 * 4 * ORIENTATIONS + COLOUR_CELLS**2 * 6 + 4 * 3 * COLOUR_BINS


def centres() -> NDArray[np.float32]:
    """The middles of the orientation bins, radians in (-pi/2, pi/2)."""
    return ((np.arange(ORIENTATIONS) + 0.5) * np.pi / ORIENTATIONS - np.pi / 2).astype(np.float32)


def _pixels(graph: GraphBuilder) -> str:
    graph.nodes.append(helper.make_node("Cast", ["image"], ["as_float"], name="as_float", to=TensorProto.FLOAT))
    graph.add("Transpose", "as_float", to="planes", perm=[0, 3, 1, 2])
    return graph.add("Mul", "planes", graph.constant("per_255", 1 / 255), to="pixels")  # [N, 3, H, W], 0..1


def _hog(graph: GraphBuilder, pixels: str, size: int) -> str:
    graph.add("Conv", pixels, graph.constant("luma", np.reshape(LUMA, (1, 3, 1, 1))), to="luma_plane")
    graph.add("Sqrt", "luma_plane", to="gamma")
    one_around = graph.constant("one_around", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    graph.add("Pad", "gamma", one_around, to="padded", mode="edge")
    kernels = np.zeros((2, 1, 3, 3))
    kernels[0, 0, 1], kernels[1, 0, :, 1] = (-1, 0, 1), (-1, 0, 1)
    graph.add("Conv", "padded", graph.constant("differences", kernels), to="gradient")  # [N, 2, H, W]: x, y
    graph.constant("one_each", [1, 1], np.int64)
    graph.nodes.append(helper.make_node("Split", ["gradient", "one_each"], ["gx", "gy"], name="split", axis=1))
    votes = _votes(graph)
    graph.add("AveragePool", votes, to="cells", kernel_shape=[size // CELLS] * 2, strides=[size // CELLS] * 2)
    corners = np.zeros((4 * ORIENTATIONS, ORIENTATIONS, 2, 2))
    for corner in range(4):
        for bin_ in range(ORIENTATIONS):
            corners[corner * ORIENTATIONS + bin_, bin_, corner // 2, corner % 2] = 1
    graph.add("Conv", "cells", graph.constant("corners", corners), to="blocks")  # [N, 36, 7, 7]
    once = _normalised(graph, "blocks", "once")
    graph.add("Min", once, graph.constant("clip", 0.2), to="clipped")
    return graph.add("Flatten", _normalised(graph, "clipped", "twice"), to="hog")


def _votes(graph: GraphBuilder) -> str:
    """Each pixel's gradient, shared between the two nearest orientations: ``[N, 9, H, W]``."""
    graph.add("Mul", "gx", "gx", to="gx2")
    graph.add("Mul", "gy", "gy", to="gy2")
    graph.add("Add", "gx2", "gy2", to="g2")
    graph.add("Sqrt", "g2", to="magnitude")
    graph.add("Abs", "gx", to="gx_abs")
    graph.add("Less", "gx_abs", graph.constant("tiny", 1e-6), to="upright")
    graph.add("Where", "upright", "tiny", "gx", to="gx_safe")  # ONNX has no Atan2
    graph.add("Div", "gy", "gx_safe", to="slope")
    graph.add("Atan", "slope", to="angle")
    graph.add("Sub", "angle", graph.constant("centres", centres().reshape(1, -1, 1, 1)), to="apart")
    graph.add("Abs", "apart", to="apart_abs")
    graph.add("Sub", graph.constant("half_turn", np.pi), "apart_abs", to="apart_around")
    graph.add("Min", "apart_abs", "apart_around", to="nearest")
    graph.add("Mul", "nearest", graph.constant("per_bin", ORIENTATIONS / np.pi), to="bins_apart")
    graph.add("Sub", graph.constant("one", 1.0), "bins_apart", to="share")
    graph.add("Relu", "share", to="weight")
    return graph.add("Mul", "weight", "magnitude", to="votes")


def _normalised(graph: GraphBuilder, blocks: str, name: str) -> str:
    graph.add("ReduceSumSquare", blocks, to=f"{name}_squares", axes=[1], keepdims=1)
    graph.add("Add", f"{name}_squares", graph.constant(f"{name}_epsilon", 1e-4), to=f"{name}_safe")
    graph.add("Sqrt", f"{name}_safe", to=f"{name}_norm")
    return graph.add("Div", blocks, f"{name}_norm", to=name)


def _moments(graph: GraphBuilder, pixels: str, size: int) -> str:
    cell = {"kernel_shape": [size // COLOUR_CELLS] * 2, "strides": [size // COLOUR_CELLS] * 2}
    graph.add("AveragePool", pixels, to="colour_mean", **cell)
    graph.add("Mul", pixels, pixels, to="pixels2")
    graph.add("AveragePool", "pixels2", to="colour_mean2", **cell)
    graph.add("Mul", "colour_mean", "colour_mean", to="mean_squared")
    graph.add("Sub", "colour_mean2", "mean_squared", to="variance_raw")
    graph.add("Relu", "variance_raw", to="variance")  # rounding may leave it a little below 0
    graph.add("Sqrt", "variance", to="colour_deviation")
    graph.add("Concat", "colour_mean", "colour_deviation", to="colour_cells", axis=1)
    return graph.add("Flatten", "colour_cells", to="moments")


def _histogram(graph: GraphBuilder, pixels: str, size: int) -> str:
    weights = graph.constant("opponent", np.repeat(np.array(OPPONENT), COLOUR_BINS, axis=0).reshape(-1, 3, 1, 1))
    bins = (np.arange(COLOUR_BINS) + 0.5) / COLOUR_BINS
    offsets = np.concatenate([offset - bins for offset in OPPONENT_OFFSET])
    graph.add("Conv", pixels, weights, graph.constant("colour_bins", offsets), to="from_bin")  # [N, 24, H, W]
    graph.add("Abs", "from_bin", to="from_bin_abs")
    graph.add("Mul", "from_bin_abs", graph.constant("bins", float(COLOUR_BINS)), to="colour_bins_apart")
    graph.add("Sub", "one", "colour_bins_apart", to="colour_share")
    graph.add("Relu", "colour_share", to="colour_votes")
    graph.add(
        "AveragePool", "colour_votes", to="colour_quarters", kernel_shape=[size // 2] * 2, strides=[size // 2] * 2
    )
    return graph.add("Flatten", "colour_quarters", to="histogram")
