"""photos10: trained on its train/ folder, judged once on its test/ folder.

    python benchmarks/classifier/photos10.py --photos10 ../shared/data/photos10 --backbone mobilenetv2.onnx
        [--resize-short 224 --output features,t145,t156,t167]

15 % of train/ (by class, drawn with the seed) calibrate and decide about int8; everything else of it is learnt from.
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


def manifest_of(photos10: Path, target: Path, seed: int) -> Path:
    """A CSV file that states the split."""
    random = np.random.default_rng(seed)
    classes: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted((photos10 / "train").glob("*/*")):
        classes[path.parent.name].append(path)
    rows = [(path, path.parent.name, "test") for path in sorted((photos10 / "test").glob("*/*"))]
    for label, paths in sorted(classes.items()):
        held_out = set(random.permutation(len(paths))[: round(VALIDATION * len(paths))].tolist())
        rows += [(path, label, "validation" if i in held_out else "train") for i, path in enumerate(paths)]
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        writer.writerows((str(path.resolve()), label, part) for path, label, part in rows)
    return target


def main() -> None:
    """Prints one row a seed; the seed moves the validation photos and nothing of the test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos10", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cache", type=Path, help="Folder of the feature cache. Default: a fresh one.")
    parser.add_argument("--resize-short", type=int, help="As of `larder train classifier`.")
    parser.add_argument("--output", help="As of `larder train classifier`.")
    arguments = parser.parse_args()
    print("| seed | test photos | right | ECE | float32 | MB | s | head |\n" + "| --- " * 8 + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
        for seed in arguments.seeds:
            data = manifest_of(arguments.photos10, Path(scratch) / f"{seed}.csv", seed)
            options = ClassifierOptions(
                data,
                "photos",
                out=Path(scratch) / "out",
                backbone=arguments.backbone,
                preprocessing=Preprocessing(resize_short=arguments.resize_short, output=arguments.output),
                seed=seed,
                cache=arguments.cache or Path(scratch) / "cache",
            )
            begun = monotonic()
            release = train(options, Progress(quiet=True))
            seconds = monotonic() - begun
            manifest = json.loads((release / "manifest.json").read_bytes())
            test, quantised = manifest["evaluation"]["test"], manifest["evaluation"]["quantisation"]
            cells = (
                seed,
                test["photos"],
                f"{100 * test['accuracy']:.2f} %",
                f"{100 * test['expected_calibration_error']:.2f} %",
                f"{100 * quantised['test']['float32_accuracy']:.2f} %",
                f"{(release / 'model.onnx').stat().st_size / 1e6:.2f}",
                round(seconds),
                manifest["training"]["head"]["recipe"],
            )
            print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
