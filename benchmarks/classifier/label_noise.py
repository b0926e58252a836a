"""Flips labels of photos10's training photos on purpose and counts how many of them the audit lists.

python benchmarks/classifier/label_noise.py
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from larder_training.classifier.audit.audit import audit
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import DatasetScan, scan_images
from larder_training.classifier.train import choose_features
from larder_training.reporting.progress import Progress

SHARED = Path(__file__).parents[3] / "shared" / "data"


def flip(found: DatasetScan, share: float, seed: int) -> tuple[DatasetScan, set[str]]:
    """The scan with a share of its labels changed to another, each as likely, and the names of those photos."""
    random = np.random.default_rng(seed)
    labels = sorted({checked.image.label for checked in found.samples})
    photos = list(found.samples)
    taken = random.choice(len(photos), round(share * len(photos)), replace=False)
    for position in taken:
        checked = photos[position]
        others = [label for label in labels if label != checked.image.label]
        other = str(random.choice(others))
        photos[position] = replace(checked, image=replace(checked.image, label=other))
    return replace(found, samples=tuple(photos)), {photos[position].image.name for position in taken}


def main() -> None:
    """Prints a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "photos10" / "train")
    parser.add_argument("--backbone", default=str(SHARED / "backbone" / "mobilenetv2_100_fp32.onnx"), help="or 'none'")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(10, 20)))
    given = parser.parse_args()
    quiet = Progress(quiet=True)
    backbone = None if given.backbone == "none" else given.backbone
    options = ClassifierOptions(given.data, "noise", backbone=backbone)
    context = ClassifierContext(options, quiet)
    features = choose_features(context)
    found = scan_images(read_dataset(given.data), quiet)
    clean = audit(found, features, context)
    print(f"{len(found.samples)} photos, labels as they are: {len(clean.label_errors)} listed")
    names = ("flips", "listed", "flips found", "share found", "list / flips", "named right")
    print("seed", *(f"{name:>12}" for name in names))
    truth = {checked.image.name: checked.image.label for checked in found.samples}
    for seed in given.seeds:
        changed, flips = flip(found, given.share, seed)
        told = audit(changed, features, context).label_errors
        hits = [suspect for suspect in told if suspect.sample.image.name in flips]
        right = sum(suspect.proposed == truth[suspect.sample.image.name] for suspect in hits)
        shares = f"{len(hits) / len(flips):>12.1%} {len(told) / len(flips):>12.2f}"
        print(f"{seed:>4} {len(flips):>12} {len(told):>12} {len(hits):>12} {shares} {right:>12}", flush=True)


if __name__ == "__main__":
    main()
