"""What side information adds: photos10 with columns whose worth is known, few photos and all, against the image alone.

The columns are drawn, not observed, so that their worth is known:

- place: one of ten. With probability 0.6 the one that belongs to the class, else any of the ten: it alone names the
  right class of 64 % of the photos.
- price: normal around the class's number (0 to 9), with a standard deviation of 3.
- note: eight words, each with probability 0.3 one of the class's own five, else one of fifty that all classes share.
- dice and noise: one of six, and a normal number; both know nothing of the class.

Trained on photos10/train, whose further photos (up to 25 a class) are the validation part; measured on photos10/test.
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
INFORMED: Final = ("place", "price", "note")
USELESS: Final = ("dice", "noise")
VALIDATION: Final = 25

Row = dict[str, str]


def describe(label: int, random: np.random.Generator) -> Row:
    """The columns of one photo."""
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


def write_manifest(folder: Path, photos_a_class: int | None, seed: int) -> Path:
    """A CSV with a split: so many training photos of each class (None: all but the validation part)."""
    random = np.random.default_rng(seed)
    rows = []
    classes = sorted(path.name for path in (DATA / "photos10/train").iterdir())
    for label, name in enumerate(classes):
        train_photos = sorted((DATA / f"photos10/train/{name}").iterdir())
        shuffled = [train_photos[position] for position in random.permutation(len(train_photos))]
        taken = shuffled[VALIDATION:][:photos_a_class]
        split = {"validation": shuffled[:VALIDATION], "train": taken}
        split["test"] = sorted((DATA / f"photos10/test/{name}").iterdir())
        for part, paths in split.items():
            rows += [
                {"path": str(path), "label": name, "split": part, **describe(label, random)} for path in sorted(paths)
            ]
    manifest = folder / "photos.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def measure(photos: int | None, columns: Sequence[str], seed: int, cache: Path, keep: bool) -> Mapping[str, Any]:
    """What the manifest of one training says about its columns."""
    with tempfile.TemporaryDirectory() as folder:
        options = ClassifierOptions(
            write_manifest(Path(folder), photos, seed),
            "photos",
            out=Path(folder) / "out",
            backbone=str(DATA / "backbone/mobilenetv2_100_fp32.onnx"),
            dtype="float32",
            augment="none",
            flip="no",
            search=SearchLimits(trials=8, hidden=False),
            side=dict.fromkeys(columns),
            keep_side=keep,
            seed=seed,
            cache=cache,
        )
        release = train(options, Progress(quiet=True))
        told = parse((release / "manifest.json").read_bytes()).evaluation["beside_the_image"]
        return cast("Mapping[str, Any]", told)


def main() -> None:
    """Prints a line for each number of photos and each set of columns: means over the seeds."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments.add_argument("--photos", type=int, nargs="+", default=[10, 0], help="A class; 0: all.")
    arguments.add_argument("--cache", type=Path, default=Path(".larder/cache/features"))
    given = arguments.parse_args()
    print("| photos a class | columns | image alone | with them | they are missing | kept by validation |")
    print("| --- | --- | --- | --- | --- | --- |")
    for photos in given.photos:
        for columns in (INFORMED, ("place",), USELESS):
            alone, joined, missing, kept = [], [], [], 0
            for seed in given.seeds:
                forced = measure(photos or None, columns, seed, given.cache, keep=True)
                accuracy = forced["accuracy"]
                alone.append(100 * accuracy["image alone"]["test"])
                joined.append(100 * accuracy[forced["kept"]]["test"])
                missing.append(100 * forced["accuracy_where_missing"]["every column"]["test"])
                kept += bool(forced["helps"])
            told = " | ".join(f"{np.mean(one):.1f} ± {np.std(one):.1f}" for one in (alone, joined, missing))
            print(f"| {photos or 'all'} | {', '.join(columns)} | {told} | {kept} of {len(given.seeds)} |", flush=True)


if __name__ == "__main__":
    main()
