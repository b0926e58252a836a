"""Trains on handwritten digits with the built-in features, and evaluates on the release's own test part.

    python benchmarks/classifier/builtin_features.py

The digits are scikit-learn's (1,797 images of 8 x 8 pixels). The test part is used for no choice. For CIFAR-10 with
built-in features, run ``cifar10.py`` without ``--backbone``.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from larder_training.classifier import ClassifierOptions
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress


def save_digits(folder: Path) -> Path:
    """Writes the digits as PNG files, in one folder per class, and returns ``folder``."""
    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = np.rint(image * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / str(label) / f"{index:04d}.png")
    return folder


def main() -> None:
    """Trains once per seed and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print("| seed | test digits | right | 95 % interval | head |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
        data = save_digits(Path(scratch) / "digits")
        for seed in arguments.seeds:
            options = ClassifierOptions(
                data, "digits", out=Path(scratch) / "out", backbone="none", seed=seed, cache=Path(scratch) / "cache"
            )
            manifest = json.loads((train(options, Progress(quiet=True)) / "manifest.json").read_bytes())
            test = manifest["evaluation"]["test"]
            low, high = test["accuracy_interval_95"]
            head = manifest["training"]["head"]["recipe"]
            right = f"{100 * test['accuracy']:.2f} % | {100 * low:.1f} to {100 * high:.1f} %"
            print(f"| {seed} | {np.sum(test['confusion'])} | {right} | {head} |", flush=True)


if __name__ == "__main__":
    main()
