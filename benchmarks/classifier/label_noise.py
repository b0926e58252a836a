"""Changes some labels of photos10's training images to wrong ones, and counts how many of them the audit lists.

    python benchmarks/classifier/label_noise.py

The seed decides which labels are changed, and to which.
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
from larder_training.classifier.selection.backbone_choice import load_features
from larder_training.reporting.progress import Progress

SHARED = Path(__file__).parents[3] / "shared" / "data"


def change_labels(scan: DatasetScan, share: float, seed: int) -> tuple[DatasetScan, set[str]]:
    """The scan with a share of its labels changed to another, each equally likely, and the names of those images."""
    random = np.random.default_rng(seed)
    labels = sorted({sample.image.label for sample in scan.samples})
    samples = list(scan.samples)
    changed = random.choice(len(samples), round(share * len(samples)), replace=False)
    for position in changed:
        sample = samples[position]
        others = [label for label in labels if label != sample.image.label]
        samples[position] = replace(sample, image=replace(sample.image, label=str(random.choice(others))))
    return replace(scan, samples=tuple(samples)), {samples[position].image.name for position in changed}


def main() -> None:
    """Prints one line per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "photos10" / "train")
    parser.add_argument(
        "--backbone",
        default=str(SHARED / "backbone" / "mobilenetv2_100_fp32.onnx"),
        help="ONNX file, or 'none' for the built-in features",
    )
    parser.add_argument("--share", type=float, default=0.05, help="share of the labels to change")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(10, 20)))
    arguments = parser.parse_args()
    quiet = Progress(quiet=True)
    options = ClassifierOptions(arguments.data, "noise", backbone=arguments.backbone)
    context = ClassifierContext(options, quiet)
    features = load_features(arguments.backbone, context)
    scan = scan_images(read_dataset(arguments.data), quiet)
    original = audit(scan, features, context)
    print(f"{len(scan.samples)} images, original labels: {len(original.label_errors)} listed")
    names = ("changed", "listed", "found", "share found", "list/changed", "right label")
    print("seed", *(f"{name:>12}" for name in names))
    truth = {sample.image.name: sample.image.label for sample in scan.samples}
    for seed in arguments.seeds:
        noisy, changed = change_labels(scan, arguments.share, seed)
        listed = audit(noisy, features, context).label_errors
        found = [error for error in listed if error.sample.image.name in changed]
        right = sum(error.proposed == truth[error.sample.image.name] for error in found)
        shares = f"{len(found) / len(changed):>12.1%} {len(listed) / len(changed):>12.2f}"
        print(f"{seed:>4} {len(changed):>12} {len(listed):>12} {len(found):>12} {shares} {right:>12}", flush=True)


if __name__ == "__main__":
    main()
