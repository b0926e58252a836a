"""What int8 costs and brings: two releases of the same training, int8 and float32, on photos that neither has seen."""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from larder.manifest import parse
from larder.serving import ClassifierServing
from larder_training.classifier.dataset import read_dataset
from larder_training.classifier.evaluate import ask, numbers
from larder_training.classifier.options import ClassifierOptions
from larder_training.classifier.scan import scan
from larder_training.classifier.speed import milliseconds
from larder_training.classifier.train import train
from larder_training.progress import Progress

DATA = Path("../shared/data")
QUIET = Progress(quiet=True)


def main() -> None:
    """Prints sizes, times and accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "photos10/train")
    parser.add_argument("--test", type=Path, default=DATA / "photos10/test")
    parser.add_argument("--backbone", default=str(DATA / "backbone/mobilenetv2_100_fp32.onnx"))
    parser.add_argument("--cache", type=Path, help="a feature cache that an earlier training filled")
    given = parser.parse_args()
    photos = scan(read_dataset(given.test, None), QUIET).photos
    with tempfile.TemporaryDirectory() as folder:
        options = ClassifierOptions(given.data, "photos", backbone=given.backbone, out=Path(folder), cache=given.cache)
        releases = {"float32": train(replace(options, dtype="float32")), "int8": train(options)}
        graphs = {name: (release / "model.onnx").read_bytes() for name, release in releases.items()}
        found = {}
        for name, release in releases.items():
            serving = parse((release / "manifest.json").read_bytes()).serving
            assert isinstance(serving, ClassifierServing)  # noqa: S101 - this script has trained it
            truth, image = numbers(photos, serving.labels), serving.image
            answers = ask(graphs[name], photos, serving, title="", progress=QUIET)
            found[name] = answers.probabilities.argmax(axis=1)
        grey = np.full((1, image.height, image.width, 3), 128, np.uint8)
        times = milliseconds(graphs, grey)
    for name, labels in found.items():
        right = int((labels == truth).sum())
        print(
            f"{name:8} {right} of {len(truth)} = {100 * right / len(truth):.2f} % right, "
            f"{len(graphs[name]) / 1e6:.2f} MB, {times[name]:.2f} ms"
        )
    apart = 100 * float((found["float32"] == truth).mean() - (found["int8"] == truth).mean())
    same = float((found["int8"] == found["float32"]).mean())
    print(
        f"int8 loses {apart:.2f} points; the same label for {same:.2%}; {times['int8'] / times['float32']:.3f} the time"
    )


if __name__ == "__main__":
    main()
