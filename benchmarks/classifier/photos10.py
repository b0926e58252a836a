"""Trains on photos10's train/ folder and evaluates on its test/ folder.

    python benchmarks/classifier/photos10.py --photos10 ../shared/data/photos10
        [--backbone mobilenetv2.onnx --resize-short 224 --output features,t145,t156,t167]

15 % of train/ (of each class, drawn with the seed) are validation images.
"""

import argparse
import csv
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from time import monotonic

import numpy as np

from larder_training.classifier import ClassifierOptions, Preprocessing
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

VALIDATION = 0.15


def write_manifest(photos10: Path, target: Path, seed: int) -> Path:
    """Writes a CSV manifest with the split to ``target``, and returns it."""
    random = np.random.default_rng(seed)
    classes: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted((photos10 / "train").glob("*/*")):
        classes[path.parent.name].append(path)
    rows = [(path, path.parent.name, "test") for path in sorted((photos10 / "test").glob("*/*"))]
    for label, paths in sorted(classes.items()):
        validation = set(random.permutation(len(paths))[: round(VALIDATION * len(paths))].tolist())
        rows += [(path, label, "validation" if i in validation else "train") for i, path in enumerate(paths)]
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        writer.writerows((str(path.resolve()), label, part) for path, label, part in rows)
    return target


def main() -> None:
    """Prints one row per seed. The seed changes the validation images, not the test images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos10", type=Path, required=True)
    parser.add_argument("--backbone", help="as in larder train classifier; default: the default there")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cache", type=Path, help="folder of the feature cache; default: an empty one")
    parser.add_argument("--resize-short", type=int, help="as in larder train classifier")
    parser.add_argument("--output", help="as in larder train classifier")
    arguments = parser.parse_args()
    print("| seed | test images | right | ECE | float32 | MB | s | head |\n" + "| --- " * 8 + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
        for seed in arguments.seeds:
            data = write_manifest(arguments.photos10, Path(scratch) / f"{seed}.csv", seed)
            options = ClassifierOptions(
                data,
                "photos10",
                out=Path(scratch) / "out",
                backbone=arguments.backbone,
                preprocessing=Preprocessing(resize_short=arguments.resize_short, output=arguments.output),
                seed=seed,
                cache=arguments.cache or Path(scratch) / "cache",
            )
            start = monotonic()
            release = train(options, Progress(quiet=True))
            seconds = monotonic() - start
            manifest = json.loads((release / "manifest.json").read_bytes())
            test, quantisation = manifest["evaluation"]["test"], manifest["evaluation"]["quantisation"]
            cells = (
                seed,
                test["photos"],
                f"{100 * test['accuracy']:.2f} %",
                f"{100 * test['expected_calibration_error']:.2f} %",
                f"{100 * quantisation['test']['float32_accuracy']:.2f} %",
                f"{(release / 'model.onnx').stat().st_size / 1e6:.2f}",
                round(seconds),
                manifest["training"]["head"]["recipe"],
            )
            print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
