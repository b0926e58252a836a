"""Trainings on real images without a flag: ten classes on the default backbone in int8, and handwritten digits."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.paths import SHARED

from larder.release.manifest import parse
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.onnx.quantization import MAX_WEIGHT
from larder_training.classifier.train import train

DATA = SHARED


@pytest.mark.slow
def test_ten_classes_of_real_images(tmp_path: Path) -> None:
    if not (DATA / "photos10").exists():
        pytest.skip("the shared images are not on this machine")
    options = ClassifierOptions(DATA / "photos10" / "train", "ten-classes", out=tmp_path, augment="none", cache=None)
    release = train(options)
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
