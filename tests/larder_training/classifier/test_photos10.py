"""Trainings on real images without a flag: ten classes on the default backbone in int8, and handwritten digits."""

import resource
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.paths import SHARED

from larder.release.manifest import parse
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.drift.compare import compare
from larder_training.classifier.drift.outputs import GraphOutputs, ask
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.onnx.quantization import MAX_WEIGHT
from larder_training.classifier.train import train
from larder_training.release.loader import read_classifier
from larder_training.reporting.progress import Progress

DATA = SHARED


@pytest.fixture(scope="module")
def ten_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of photos10."""
    if not (DATA / "photos10").exists():
        pytest.skip("the shared images are not on this machine")
    out = tmp_path_factory.mktemp("releases")
    return train(ClassifierOptions(DATA / "photos10" / "train", "ten-classes", out=out, augment="none", cache=None))


@pytest.mark.slow
def test_ten_classes_of_real_images(ten_classes: Path) -> None:
    release = ten_classes
    evaluation: Any = evaluate(release, DATA / "photos10" / "test")
    assert evaluation["photos"] == 459
    assert evaluation["accuracy"] >= 0.98
    assert evaluation["expected_calibration_error"] < 0.05
    manifest = parse((release / "manifest.json").read_bytes())
    training: Any = manifest.training
    assert training["backbone"]["name"] == "lite0"
    quantization: Any = manifest.evaluation["quantisation"]
    assert quantization["dtype"] == "int8"
    assert quantization["validation"]["release_accuracy"] >= quantization["validation"]["float32_accuracy"] - 0.005
    graph = onnx.load(release / "model.onnx").graph
    for tensor in graph.initializer:
        dense = len(tensor.dims) == 4 and tensor.dims[1] > 1
        assert not dense or np.abs(numpy_helper.to_array(tensor).astype(int)).max() <= MAX_WEIGHT
    assert (release / "model.onnx").stat().st_size <= 7_000_000
    # An upper bound, because earlier tests may have used more memory in this process.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= 2 * 2**20


@pytest.mark.slow
def test_drift_of_real_images(ten_classes: Path, tmp_path: Path) -> None:
    """Images of CIFAR-10 raise the alarm within 200 requests, photos10's own test images do not in 2,000."""
    manifest, serving = read_classifier(ten_classes, "")
    with tarfile.open(DATA / "cifar10" / "test.tar.xz") as archive:
        archive.extractall(tmp_path, members=list(archive)[:: len(archive.getnames()) // 199], filter="data")

    def asked(folder: Path) -> tuple[GraphOutputs, list[str]]:
        files = sorted(folder.rglob("*.jpg"))
        return ask(ten_classes, serving, files, Progress(quiet=True)), [path.parent.name for path in files]

    (training, _), (test, labels) = (asked(DATA / "photos10" / part) for part in ("train", "test"))
    other, _ = asked(tmp_path)
    assert 100 < len(other) <= 200
    assert "new_content" in compare(manifest, training, other).causes
    random = np.random.default_rng(0)
    assert compare(manifest, training, test.take(random.integers(0, len(test), 2000))).causes == ()
    weights = np.where(np.array(labels) == "daisy", 2.0, 1.0)
    doubled = test.take(random.choice(len(test), 2000, p=weights / weights.sum()))
    drift = compare(manifest, training, doubled)
    assert drift.causes == ("label_shift",)
    assert drift.labels.categories[0].name == "daisy"


@pytest.mark.slow
def test_handwritten_digits_with_built_in_features(tmp_path: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        # Every fifth image is held out; one person wrote several digits in a row.
        folder = tmp_path / ("test" if number % 5 == 0 else "train") / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(pixels * 255 / 16).astype(np.uint8)).save(folder / f"{number:04d}.png")
    release = train(ClassifierOptions(tmp_path / "train", "digits", out=tmp_path / "out"))
    training: Any = parse((release / "manifest.json").read_bytes()).training
    assert training["backbone"]["builtin"] == "hog-colour"  # chosen without a flag
    assert [row["chosen"] for row in training["backbone_choice"]["compared"]] == [False, True]
    evaluation: Any = evaluate(release, tmp_path / "test")
    assert evaluation["photos"] == 360
    assert evaluation["accuracy"] >= 0.97
