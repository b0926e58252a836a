"""The graph of EfficientNet-Lite with Google's weights, built without PyTorch.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019); the Lite networks
(Google, 2020, tensorflow/tpu, Apache-2.0) leave out squeeze-and-excitation and use ReLU6, so that int8 loses little.
The order of the layers and the names of the weights are those of ``efficientnet_lite_pytorch``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from larder.errors import InvalidModel
from larder_training.classifier.backbones.torch_weights import Tensor
from larder_training.classifier.onnx.builder import GraphBuilder

CLASSES: Final = 1000
STEM: Final = 32
HEAD: Final = 1280
EPSILON: Final = 1e-3  # of batch normalisation
MULTIPLE: Final = 8  # of which every scaled width is one
MEAN: Final = 127.0
STD: Final = 128.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a network of the family is scaled.

    Attributes:
        width: Factor of the number of channels.
        depth: Factor of the number of blocks.
        input_size: Side of the images it was trained on, in pixels.
    """

    width: float
    depth: float
    input_size: int


SCALINGS: Final[Mapping[str, Scaling]] = {
    "lite0": Scaling(1.0, 1.0, 224),
    "lite1": Scaling(1.0, 1.1, 240),
    "lite2": Scaling(1.1, 1.2, 260),
}


@dataclass(frozen=True, slots=True)
class _Block:
    """An inverted residual block."""

    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int


# Repeats, kernel, stride of the first repeat, expansion, channels in, channels out.
_GROUPS: Final = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


def scaled_width(channels: int, factor: float) -> int:
    """The number of channels times the factor, rounded to a multiple of 8 but never down by more than 10 %."""
    if factor == 1:
        return channels
    scaled = channels * factor
    rounded = max(MULTIPLE, int(scaled + MULTIPLE / 2) // MULTIPLE * MULTIPLE)
    return rounded + MULTIPLE if rounded < 0.9 * scaled else rounded


def blocks(scaling: Scaling) -> Iterator[_Block]:
    """The blocks of a scaled network in their order. The first and the last group keep their number of blocks."""
    for number, (repeats, kernel, stride, expansion, before, after) in enumerate(_GROUPS):
        entry = STEM if number == 0 else scaled_width(before, scaling.width)  # the stem is not scaled
        channels = scaled_width(after, scaling.width)
        fixed = number in {0, len(_GROUPS) - 1}
        for repeat in range(repeats if fixed else ceil(repeats * scaling.depth)):
            first = repeat == 0
            yield _Block(kernel, stride if first else 1, expansion, entry if first else channels, channels)


def build_graph(name: str, weights: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The graph ``image`` float32 ``[N, 3, H, W]``, scaled by ``MEAN`` and ``STD`` -> ``features`` and ``logits``.

    Equal weights give an equal graph, byte for byte. Batch normalisation is folded into the convolutions.

    Args:
        name: "lite0", "lite1" or "lite2".
        weights: The tensors by their names in PyTorch's state.

    Returns:
        The graph; ``features`` is ``[N, 1280]``, and ``logits`` ``[N, 1000]`` are ImageNet's classes. H and W are free.

    Raises:
        InvalidModel: A tensor is missing or has another shape.
    """
    network = _Network(GraphBuilder(), weights)
    graph = network.graph
    graph.constant("zero", 0.0)
    graph.constant("six", 6.0)
    tensor = network.relu6(network.convolution("image", "_conv_stem", "_bn0", (STEM, 3, 3, 3), stride=2))
    channels = STEM
    for number, block in enumerate(blocks(SCALINGS[name])):
        tensor = network.block(tensor, f"_blocks.{number}", block)
        channels = block.channels_out
    tensor = network.relu6(network.convolution(tensor, "_conv_head", "_bn1", (HEAD, channels, 1, 1)))
    graph.add("GlobalAveragePool", tensor, to="pooled")
    graph.add("Flatten", "pooled", to="features", axis=1)
    graph.constant("_fc.weight", network.weight("_fc.weight", (CLASSES, HEAD)))
    graph.constant("_fc.bias", network.weight("_fc.bias", (CLASSES,)))
    graph.add("Gemm", "features", "_fc.weight", "_fc.bias", to="logits", transB=1)
    info = helper.make_tensor_value_info
    outputs = [info("features", TensorProto.FLOAT, ["N", HEAD]), info("logits", TensorProto.FLOAT, ["N", CLASSES])]
    return graph.model(f"efficientnet-{name}", [info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])], outputs)


@dataclass(frozen=True, slots=True)
class _Network:
    """Adds layers to a graph; each returns the name of its output."""

    graph: GraphBuilder
    weights: Mapping[str, Tensor]

    def weight(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of this name, checked to have this shape."""
        tensor = self.weights.get(name)
        if tensor is None or tensor.shape != shape:
            found = "is missing" if tensor is None else f"has the shape {list(tensor.shape)}"
            raise InvalidModel(f"The weight {name} {found}; {list(shape)} is needed. Give this network's weights.")
        return tensor

    def convolution(
        self, tensor: str, name: str, norm: str, shape: tuple[int, ...], *, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution with batch normalisation folded in, computed in float64 and rounded once."""
        kernel = self.weight(f"{name}.weight", shape).astype(np.float64)
        scale, shift, mean, variance = (
            self.weight(f"{norm}.{part}", shape[:1]).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / np.sqrt(variance + EPSILON)
        return self.graph.add(
            "Conv",
            tensor,
            self.graph.constant(f"{name}.weight", kernel * scale.reshape(-1, 1, 1, 1)),
            self.graph.constant(f"{name}.bias", shift - mean * scale),
            to=name,
            auto_pad="SAME_UPPER",  # TensorFlow's padding: one pixel more below and on the right
            group=groups,
            kernel_shape=shape[2:],
            strides=[stride, stride],
        )

    def relu6(self, tensor: str) -> str:
        return self.graph.add("Clip", tensor, "zero", "six", to=f"{tensor}.relu6")

    def block(self, tensor: str, name: str, block: _Block) -> str:
        """Expansion, depthwise convolution, projection, and the sum with the input where the shapes agree."""
        wide = block.channels_in * block.expansion
        inner = tensor
        if block.expansion > 1:
            shape = (wide, block.channels_in, 1, 1)
            inner = self.relu6(self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0", shape))
        shape = (wide, 1, block.kernel, block.kernel)
        depthwise = f"{name}._depthwise_conv"
        inner = self.convolution(inner, depthwise, f"{name}._bn1", shape, stride=block.stride, groups=wide)
        shape = (block.channels_out, wide, 1, 1)
        out = self.convolution(self.relu6(inner), f"{name}._project_conv", f"{name}._bn2", shape)
        same = block.stride == 1 and block.channels_in == block.channels_out
        return self.graph.add("Add", out, tensor, to=f"{name}.sum") if same else out
