"""What int8 costs and brings: a release in int8 against one in float32 of the same training, on unseen photos.

larder train classifier PHOTOS --model photos --backbone B
larder train classifier PHOTOS --model photos --backbone B --dtype float32
python benchmarks/classifier/int8.py INT8_RELEASE FLOAT32_RELEASE
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

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos10" / "test"
QUIET = Progress(quiet=True)


def opened(release: Path) -> tuple[bytes, ClassifierServing]:
    """A release's graph and how it is served."""
    serving = parse((release / "manifest.json").read_bytes()).serving
    if not isinstance(serving, ClassifierServing):
        raise SystemExit(f"{release} is no classifier. Give one.")
    return (release / serving.file).read_bytes(), serving


def labels(release: Path, photos: tuple[Sample, ...]) -> NDArray[np.int64]:
    """The best label of each photo."""
    model, serving = opened(release)
    found: NDArray[np.int64] = predict(model, photos, serving, title="", progress=QUIET).probabilities.argmax(axis=1)
    return found


def main() -> None:
    """Prints sizes, times and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("int8", type=Path)
    parser.add_argument("float32", type=Path)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    given = parser.parse_args()
    releases = {"float32": given.float32, "int8": given.int8}
    photos = scan_images(read_dataset(given.photos), QUIET).samples
    _, serving = opened(given.int8)
    truth = label_indices(photos, serving.labels)
    found = {name: labels(release, photos) for name, release in releases.items()}
    grey = np.full((1, serving.image.height, serving.image.width, 3), 128, np.uint8)
    times = milliseconds({name: opened(release)[0] for name, release in releases.items()}, grey)
    for name, best in found.items():
        right = int((best == truth).sum())
        size = len(opened(releases[name])[0]) / 1e6
        print(f"{name:8} {right} of {len(truth)} = {right / len(truth):.2%} right, {size:.2f} MB, {times[name]:.2f} ms")
    apart = 100 * float((found["float32"] == truth).mean() - (found["int8"] == truth).mean())
    print(f"int8 loses {apart:.2f} points; the same label for {(found['int8'] == found['float32']).mean():.2%}")
    print(f"int8 takes {times['int8'] / times['float32']:.3f} of float32's time")


if __name__ == "__main__":
    main()
