"""Generated images of three classes that differ in pattern and colour, and a small backbone with random weights."""

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CLASSES: Final = ("checks", "rings", "stripes")


def draw_image(label: str, number: int, size: int = 40) -> NDArray[np.uint8]:
    """One image of a class: its pattern with a random position, width and colour, and noise.

    A label other than ``CLASSES`` draws a plain slope.
    """
    random = np.random.default_rng([CLASSES.index(label) if label in CLASSES else 9, number])
    y, x = np.mgrid[:size, :size] + random.uniform(0, 20, (2, 1, 1))
    width = random.uniform(3, 6)
    wave = {
        "stripes": np.sin(x / width * 2),
        "checks": np.sin(x / width * 2) * np.sin(y / width * 2),
        "rings": np.sin(np.hypot(x - size / 2 - 10, y - size / 2 - 10) / width * 2),
    }.get(label, x / 60 - 0.5)
    colour = random.uniform(0.3, 1, 3)
    pixels = (0.5 + 0.4 * wave[..., None]) * colour * 255 + random.normal(0, 12, (size, size, 3))
    drawn: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return drawn


def save_image(path: Path, pixels: NDArray[np.uint8], quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality)
    return path


def fill_classes(root: Path, count: int, start: int = 0) -> Path:
    for label in CLASSES:
        for number in range(start, start + count):
            save_image(root / label / f"{number:03d}.png", draw_image(label, number))
    return root


def small_backbone(*, opset: int = 17, batch: int | str = "N", logits: bool = True) -> onnx.ModelProto:
    """Convolution, depthwise convolution, pointwise convolution, pooling; ``features`` [N, 24], ``logits`` [N, 5]."""
    random = np.random.default_rng(7)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return numpy_helper.from_array((random.normal(0, scale, shape)).astype(np.float32), name)

    constants = [
        weights("w1", 16, 3, 5, 5),
        weights("w2", 16, 1, 3, 3),
        weights("w3", 24, 16, 1, 1),
        weights("w4", 24, 5),
        numpy_helper.from_array(np.array(0, np.float32), "low"),
        numpy_helper.from_array(np.array(6, np.float32), "high"),
    ]
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c1"], strides=[2, 2], pads=[2, 2, 2, 2]),
        helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], group=16, pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c2", "low", "high"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"]),
        helper.make_node("Relu", ["c3"], ["r3"]),
        helper.make_node("GlobalAveragePool", ["r3"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "w4"], ["logits"]),
    ]
    shapes = {"features": 24, "logits": 5} if logits else {"features": 24}
    graph = helper.make_graph(
        nodes if logits else nodes[:-1],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 32, 32])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, size]) for name, size in shapes.items()],
        constants if logits else constants[:3] + constants[4:],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return model
