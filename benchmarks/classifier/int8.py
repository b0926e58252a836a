"""Compares a release in int8 with one in float32 of the same training data: size, time, and accuracy on test images.

    larder train classifier IMAGES --model NAME --backbone BACKBONE
    larder train classifier IMAGES --model NAME --backbone BACKBONE --dtype float32
    python benchmarks/classifier/int8.py INT8_RELEASE FLOAT32_RELEASE

Times are those of the graph alone, on one thread.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from larder.release.manifest import parse
from larder.release.serving import ClassifierServing
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import Sample, scan_images
from larder_training.classifier.fitting.predictions import predict
from larder_training.classifier.onnx.latency import milliseconds
from larder_training.reporting.progress import Progress

IMAGES = Path(__file__).parents[3] / "shared" / "data" / "photos10" / "test"
QUIET = Progress(quiet=True)


def read_release(release: Path) -> tuple[bytes, ClassifierServing]:
    """The graph of a release and how it is served."""
    serving = parse((release / "manifest.json").read_bytes()).serving
    if not isinstance(serving, ClassifierServing):
        raise SystemExit(f"{release} is not a classifier. Give a classifier's release folder.")
    return (release / serving.file).read_bytes(), serving


def best_labels(release: Path, samples: tuple[Sample, ...]) -> NDArray[np.int64]:
    """``[N]``, the index of the best label of each image."""
    model, serving = read_release(release)
    labels: NDArray[np.int64] = predict(model, samples, serving, title="", progress=QUIET).probabilities.argmax(axis=1)
    return labels


def main() -> None:
    """Prints sizes, times and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("int8", type=Path, help="release folder")
    parser.add_argument("float32", type=Path, help="release folder")
    parser.add_argument("--images", type=Path, default=IMAGES, help="images in one folder per class")
    arguments = parser.parse_args()
    releases = {"float32": arguments.float32, "int8": arguments.int8}
    samples = scan_images(read_dataset(arguments.images), QUIET).samples
    _, serving = read_release(arguments.int8)
    truth = label_indices(samples, serving.labels)
    predictions = {name: best_labels(release, samples) for name, release in releases.items()}
    grey = np.full((1, serving.image.height, serving.image.width, 3), 128, np.uint8)
    times = milliseconds({name: read_release(release)[0] for name, release in releases.items()}, grey)
    for name, labels in predictions.items():
        right = int((labels == truth).sum())
        size = len(read_release(releases[name])[0]) / 1e6
        print(f"{name:8} {right} of {len(truth)} = {right / len(truth):.2%} right, {size:.2f} MB, {times[name]:.2f} ms")
    loss = 100 * float((predictions["float32"] == truth).mean() - (predictions["int8"] == truth).mean())
    same = (predictions["int8"] == predictions["float32"]).mean()
    print(f"int8 loses {loss:.2f} points; the label is the same for {same:.2%} of the images")
    print(f"int8 takes {times['int8'] / times['float32']:.3f} of float32's time")


if __name__ == "__main__":
    main()
