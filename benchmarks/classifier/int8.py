"""What int8 costs and brings: a release's int8 graph against the same head on the float backbone, on unseen photos."""

import argparse
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from larder.manifest import parse
from larder.serving import ClassifierServing
from larder_training.classifier import backbone
from larder_training.classifier.dataset import read_dataset
from larder_training.classifier.evaluate import ask, numbers
from larder_training.classifier.features import embed, plain
from larder_training.classifier.graph import optimise, to_bytes
from larder_training.classifier.preprocessing import Preprocessing
from larder_training.classifier.scan import scan
from larder_training.classifier.speed import milliseconds
from larder_training.progress import Progress

DATA = Path("../shared/data")
QUIET = Progress(quiet=True)


def main() -> None:
    """Prints sizes, times and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, help="a classifier in int8, without a hidden layer")
    parser.add_argument("--photos", type=Path, default=DATA / "photos10/test")
    parser.add_argument("--backbone", type=Path, default=DATA / "backbone/mobilenetv2_100_fp32.onnx")
    given = parser.parse_args()
    serving = parse((given.release / "manifest.json").read_bytes()).serving
    assert isinstance(serving, ClassifierServing)  # noqa: S101 - the usage says what to give
    photos = scan(read_dataset(given.photos, None), QUIET).photos
    truth = numbers(photos, serving.labels)
    exact = backbone.load(given.backbone, Preprocessing(), {}).model
    views = plain(photos, serving.image)
    features = embed(to_bytes(exact), views, optimise=True, cache=None, title="", progress=QUIET)
    released = (given.release / serving.file).read_bytes()
    weights, bias = head(onnx.load_from_string(released))
    found = {
        "float32": (features @ weights + bias).argmax(axis=1),
        "int8": ask(released, photos, serving, title="", progress=QUIET).probabilities.argmax(axis=1),
    }
    grey = np.full((1, serving.image.height, serving.image.width, 3), 128, np.uint8)
    times = milliseconds({"float32": to_bytes(optimise(exact, "extended")), "int8": released}, grey)
    for name, labels in found.items():
        right = int((labels == truth).sum())
        print(f"{name:8} {right} of {len(truth)} = {right / len(truth):.2%} right, {times[name]:.2f} ms")
    apart = 100 * float((found["float32"] == truth).mean() - (found["int8"] == truth).mean())
    same = float((found["int8"] == found["float32"]).mean())
    print(f"int8: {len(released) / 1e6:.2f} MB, loses {apart:.2f} points, the same label for {same:.2%}")
    print(f"int8 takes {times['int8'] / times['float32']:.3f} of float32's time")


def head(graph: onnx.ModelProto) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias of what the softmax reads."""
    made = {node.output[0]: node for node in graph.graph.node}
    softmax = next(node for node in graph.graph.node if node.op_type == "Softmax")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    _, weights, bias = made[softmax.input[0]].input
    return constants[weights], constants[bias]


if __name__ == "__main__":
    main()
