"""CIFAR-10, all 50,000 training images, on a frozen backbone: which head, on which features, and how good it gets.

    python benchmarks/classifier/cifar10.py --images cifar10 --backbone mobilenetv2.onnx --features features/
    python benchmarks/classifier/cifar10.py --images cifar10 --features built-in/ --flips

``--images`` holds ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``. Features are computed once, in pieces of 2,000
images that a second run finds again in ``--features``. Every head learns from 45,000 training images and is judged on
the other 5,000; the best one then learns from all 50,000 and is asked about the test images once.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features import backbone, hog
from larder_training.classifier.heads.config import FittedHead, HeadConfig, LabelledFeatures, fit_config
from larder_training.classifier.heads.scaler import Scaler
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.numerics.parallel import map_in_order

PIECE = 2_000
BATCH = 8
HELD_OUT = 5_000
FEATURES = 1280  # of the last layer; further columns are middle layers
MIDDLE = (64, 96, 160)  # channels of the stages whose last sum is pooled beside the features
PREPROCESSING = Preprocessing(mean=(127.5,), std=(127.5,), resize_short=224, output="features", resampling="bicubic")


@dataclass(frozen=True)
class Rows:
    """Features ``[N, D]`` and labels ``[N]``; ``mirrored`` are the features of the mirror images, if wanted."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    mirrored: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Try:
    """What is learnt from: how many of the columns, with or without mirror images, by which recipe."""

    columns: int | None
    mirrored: bool
    config: HeadConfig

    def __str__(self) -> str:
        features = "all columns" if self.columns is None else f"first {self.columns}"
        return f"{features}{', mirror images too' if self.mirrored else ''} | {self.config}"


def tries(*, built_in: bool, flips: bool) -> list[Try]:
    """All that is tried; ``flips`` where features of the mirror images exist."""
    wide = HeadConfig(l2=0.01, units=512, optimiser="adam", rate=0.001, dropout=0.5)
    last = None if built_in else FEATURES
    made = [Try(last, False, HeadConfig(l2=0.1)), Try(last, False, wide)]
    if not built_in:
        wider = replace(wide, units=1024)
        made += [Try(None, False, HeadConfig(l2=0.1)), Try(None, False, wide), Try(None, False, wider)]
    return [*made, Try(None, True, wide)] if flips else made


def network(path: Path | None) -> tuple[bytes, list[str], ImageSpec]:
    """The backbone with the means of some middle layers as further outputs; without one the built-in features."""
    if path is None:
        spec = hog.image_spec(None, None)
        return to_bytes(hog.feature_graph(spec.width)), ["features"], spec
    features = backbone.load_backbone(path, PREPROCESSING, {})
    model = features.model
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred}
    last = {
        shapes[node.output[0]][1]: node.output[0]
        for node in model.graph.node
        if node.op_type == "Add" and len(shapes.get(node.output[0], ())) == 4
    }
    outputs = ["features"]
    for channels in MIDDLE:
        name = f"middle{channels}"
        model.graph.node.append(helper.make_node("GlobalAveragePool", [last[channels]], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, 1, 1]))
        outputs.append(name)
    return to_bytes(model), outputs, features.image_spec


def pieces(images: Path, model: Path | None, part: str, folder: Path, *, mirrored: bool) -> Iterator[Path]:
    """The files of one part's features; those that are missing are computed."""
    classes = sorted(path.name for path in (images / "train").iterdir())
    photos = [
        (path, number) for number, name in enumerate(classes) for path in sorted((images / part / name).iterdir())
    ]
    photos = [photos[i] for i in np.random.default_rng(0).permutation(len(photos))]
    running = None
    for start in range(0, len(photos), PIECE):
        target = folder / f"{part}-{int(mirrored)}-{start:05d}.npz"
        if not target.exists():
            running = running or network(model)
            _compute(running, photos[start : start + PIECE], target, mirrored=mirrored)
            print(f"computed {target.name}", flush=True)
        yield target


def _compute(
    running: tuple[bytes, list[str], ImageSpec], photos: Sequence[tuple[Path, int]], target: Path, *, mirrored: bool
) -> None:
    model, outputs, spec = running
    open_session = session(model, optimise=True)

    def run(start: int) -> NDArray[np.float32]:
        pixels = np.stack([decode(path.read_bytes(), spec) for path, _ in photos[start : start + BATCH]])
        pixels = np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels
        found = open_session.run(outputs, {"image": pixels})
        return np.concatenate([part.reshape(len(pixels), -1) for part in found], axis=1)

    found = np.concatenate(list(map_in_order(run, range(0, len(photos), BATCH))))
    scratch = target.with_name("unfinished.npz")
    np.savez(scratch, x=found.astype(np.float16), y=np.array([label for _, label in photos]))
    scratch.rename(target)


def read(arguments: argparse.Namespace, part: str, *, flips: bool) -> Rows:
    """One part's rows, in a fixed shuffled order."""

    def joined(mirrored: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        given = (arguments.images, arguments.backbone, part, arguments.features)
        loaded = [np.load(path) for path in pieces(*given, mirrored=mirrored)]
        return np.concatenate([piece["x"] for piece in loaded]).astype(np.float32), np.concatenate(
            [piece["y"] for piece in loaded]
        )

    features, labels = joined(mirrored=False)
    return Rows(features, labels, joined(mirrored=True)[0] if flips else None)


def learn(rows: Rows, tried: Try, taken: slice, stop: Rows | None, epochs: int) -> tuple[FittedHead, Scaler, int]:
    """Fits one head; with ``stop``, a hidden layer stops early by those rows."""
    features, labels = rows.features[taken, : tried.columns], rows.labels[taken]
    if tried.mirrored and rows.mirrored is not None:
        features = np.concatenate([features, rows.mirrored[taken, : tried.columns]])
        labels = np.concatenate([labels, labels])
    standard = Scaler.fit(features)
    watched = np.zeros(len(labels), np.bool_)
    if stop is not None and tried.config.units:
        features = np.concatenate([features, stop.features[:, : tried.columns]])
        labels = np.concatenate([labels, stop.labels])
        watched = np.concatenate([watched, np.ones(len(stop.labels), np.bool_)])
    lesson = LabelledFeatures(standard.transform(features), labels, 10)
    fitted, ran = fit_config(
        tried.config, lesson, parent=None, seed=0, stop=watched if watched.any() else None, epochs=epochs, rough=True
    )
    return fitted, standard, ran


def accuracy(fitted: FittedHead, standard: Scaler, rows: Rows, columns: int | None) -> float:
    """The share of images labelled right."""
    logits = fitted.logits(standard.transform(rows.features[:, :columns]))
    return float((logits.argmax(axis=1) == rows.labels).mean())


def main() -> None:
    """Prints a table of what was tried, and the test accuracy of the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--backbone", type=Path, help="MobileNetV2; without: the built-in features.")
    parser.add_argument("--features", type=Path, required=True, help="Folder of the computed features.")
    parser.add_argument("--flips", action="store_true", help="Learn from mirror images too.")
    parser.add_argument("--only", type=int, nargs="*", help="Numbers of the rows to try, from 1. Default: all.")
    arguments = parser.parse_args()
    arguments.features.mkdir(parents=True, exist_ok=True)
    train = read(arguments, "train", flips=arguments.flips)
    split = len(train.labels) - HELD_OUT
    held_out = Rows(train.features[split:], train.labels[split:])
    print(f"| features | head | epochs | of {HELD_OUT:,} right |\n| --- | --- | --- | --- |")
    results = []
    with threadpool_limits(1, user_api="blas"):
        for number, tried in enumerate(tries(built_in=arguments.backbone is None, flips=arguments.flips), start=1):
            if arguments.only and number not in arguments.only:
                continue
            fitted, standard, epochs = learn(train, tried, slice(0, split), held_out, 40)
            found = accuracy(fitted, standard, held_out, tried.columns)
            results.append((found, tried, epochs))
            print(f"| {tried} | {epochs or ''} | {100 * found:.2f} % |", flush=True)
        _, best, epochs = max(results, key=lambda result: result[0])
        fitted, standard, _ = learn(train, best, slice(None), None, epochs)
    test = read(arguments, "test", flips=False)
    found = accuracy(fitted, standard, test, best.columns)
    print(f"\nThe best, learnt from all {len(train.labels):,}: {100 * found:.2f} % of {len(test.labels):,} test images")


if __name__ == "__main__":
    main()
