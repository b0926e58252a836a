"""Trains on a few of photos10's training images per class, and evaluates on all of its test images.

    python benchmarks/classifier/few_images.py

Each draw is a usual training: ``larder train classifier`` on a folder with that many images per class, which keeps some
of them to calibrate and to test on, and then ``larder evaluate`` on photos10/test.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

SHARED = Path(__file__).parents[3] / "shared" / "data"


def draw(source: Path, folder: Path, size: int, seed: int) -> Path:
    """Links ``size`` random images of each class into ``folder``, and returns it."""
    random = np.random.default_rng([size, seed])
    for label in sorted(path for path in source.iterdir() if path.is_dir()):
        (folder / label.name).mkdir(parents=True)
        files = sorted(label.iterdir())
        for index in random.choice(len(files), size, replace=False):
            (folder / label.name / files[index].name).symlink_to(files[index].resolve())
    return folder


def main() -> None:
    """Prints one line per size on stdout, and one per draw on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos10", type=Path, default=SHARED / "photos10")
    parser.add_argument("--backbone", default=str(SHARED / "backbone" / "mobilenetv2_100_fp32.onnx"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[5, 10, 20, 50], help="images per class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="folder of the feature cache; default: none")
    arguments = parser.parse_args()
    print(f"{'images per class':>16} {'mean':>7} {'spread':>7} {'lowest':>7} {'highest':>7} {'ECE':>6}")
    for size in arguments.sizes:
        accuracies, errors = [], []
        for seed in range(arguments.draws):
            with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
                data = draw(arguments.photos10 / "train", Path(scratch) / "images", size, seed)
                options = ClassifierOptions(
                    data, "few", out=Path(scratch) / "out", backbone=arguments.backbone, cache=arguments.cache
                )
                release = train(options, Progress(quiet=True))
                evaluation: Any = evaluate(release, arguments.photos10 / "test")
            accuracies.append(evaluation["accuracy"])
            errors.append(evaluation["expected_calibration_error"])
            print(f"{size}, draw {seed}: {accuracies[-1]:.2%}, ECE {errors[-1]:.4f}", file=sys.stderr, flush=True)
        print(
            f"{size:>16} {np.mean(accuracies):>7.1%} {np.std(accuracies, ddof=1):>7.1%} {min(accuracies):>7.1%} "
            f"{max(accuracies):>7.1%} {np.mean(errors):>6.3f}   {' '.join(f'{value:.1%}' for value in accuracies)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
