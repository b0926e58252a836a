"""How well a classifier knows what it was never taught.

    python benchmarks/classifier/unknowns.py

First every choice of 7 of photos10's 10 classes is taught by its training photos in float32 (last and middle layers),
and the test photos of those 7 are told from the test photos of the other 3 (AUROC of `novelty`). Then whole releases as
`larder train classifier` makes them, in int8: some of 7 classes, measured in the same way through `model.onnx`, and one
of all 10, which is asked for photos10's test photos and for CIFAR-10's frogs, deer and trucks.
"""

import argparse
import os
import tarfile
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from larder.release.manifest import parse
from larder.release.serving import ClassifierServing
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.features import backbone
from larder_training.classifier.features.cache import FeatureCache
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.intermediate_layers import with_intermediate_layers
from larder_training.classifier.features.views import plain_views
from larder_training.classifier.fitting.predictions import predict
from larder_training.classifier.metrics.classification import ood_auroc
from larder_training.classifier.onnx.graph import to_bytes
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import LayerWidths
from larder_training.classifier.selection.training_set import groups_of
from larder_training.classifier.train import train
from larder_training.numerics.arrays import Floats
from larder_training.reporting.progress import Progress

SHARED = Path(__file__).parents[3] / "shared" / "data"
STRANGERS = ("frog", "deer", "truck")
QUIET = Progress(quiet=True)


@dataclass(frozen=True, slots=True)
class Rows:
    """Features of a folder's photos, last layer first, their labels and groups."""

    features: Floats
    labels: NDArray[np.str_]
    groups: NDArray[np.int64]
    layer_widths: LayerWidths


def embedded(photos: Path, model: Path, cache: Path) -> Rows:
    """What the backbone's last and middle layers say of a folder's photos."""
    last = backbone.load_backbone(model, Preprocessing(), {})
    features = with_intermediate_layers(last) or last
    checked = scan_images(read_dataset(photos), QUIET).samples
    extract = FeatureExtractor(to_bytes(features.model), features.outputs, optimise=True, cache=FeatureCache(cache))
    found = extract(plain_views(checked, features.image_spec), "Features")
    labels = np.array([photo.image.label for photo in checked])
    layer_widths = LayerWidths(features.dimensions, found.shape[1] - features.dimensions)
    return Rows(found, labels, groups_of(checked), layer_widths)


def every_choice(photos10: Path, model: Path, cache: Path) -> None:
    """Prints AUROC over all choices of three classes."""
    taught, asked = (embedded(photos10 / part, model, cache) for part in ("train", "test"))

    def one(held_out_classes: tuple[str, ...]) -> float:
        known = ~np.isin(taught.labels, held_out_classes)
        _, numbers = np.unique(taught.labels[known], return_inverse=True)
        made, _ = detector.fit_with_held_out_scores(
            taught.features[known], numbers.astype(np.int64), taught.groups[known], taught.layer_widths
        )
        scores, strange = made.score(asked.features), np.isin(asked.labels, held_out_classes)
        return ood_auroc(scores[~strange], scores[strange])

    choices = list(combinations(sorted(set(taught.labels.tolist())), 3))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        values = np.array(list(pool.map(one, choices)))
    worst = choices[int(values.argmin())]
    print(f"{len(choices)} choices of 3, float32: AUROC mean {values.mean():.4f}, worst {values.min():.4f} {worst}")
    print(f"  choices at 0.95 or more: {int((values >= 0.95).sum())}", flush=True)


def release(photos: Path, model: Path, out: Path, cache: Path) -> Path:
    """A release as the command line's defaults make it."""
    return train(ClassifierOptions(photos, "unknowns", out=out, backbone=str(model), cache=cache), QUIET)


def novelty_of(folder: Path, photos: Path) -> tuple[Floats, NDArray[np.str_], float]:
    """Novelty and label of each photo, by the release's own graph and decoding, and the release's threshold."""
    serving = parse((folder / "manifest.json").read_bytes()).serving
    if not isinstance(serving, ClassifierServing) or serving.novelty_threshold is None:
        raise SystemExit(f"{folder} cannot tell what is unknown. Give a classifier.")
    checked = scan_images(read_dataset(photos), QUIET).samples
    predictions = predict((folder / serving.file).read_bytes(), checked, serving, title="Asking", progress=QUIET)
    return predictions.ood_scores, np.array([photo.image.label for photo in checked]), serving.novelty_threshold


def seven(photos10: Path, held_out_classes: Sequence[str], model: Path, cache: Path) -> None:
    """Prints the AUROC of a whole release of seven classes, in int8."""
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "photos"
        for label in sorted((photos10 / "train").iterdir()):
            if label.is_dir() and label.name not in held_out_classes:
                (data / label.name).mkdir(parents=True)
                for file in label.iterdir():
                    (data / label.name / file.name).symlink_to(file.resolve())
        found, labels, threshold = novelty_of(release(data, model, Path(scratch) / "out", cache), photos10 / "test")
    strange = np.isin(labels, held_out_classes)
    print(
        f"release without {', '.join(held_out_classes)}: AUROC {ood_auroc(found[~strange], found[strange]):.4f}, "
        f"called unknown: {(found[strange] > threshold).mean():.1%} of these, "
        f"{(found[~strange] > threshold).mean():.1%} of the others",
        flush=True,
    )


def extracted(archive: Path, folder: Path, most: int) -> Path:
    """CIFAR-10's photos of the three classes."""
    with tarfile.open(archive) as opened:
        taken = dict.fromkeys(STRANGERS, 0)
        for member in opened:
            label = Path(member.name).parent.name
            if member.isfile() and label in taken and taken[label] < most:
                taken[label] += 1
                opened.extract(member, folder, filter="data")
    return folder / archive.name.split(".")[0]


def ten(photos10: Path, cifar10: Path, model: Path, cache: Path, most: int) -> None:
    """Prints how often a release of all ten classes calls photos unknown."""
    with tempfile.TemporaryDirectory() as scratch:
        made = release(photos10 / "train", model, Path(scratch) / "out", cache)
        known, _, threshold = novelty_of(made, photos10 / "test")
        found, labels, _ = novelty_of(made, extracted(cifar10 / "test.tar.xz", Path(scratch) / "cifar10", most))
        size = (made / "model.onnx").stat().st_size
    print(f"release of all ten, {size / 1e6:.2f} MB, threshold {threshold:.4f}: called unknown")
    print(f"  photos10/test {(known > threshold).mean():.1%} of {len(known)}; AUROC {ood_auroc(known, found):.4f}")
    for label in STRANGERS:
        own = found[labels == label]
        print(f"  CIFAR-10 {label} {(own > threshold).mean():.1%} of {len(own)}")
    print(f"  CIFAR-10 all three {(found > threshold).mean():.1%} of {len(found)}")


def main() -> None:
    """Prints everything, the fast first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos10", type=Path, default=SHARED / "photos10")
    parser.add_argument("--cifar10", type=Path, default=SHARED / "cifar10")
    parser.add_argument("--backbone", type=Path, default=SHARED / "backbone" / "mobilenetv2_100_fp32.onnx")
    parser.add_argument("--cache", type=Path, default=Path(".larder/features"))
    parser.add_argument("--releases", type=int, default=3, help="releases of seven classes to train")
    parser.add_argument("--most", type=int, default=1000, help="photos of each CIFAR-10 class")
    given = parser.parse_args()
    every_choice(given.photos10, given.backbone, given.cache)
    labels = sorted(path.name for path in (given.photos10 / "train").iterdir() if path.is_dir())
    ten(given.photos10, given.cifar10, given.backbone, given.cache, given.most)
    for seed in range(given.releases):
        chosen = sorted(np.random.default_rng(seed).choice(labels, 3, replace=False).tolist())
        seven(given.photos10, chosen, given.backbone, given.cache)


if __name__ == "__main__":
    main()
