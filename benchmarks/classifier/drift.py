"""What `larder drift` says of streams into a model of photos10: of CIFAR-10, its own test images, one label doubled.

    larder train classifier ../shared/data/photos10 --model photos10 --seed 1 --out /tmp/photos10
    python benchmarks/classifier/drift.py /tmp/photos10/* ../shared/data

Each stream is drawn with replacement; a table has in how many draws each cause was found.
"""

import argparse
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from larder.release.manifest import Manifest
from larder_training.classifier.drift.compare import compare
from larder_training.classifier.drift.outputs import GraphOutputs, ask
from larder_training.release.loader import read_classifier
from larder_training.reporting.progress import Progress

_CIFAR: Final = 2000
Draw = Callable[[np.random.Generator], tuple[GraphOutputs, GraphOutputs]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    arguments = parser.parse_args()
    manifest, serving = read_classifier(arguments.release, "")
    asked = partial(ask, arguments.release, serving, progress=Progress(quiet=True))
    images = {part: sorted((arguments.data / "photos10" / part).rglob("*.jpg")) for part in ("train", "test")}
    training, test = asked(images["train"]), asked(images["test"])
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(arguments.data / "cifar10/test.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        files = sorted(Path(folder).rglob("*.jpg"))
        other = asked([files[row] for row in np.random.default_rng(0).choice(len(files), _CIFAR, replace=False)])
    labels = np.array([path.parent.name for path in images["test"]])
    for size in (50, 100, 200):
        _print(f"CIFAR-10, {size} requests", manifest, partial(_stream, training, other, size), arguments.draws)
    _print("a tenth CIFAR-10, 200 requests", manifest, partial(_mixed, training, test, other), arguments.draws)
    _print("own test images, 2,000 requests", manifest, partial(_stream, training, test, 2000), arguments.draws)
    _print("half of training against the rest, 2,000", manifest, partial(_halves, training), arguments.draws)
    for label in serving.labels:
        weights = np.where(labels == label, 2.0, 1.0)
        drawn = partial(_stream, training, test, 2000, weights=weights / weights.sum())
        _print(f"{label} doubled, 2,000 requests", manifest, drawn, max(arguments.draws // 10, 1))


def _stream(
    training: GraphOutputs,
    pool: GraphOutputs,
    size: int,
    random: np.random.Generator,
    weights: NDArray[Any] | None = None,
) -> tuple[GraphOutputs, GraphOutputs]:
    return training, pool.take(random.choice(len(pool), size, p=weights))


def _mixed(
    training: GraphOutputs, own: GraphOutputs, other: GraphOutputs, random: np.random.Generator
) -> tuple[GraphOutputs, GraphOutputs]:
    parts = own.take(random.choice(len(own), 180)), other.take(random.choice(len(other), 20))
    columns = ((getattr(part, name) for part in parts) for name in GraphOutputs.__slots__)
    return training, GraphOutputs(*(np.concatenate(list(column)) for column in columns))


def _halves(training: GraphOutputs, random: np.random.Generator) -> tuple[GraphOutputs, GraphOutputs]:
    order = random.permutation(len(training))
    half, rest = order[: len(order) // 2], order[len(order) // 2 :]
    return training.take(half), training.take(random.choice(rest, 2000))


def _print(title: str, manifest: Manifest, draw: Draw, draws: int) -> None:
    counts: Counter[str] = Counter()
    random = np.random.default_rng(0)
    for _ in range(draws):
        found = compare(manifest, *draw(random)).causes
        counts["alarm"] += bool(found)
        counts["only label_shift"] += found == ("label_shift",)
        counts.update(found)
    shares = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    print(f"{title}: of {draws} draws: {shares or 'no alarm'}", flush=True)


if __name__ == "__main__":
    main()
