"""Compares heads and features on CIFAR-10 with a frozen backbone, and evaluates the best head on the test images.

    python benchmarks/classifier/cifar10.py --images cifar10 --backbone mobilenetv2.onnx --features features/
    python benchmarks/classifier/cifar10.py --images cifar10 --features built-in/ --flips

``--images`` has ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``. Features are computed once, in files of 2,000
images, which the next run reads from ``--features``. Every head is fitted on 45,000 training images and evaluated on
the other 5,000. The best one is then fitted on all 50,000 and evaluated on the test images once.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from larder.classifier.image_decoding import decode
from larder.release.serving import ImageSpec
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features import backbone, hog
from larder_training.classifier.heads.config import FittedHead, HeadConfig, LabelledFeatures, fit_config
from larder_training.classifier.heads.scaler import Scaler
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.numerics.blas import single_threaded_blas
from larder_training.numerics.parallel import map_in_order

FILE_SIZE = 2_000  # images per file of features
BATCH = 8
HELD_OUT = 5_000
MAX_EPOCHS = 40
CLASSES = 10
LAST_LAYER = 1280  # features of the last layer; further columns are middle layers
MIDDLE_LAYERS = (64, 96, 160)  # channels of the stages whose last residual sum is pooled and added to the features
PREPROCESSING = Preprocessing(mean=(127.5,), std=(127.5,), resize_short=224, output="features", resampling="bicubic")


@dataclass(frozen=True)
class LabelledRows:
    """Features with labels.

    Attributes:
        features: ``[N, D]``.
        labels: ``[N]``, of 0..9.
        mirrored: ``[N, D]``, features of the mirror images. None: not computed.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    mirrored: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Trial:
    """A head and the features that it is fitted on.

    Attributes:
        columns: Number of columns, from the first. None: all.
        mirrored: Whether it is fitted on mirror images too.
        config: Hyperparameters of the head.
    """

    columns: int | None
    mirrored: bool
    config: HeadConfig

    def __str__(self) -> str:
        features = "all columns" if self.columns is None else f"first {self.columns}"
        return f"{features}{', mirror images too' if self.mirrored else ''} | {self.config}"


@dataclass(frozen=True)
class FeatureModel:
    """A graph that computes features.

    Attributes:
        model: Serialized ONNX graph.
        outputs: Names of its outputs, whose columns are concatenated.
        image_spec: Specification of its input images.
    """

    model: bytes
    outputs: list[str]
    image_spec: ImageSpec


def list_trials(*, built_in: bool, flips: bool) -> list[Trial]:
    """All trials; with ``flips`` also one on mirror images."""
    linear = HeadConfig(l2=0.1)
    wide = HeadConfig(l2=0.01, units=512, optimiser="adam", rate=0.001, dropout=0.5)
    last = None if built_in else LAST_LAYER
    trials = [Trial(last, False, linear), Trial(last, False, wide)]
    if not built_in:
        wider = replace(wide, units=1024)
        trials += [Trial(None, False, linear), Trial(None, False, wide), Trial(None, False, wider)]
    return [*trials, Trial(None, True, wide)] if flips else trials


def feature_model(path: Path | None) -> FeatureModel:
    """The backbone with the means of some middle layers as further outputs, or the built-in features without one."""
    if path is None:
        spec = hog.image_spec(None, None)
        return FeatureModel(to_bytes(hog.feature_graph(spec.width)), ["features"], spec)
    features = backbone.load_backbone(path, PREPROCESSING, {})
    model = features.model
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred}
    last_sums = {
        shapes[node.output[0]][1]: node.output[0]
        for node in model.graph.node
        if node.op_type == "Add" and len(shapes.get(node.output[0], ())) == 4
    }
    outputs = ["features"]
    for channels in MIDDLE_LAYERS:
        name = f"middle{channels}"
        model.graph.node.append(helper.make_node("GlobalAveragePool", [last_sums[channels]], [name]))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, 1, 1]))
        outputs.append(name)
    return FeatureModel(to_bytes(model), outputs, features.image_spec)


def feature_files(images: Path, model: Path | None, part: str, folder: Path, *, mirrored: bool) -> Iterator[Path]:
    """The files with the features of one part, in a fixed shuffled order; missing ones are computed."""
    classes = sorted(path.name for path in (images / "train").iterdir())
    samples = [(path, label) for label, name in enumerate(classes) for path in sorted((images / part / name).iterdir())]
    samples = [samples[i] for i in np.random.default_rng(0).permutation(len(samples))]
    loaded = None
    for start in range(0, len(samples), FILE_SIZE):
        target = folder / f"{part}-{int(mirrored)}-{start:05d}.npz"
        if not target.exists():
            loaded = loaded or feature_model(model)
            _compute(loaded, samples[start : start + FILE_SIZE], target, mirrored=mirrored)
            print(f"computed {target.name}", flush=True)
        yield target


def _compute(model: FeatureModel, samples: Sequence[tuple[Path, int]], target: Path, *, mirrored: bool) -> None:
    """Writes the features and labels of ``samples`` to ``target``."""
    running = session(model.model, optimise=True)

    def run(start: int) -> NDArray[np.float32]:
        batch = samples[start : start + BATCH]
        pixels = np.stack([decode(path.read_bytes(), model.image_spec) for path, _ in batch])
        pixels = np.ascontiguousarray(pixels[:, :, ::-1]) if mirrored else pixels
        outputs = running.run(model.outputs, {"image": pixels})
        return np.concatenate([output.reshape(len(pixels), -1) for output in outputs], axis=1)

    features = np.concatenate(list(map_in_order(run, range(0, len(samples), BATCH))))
    scratch = target.with_name("unfinished.npz")
    np.savez(scratch, x=features.astype(np.float16), y=np.array([label for _, label in samples]))
    scratch.rename(target)


def load_rows(arguments: argparse.Namespace, part: str, *, flips: bool) -> LabelledRows:
    """The rows of one part, with the features of mirror images if ``flips``."""

    def load(mirrored: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        files = feature_files(arguments.images, arguments.backbone, part, arguments.features, mirrored=mirrored)
        arrays = [np.load(path) for path in files]
        features = np.concatenate([array["x"] for array in arrays]).astype(np.float32)
        return features, np.concatenate([array["y"] for array in arrays])

    features, labels = load(mirrored=False)
    return LabelledRows(features, labels, load(mirrored=True)[0] if flips else None)


def fit(
    rows: LabelledRows, trial: Trial, part: slice, validation: LabelledRows | None, epochs: int
) -> tuple[FittedHead, Scaler, int]:
    """Fits a head on a part of the rows.

    Args:
        rows: The training rows.
        trial: The head and its features.
        part: Which of the rows to fit.
        validation: Rows that a hidden layer stops early by. None: run all epochs.
        epochs: Passes over the rows, at most.

    Returns:
        The head, the scaler of its features and the number of epochs.
    """
    features, labels = rows.features[part, : trial.columns], rows.labels[part]
    if trial.mirrored and rows.mirrored is not None:
        features = np.concatenate([features, rows.mirrored[part, : trial.columns]])
        labels = np.concatenate([labels, labels])
    scaler = Scaler.fit(features)
    stop = None
    if validation is not None and trial.config.units:
        stop = np.arange(len(labels) + len(validation.labels)) >= len(labels)
        features = np.concatenate([features, validation.features[:, : trial.columns]])
        labels = np.concatenate([labels, validation.labels])
    data = LabelledFeatures(scaler.transform(features), labels, CLASSES)
    head, epochs_run = fit_config(trial.config, data, parent=None, seed=0, stop=stop, epochs=epochs, rough=True)
    return head, scaler, epochs_run


def accuracy(head: FittedHead, scaler: Scaler, rows: LabelledRows, columns: int | None) -> float:
    """The share of rows whose best label is correct."""
    logits = head.logits(scaler.transform(rows.features[:, :columns]))
    return float((logits.argmax(axis=1) == rows.labels).mean())


def main() -> None:
    """Prints a table of the trials, and the test accuracy of the best one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--backbone", type=Path, help="MobileNetV2 as ONNX; default: the built-in features")
    parser.add_argument("--features", type=Path, required=True, help="folder for the computed features")
    parser.add_argument("--flips", action="store_true", help="also fit on mirror images")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the trials to run, from 1; default: all")
    arguments = parser.parse_args()
    arguments.features.mkdir(parents=True, exist_ok=True)
    train = load_rows(arguments, "train", flips=arguments.flips)
    split = len(train.labels) - HELD_OUT
    held_out = LabelledRows(train.features[split:], train.labels[split:])
    print(f"| features | head | epochs | right, of {HELD_OUT:,} |\n| --- | --- | --- | --- |")
    results = []
    with single_threaded_blas():
        for number, trial in enumerate(list_trials(built_in=arguments.backbone is None, flips=arguments.flips), 1):
            if arguments.only and number not in arguments.only:
                continue
            head, scaler, epochs = fit(train, trial, slice(0, split), held_out, MAX_EPOCHS)
            right = accuracy(head, scaler, held_out, trial.columns)
            results.append((right, trial, epochs))
            print(f"| {trial} | {epochs or ''} | {100 * right:.2f} % |", flush=True)
        _, best, epochs = max(results, key=lambda result: result[0])
        head, scaler, _ = fit(train, best, slice(None), None, epochs)
    test = load_rows(arguments, "test", flips=False)
    right = accuracy(head, scaler, test, best.columns)
    print(f"\nThe best, fitted on all {len(train.labels):,}: {100 * right:.2f} % right, of {len(test.labels):,} tested")


if __name__ == "__main__":
    main()
