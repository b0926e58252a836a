"""Trains on few of photos10's training photos a class, and measures on all of its test photos.

    python benchmarks/classifier/few_photos.py

Each draw is a training like any other: `larder train classifier` on a folder of so many photos a class, which keeps
some of them to calibrate and to test on, then `larder evaluate` on photos10/test.
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


def draw(source: Path, folder: Path, photos: int, seed: int) -> Path:
    """A folder with so many photos of each class, as links."""
    random = np.random.default_rng([photos, seed])
    for label in sorted(path for path in source.iterdir() if path.is_dir()):
        (folder / label.name).mkdir(parents=True)
        for number in random.choice(len(files := sorted(label.iterdir())), photos, replace=False):
            (folder / label.name / files[number].name).symlink_to(files[number].resolve())
    return folder


def main() -> None:
    """Prints a line a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos10", type=Path, default=SHARED / "photos10")
    parser.add_argument("--backbone", default=str(SHARED / "backbone" / "mobilenetv2_100_fp32.onnx"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[5, 10, 20, 50])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="Folder of the feature cache. Default: none.")
    given = parser.parse_args()
    print(f"{'photos a class':>14} {'mean':>7} {'spread':>7} {'least':>7} {'most':>7} {'ECE':>6}")
    for size in given.sizes:
        accuracy, error = [], []
        for seed in range(given.draws):
            with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
                data = draw(given.photos10 / "train", Path(scratch) / "photos", size, seed)
                options = ClassifierOptions(
                    data, "few", out=Path(scratch) / "out", backbone=given.backbone, cache=given.cache
                )
                release = train(options, Progress(quiet=True))
                measured: Any = evaluate(release, given.photos10 / "test")
            accuracy.append(measured["accuracy"])
            error.append(measured["expected_calibration_error"])
            print(f"{size}, draw {seed}: {accuracy[-1]:.2%}, ECE {error[-1]:.4f}", file=sys.stderr, flush=True)
        print(
            f"{size:>14} {np.mean(accuracy):>7.1%} {np.std(accuracy, ddof=1):>7.1%} {min(accuracy):>7.1%} "
            f"{max(accuracy):>7.1%} {np.mean(error):>6.3f}   {' '.join(f'{share:.1%}' for share in accuracy)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
