"""A backbone that is run with one scaling of its input or another, without building its graph again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime import InferenceSession  # type: ignore[import-untyped]  # ships no types
from scipy.special import softmax

from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features.backbone import FeatureGraph, load_backbone
from larder_training.classifier.onnx.file import read_graph
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.numerics.arrays import Floats
from larder_training.numerics.parallel import map_in_order

CLASSES: Final = (1000, 1001)  # of ImageNet, and with one for the background
SAME: Final = 0.02  # of the range of the pixels, by which scalings may differ without effect


@dataclass(frozen=True, slots=True)
class InputScaling:
    """A scaling ``(x - mean) / std`` of 8-bit pixels x.

    Attributes:
        mean: One number, or one for red, green and blue.
        std: One number, or one for red, green and blue.
        bgr: Whether the network gets blue, green and red.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False

    def __call__(self, pixels: Floats) -> Floats:
        """Scales pixels ``[..., 3]``."""
        ordered = pixels[..., ::-1] if self.bgr else pixels
        return np.asarray((ordered - np.array(self.mean)) / np.array(self.std), np.float32)

    def pixels_of(self, values: Floats) -> Floats:
        """The pixels, maybe outside 0..255, that this scaling makes ``values`` of; for one in RGB."""
        return np.asarray(values * np.array(self.std) + np.array(self.mean), np.float32)

    def like(self, other: "InputScaling") -> bool:
        """Whether both make nearly the same of all pixels."""
        ends = np.array([[0.0] * 3, [255.0] * 3], np.float32)
        apart = float(np.abs(other.pixels_of(self(ends)) - ends).max())
        return self.bgr == other.bgr and apart < SAME * 255

    def __str__(self) -> str:
        """The options that state it."""
        if self.bgr:
            return "the channels in the order blue, green, red"
        mean, std = (",".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        return f"--mean {mean} --std {std}"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a backbone makes of images.

    Attributes:
        features: ``[images, D]``.
        classes: Probabilities of its own classes ``[images, C]``; C is 0 if it has none.
    """

    features: Floats
    classes: Floats

    @property
    def finite(self) -> bool:
        """Whether all are finite."""
        return bool(np.isfinite(self.features).all() and np.isfinite(self.classes).all())


@dataclass(frozen=True, slots=True)
class ScaledNetwork:
    """A feature graph, and its classes if it has those of ImageNet, with any scaling of the input.

    Attributes:
        running: The graph ``image`` float32 ``[N, H, W, 3]`` -> ``features``, then the classes.
        used: The scaling that is part of the graph.
        classes: Number of classes; 0 if it has none.
    """

    running: InferenceSession
    used: InputScaling
    classes: int

    @classmethod
    def of(cls, features: FeatureGraph, file: Path) -> "ScaledNetwork":
        """The network of a feature graph, and of the file that it comes from.

        Raises:
            InvalidModel: The file does not run any more.
        """
        mean, std = (tuple(cast("list[float]", features.description[name])) for name in ("mean", "std"))
        used = InputScaling(mean, std)
        model, classes = _with_classes(features, file, used)
        # Not 8-bit pixels, so that the graph's own scaling can be undone before another one is applied
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
        return cls(session(to_bytes(model), optimise=True), used, classes)

    def __call__(self, images: NDArray[np.uint8], scaling: InputScaling) -> Outputs:
        """Runs images ``[N, H, W, 3]`` with a scaling, on all cores."""

        def run(image: NDArray[np.uint8]) -> Floats:
            pixels = image[None].astype(np.float32)
            if scaling != self.used:
                pixels = self.used.pixels_of(scaling(pixels))
            return np.asarray(self.running.run(["features"], {"image": pixels})[0][0], np.float32)

        rows = np.stack(list(map_in_order(run, images)))
        width = rows.shape[1] - self.classes
        return Outputs(rows[:, :width], _probabilities(rows[:, width:]))


def _probabilities(rows: Floats) -> Floats:
    """Probabilities from logits, or from probabilities, which they are if they are positive and add up to 1."""
    if not rows.size or (rows.min() >= 0 and np.allclose(rows.sum(axis=1), 1, atol=1e-3)):
        return rows
    return np.asarray(softmax(rows.astype(np.float64), axis=1), np.float32)


def find_classes(model: onnx.ModelProto) -> tuple[str, int] | None:
    """The output with ImageNet's classes, and their number; None if there is none."""
    for value in model.graph.output:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(shape) in {2, 4} and shape[1] in CLASSES and all(side == 1 for side in shape[2:]):
            return str(value.name), int(shape[1])
    return None


def _with_classes(features: FeatureGraph, file: Path, used: InputScaling) -> tuple[onnx.ModelProto, int]:
    """A copy of the graph with the classes after the features, and the number of classes."""
    found, output = find_classes(read_graph(file)), str(features.description["output"])
    if found is None or found[0] in output.split(","):
        copy = onnx.ModelProto()
        copy.CopyFrom(features.model)
        return copy, 0
    name, classes = found
    size = features.image_spec.width
    stated = Preprocessing(mean=used.mean, std=used.std, input_size=size, output=f"{output},{name}")
    return load_backbone(file, stated, {}).model, classes
