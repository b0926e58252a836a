"""Measures side information: photos10 with synthetic columns, compared with the image alone.

The columns are drawn at random, so that their information about the class is known:

- place: one of ten. With probability 0.6 the place of the class, otherwise any of the ten; so the place is that of the
  class for 64 % of the images.
- price: normal around the number of the class (0 to 9), with a standard deviation of 3.
- note: eight words. With probability 0.3 one of five words of the class, otherwise one of fifty that all classes share.
- dice and noise: one of six, and a normal number; both are independent of the class.

Trains on images of photos10/train, validates on 25 other images per class of it, and evaluates on photos10/test.
"""

import argparse
import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from larder.release.manifest import parse
from larder_training.classifier import ClassifierOptions
from larder_training.classifier.config.options import SearchLimits
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

DATA: Final = Path(__file__).parents[3] / "shared/data"
INFORMATIVE: Final = ("place", "price", "note")
UNINFORMATIVE: Final = ("dice", "noise")
VALIDATION: Final = 25  # images per class


def draw_columns(label: int, random: np.random.Generator) -> dict[str, str]:
    """The columns of one image of class ``label``."""
    place = label if random.random() < 0.6 else int(random.integers(10))
    words = [
        f"own{label}{random.integers(5)}" if random.random() < 0.3 else f"word{random.integers(50)}" for _ in range(8)
    ]
    return {
        "place": f"place {place}",
        "price": f"{random.normal(label, 3):.2f}",
        "note": " ".join(words),
        "dice": str("abcdef"[random.integers(6)]),
        "noise": f"{random.normal():.3f}",
    }


def write_manifest(folder: Path, images_per_class: int | None, seed: int) -> Path:
    """Writes a CSV manifest with a split and the columns, and returns its path.

    Args:
        folder: Where to write it.
        images_per_class: Number of training images. None: all that are not validation images.
        seed: Of the split and of the columns.
    """
    random = np.random.default_rng(seed)
    rows = []
    classes = sorted(path.name for path in (DATA / "photos10/train").iterdir())
    for label, name in enumerate(classes):
        images = sorted((DATA / f"photos10/train/{name}").iterdir())
        shuffled = [images[position] for position in random.permutation(len(images))]
        split = {"validation": shuffled[:VALIDATION], "train": shuffled[VALIDATION:][:images_per_class]}
        split["test"] = sorted((DATA / f"photos10/test/{name}").iterdir())
        for part, paths in split.items():
            rows += [
                {"path": str(path), "label": name, "split": part, **draw_columns(label, random)}
                for path in sorted(paths)
            ]
    manifest = folder / "images.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def evaluate_columns(images_per_class: int | None, columns: Sequence[str], seed: int, cache: Path) -> Mapping[str, Any]:
    """Trains once with all columns kept, and returns the section of the manifest that evaluates them."""
    with tempfile.TemporaryDirectory() as folder:
        options = ClassifierOptions(
            write_manifest(Path(folder), images_per_class, seed),
            "photos10",
            out=Path(folder) / "out",
            backbone=str(DATA / "backbone/mobilenetv2_100_fp32.onnx"),
            dtype="float32",
            augment="none",
            flip="no",
            search=SearchLimits(trials=8, hidden=False),
            side=dict.fromkeys(columns),
            keep_side=True,
            seed=seed,
            cache=cache,
        )
        release = train(options, Progress(quiet=True))
        section = parse((release / "manifest.json").read_bytes()).evaluation["beside_the_image"]
        return cast("Mapping[str, Any]", section)


def main() -> None:
    """Prints a line for each number of images and each set of columns: means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, nargs="+", default=[10, 0], help="training images per class; 0: all")
    parser.add_argument("--cache", type=Path, default=Path(".larder/cache/features"))
    arguments = parser.parse_args()
    print("| images per class | columns | image alone | with columns | without them in the request | kept |")
    print("| --- | --- | --- | --- | --- | --- |")
    for images_per_class in arguments.images:
        for columns in (INFORMATIVE, ("place",), UNINFORMATIVE):
            image_alone, with_columns, missing, kept = [], [], [], 0
            for seed in arguments.seeds:
                section = evaluate_columns(images_per_class or None, columns, seed, arguments.cache)
                accuracy = section["accuracy"]
                image_alone.append(100 * accuracy["image alone"]["test"])
                with_columns.append(100 * accuracy[section["kept"]]["test"])
                missing.append(100 * section["accuracy_where_missing"]["every column"]["test"])
                kept += bool(section["helps"])
            cells = [str(images_per_class or "all"), ", ".join(columns)]
            cells += [
                f"{np.mean(values):.1f} ± {np.std(values):.1f}" for values in (image_alone, with_columns, missing)
            ]
            print(f"| {' | '.join(cells)} | {kept} of {len(arguments.seeds)} |", flush=True)


if __name__ == "__main__":
    main()
