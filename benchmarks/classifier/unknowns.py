"""Measures how well a classifier detects out-of-distribution (OOD) images.

    python benchmarks/classifier/unknowns.py

First, every choice of seven of photos10's ten classes, in float32 (last and middle layers): a detector is fitted on
their training images, and its OOD score separates their test images from those of the other three classes (AUROC).
Then int8 releases as ``larder train classifier`` makes them: one of all ten classes, evaluated on photos10's test
images and on CIFAR-10's frogs, deer and trucks, and some of seven classes, evaluated like the detectors, through
``model.onnx``.
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
CIFAR10_CLASSES = ("frog", "deer", "truck")  # not classes of photos10
HELD_OUT = 3  # classes
QUIET = Progress(quiet=True)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Features of the images of a folder.

    Attributes:
        features: ``[N, D]``, the last layer first.
        labels: ``[N]``.
        groups: ``[N]``, numbers of the groups of near-duplicates.
        layer_widths: Number of columns of the last and of the middle layers.
    """

    features: Floats
    labels: NDArray[np.str_]
    groups: NDArray[np.int64]
    layer_widths: LayerWidths


@dataclass(frozen=True, slots=True)
class ScoredImages:
    """OOD scores of images by a release.

    Attributes:
        scores: ``[N]``, the graph's output ``novelty``.
        labels: ``[N]``.
        threshold: The release's threshold; higher scores are flagged unknown.
    """

    scores: Floats
    labels: NDArray[np.str_]
    threshold: float

    def flagged(self, mask: NDArray[np.bool_] | None = None) -> float:
        """The share flagged unknown, of the images of ``mask`` or of all."""
        return float(((self.scores if mask is None else self.scores[mask]) > self.threshold).mean())


def embed(images: Path, model: Path, cache: Path) -> Embeddings:
    """Features of a folder's images from the last and middle layers of the backbone."""
    last = backbone.load_backbone(model, Preprocessing(), {})
    graph = with_intermediate_layers(last) or last
    samples = scan_images(read_dataset(images), QUIET).samples
    extract = FeatureExtractor(to_bytes(graph.model), graph.outputs, optimise=True, cache=FeatureCache(cache))
    features = extract(plain_views(samples, graph.image_spec), "Features")
    labels = np.array([sample.image.label for sample in samples])
    layer_widths = LayerWidths(graph.dimensions, features.shape[1] - graph.dimensions)
    return Embeddings(features, labels, groups_of(samples), layer_widths)


def print_all_choices(photos10: Path, model: Path, cache: Path) -> None:
    """Prints the AUROC over all choices of three held-out classes."""
    training, test = (embed(photos10 / part, model, cache) for part in ("train", "test"))

    def auroc(held_out_classes: tuple[str, ...]) -> float:
        known = ~np.isin(training.labels, held_out_classes)
        _, label_indices = np.unique(training.labels[known], return_inverse=True)
        fitted, _ = detector.fit_with_held_out_scores(
            training.features[known], label_indices.astype(np.int64), training.groups[known], training.layer_widths
        )
        scores, held_out = fitted.score(test.features), np.isin(test.labels, held_out_classes)
        return ood_auroc(scores[~held_out], scores[held_out])

    choices = list(combinations(sorted(set(training.labels.tolist())), HELD_OUT))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        values = np.array(list(pool.map(auroc, choices)))
    worst = choices[int(values.argmin())]
    print(f"{len(choices)} choices of 3, float32: AUROC mean {values.mean():.4f}, worst {values.min():.4f} {worst}")
    print(f"  choices at 0.95 or more: {int((values >= 0.95).sum())}", flush=True)


def train_release(images: Path, model: Path, out: Path, cache: Path) -> Path:
    """A release with the command's default options."""
    return train(ClassifierOptions(images, "unknowns", out=out, backbone=str(model), cache=cache), QUIET)


def score_images(release: Path, images: Path) -> ScoredImages:
    """The OOD scores of a folder's images, by the graph and the decoding of a release."""
    serving = parse((release / "manifest.json").read_bytes()).serving
    if not isinstance(serving, ClassifierServing) or serving.novelty_threshold is None:
        raise SystemExit(f"{release} has no threshold for unknown images. Give a classifier's release folder.")
    samples = scan_images(read_dataset(images), QUIET).samples
    predictions = predict((release / serving.file).read_bytes(), samples, serving, title="Predicting", progress=QUIET)
    labels = np.array([sample.image.label for sample in samples])
    return ScoredImages(predictions.ood_scores, labels, serving.novelty_threshold)


def print_release_of_seven(photos10: Path, held_out_classes: Sequence[str], model: Path, cache: Path) -> None:
    """Prints the AUROC and the flagged shares of an int8 release of seven classes."""
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "images"
        for label in sorted((photos10 / "train").iterdir()):
            if label.is_dir() and label.name not in held_out_classes:
                (data / label.name).mkdir(parents=True)
                for file in label.iterdir():
                    (data / label.name / file.name).symlink_to(file.resolve())
        scored = score_images(train_release(data, model, Path(scratch) / "out", cache), photos10 / "test")
    held_out = np.isin(scored.labels, held_out_classes)
    print(
        f"release without {', '.join(held_out_classes)}: "
        f"AUROC {ood_auroc(scored.scores[~held_out], scored.scores[held_out]):.4f}, "
        f"flagged unknown: {scored.flagged(held_out):.1%} of these, {scored.flagged(~held_out):.1%} of the others",
        flush=True,
    )


def extract_classes(archive: Path, folder: Path, images_per_class: int) -> Path:
    """Unpacks the first images of each of ``CIFAR10_CLASSES`` below ``folder``; returns the folder of the classes."""
    with tarfile.open(archive) as tar:
        counts = dict.fromkeys(CIFAR10_CLASSES, 0)
        for member in tar:
            label = Path(member.name).parent.name
            if member.isfile() and label in counts and counts[label] < images_per_class:
                counts[label] += 1
                tar.extract(member, folder, filter="data")
    return folder / archive.name.split(".")[0]


def print_release_of_ten(photos10: Path, cifar10: Path, model: Path, cache: Path, images_per_class: int) -> None:
    """Prints the shares of photos10's and CIFAR-10's images that a release of all ten classes flags unknown."""
    with tempfile.TemporaryDirectory() as scratch:
        release = train_release(photos10 / "train", model, Path(scratch) / "out", cache)
        known = score_images(release, photos10 / "test")
        ood_images = extract_classes(cifar10 / "test.tar.xz", Path(scratch) / "cifar10", images_per_class)
        ood = score_images(release, ood_images)
        size = (release / "model.onnx").stat().st_size
    print(f"release of all ten, {size / 1e6:.2f} MB, threshold {known.threshold:.4f}: flagged unknown")
    auroc = ood_auroc(known.scores, ood.scores)
    print(f"  photos10/test {known.flagged():.1%} of {len(known.scores)}; AUROC {auroc:.4f}")
    for label in CIFAR10_CLASSES:
        mask = ood.labels == label
        print(f"  CIFAR-10 {label} {ood.flagged(mask):.1%} of {mask.sum()}")
    print(f"  CIFAR-10 all three {ood.flagged():.1%} of {len(ood.scores)}")


def main() -> None:
    """Prints all results, the fast ones first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos10", type=Path, default=SHARED / "photos10")
    parser.add_argument("--cifar10", type=Path, default=SHARED / "cifar10")
    parser.add_argument("--backbone", type=Path, default=SHARED / "backbone" / "mobilenetv2_100_fp32.onnx")
    parser.add_argument("--cache", type=Path, default=Path(".larder/features"))
    parser.add_argument("--releases", type=int, default=3, help="number of releases of seven classes")
    parser.add_argument("--most", type=int, default=1000, help="maximum number of images of each CIFAR-10 class")
    arguments = parser.parse_args()
    print_all_choices(arguments.photos10, arguments.backbone, arguments.cache)
    print_release_of_ten(arguments.photos10, arguments.cifar10, arguments.backbone, arguments.cache, arguments.most)
    labels = sorted(path.name for path in (arguments.photos10 / "train").iterdir() if path.is_dir())
    for seed in range(arguments.releases):
        held_out_classes = sorted(np.random.default_rng(seed).choice(labels, HELD_OUT, replace=False).tolist())
        print_release_of_seven(arguments.photos10, held_out_classes, arguments.backbone, arguments.cache)


if __name__ == "__main__":
    main()
