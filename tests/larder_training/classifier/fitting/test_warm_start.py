import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest

from larder.errors import InvalidRequest
from larder.release.manifest import parse
from larder_training.classifier import ClassifierOptions, Preprocessing
from larder_training.classifier.config.options import SearchLimits
from larder_training.classifier.data.splits import DatasetSplit
from larder_training.classifier.evaluation.evaluate import evaluate
from larder_training.classifier.fitting.warm_start import ParentRelease, find_release, open_parent
from larder_training.classifier.heads.mlp import MLP
from larder_training.classifier.heads.softmax_regression import SoftmaxRegression
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.classifier.train import train


def opened(release: Path) -> ParentRelease:
    return open_parent(ClassifierOptions(Path("images"), "child", parent=release))


def manifest(release: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((release / "manifest.json").read_bytes()))


def assert_parts_give_the_predictions_of(parent: ParentRelease) -> None:
    image = parent.serving.image
    pixels = np.random.default_rng(0).integers(0, 256, (3, image.height, image.width, 3), np.uint8)
    (features,) = session(to_bytes(parent.features.model)).run(["features"], {"image": pixels})
    logits = parent.head.logits(features) / parent.serving.temperature
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (expected,) = session(parent.model).run(["probabilities"], {"image": pixels})
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["builtin_release", "int8_release"])
def test_the_parts_of_a_parent_give_its_predictions(name: str, request: pytest.FixtureRequest) -> None:
    parent = opened(request.getfixturevalue(name))
    assert_parts_give_the_predictions_of(parent)


def test_the_parts_of_a_parent_with_a_hidden_layer_give_its_predictions(
    options: ClassifierOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from larder_training.classifier.heads import search
    from larder_training.classifier.heads.config import HeadConfig

    config = HeadConfig(l2=0.01, units=8, optimiser="adam", rate=0.01, dropout=0.2)
    monkeypatch.setattr(search, "plan", lambda *_args, **_kwargs: iter([config]))
    release = train(replace(options, out=tmp_path))
    assert manifest(release)["training"]["head"]["recipe"]["units"] == 8
    parent = opened(release)
    assert isinstance(parent.head, MLP)
    assert parent.config == config
    assert_parts_give_the_predictions_of(parent)


def test_a_training_starts_from_its_parent(
    options: ClassifierOptions, int8_release: Path, new_images: Path, tmp_path: Path
) -> None:
    child = train(replace(options, backbone=None, parent=int8_release, out=tmp_path, search=SearchLimits(3)))
    ours, parent = manifest(child), manifest(int8_release)
    assert ours["training"]["parent"] == {"model": "small", "release": int8_release.name, "labels": 3}
    assert ours["training"]["head"]["recipe"]["customised"] is True
    assert ours["serving"]["image"] == parent["serving"]["image"]
    assert ours["training"]["backbone"]["sha256"] == parent["training"]["backbone"]["sha256"]
    comparison = ours["evaluation"]["parent"]
    assert comparison["photos"] == ours["evaluation"]["test"]["photos"]
    assert comparison["accuracy"] == ours["evaluation"]["test"]["accuracy"]
    assert comparison["parent_accuracy"] == parent["evaluation"]["test"]["accuracy"]  # the same images, split and seed
    assert ours["evaluation"]["quantisation"]["dtype"] == "int8"
    operators = [node.op_type for node in onnx.load(child / "model.onnx").graph.node]
    assert operators.count("QLinearConv") == 3
    evaluation: Any = evaluate(child, new_images)
    assert evaluation["accuracy"] >= 0.85


def test_labels_keep_their_order_and_new_ones_are_appended(int8_release: Path) -> None:
    parent = replace(opened(int8_release))
    split = DatasetSplit(
        ("apples", "checks", "rings", "stripes"), {"train": (), "validation": (), "test": ()}, (), False
    )
    assert parent.ordered(split).labels == ("checks", "rings", "stripes", "apples")
    assert isinstance(parent.head, SoftmaxRegression)
    parent_head = parent.parent_head(4, 24)
    assert parent_head is not None
    assert parent_head.head.weights.shape == (24, 4)
    np.testing.assert_array_equal(parent_head.head.weights[:, :3], parent.head.weights)
    assert not parent_head.head.weights[:, 3].any()
    assert parent.parent_head(4, 1956) is None  # the features are not those of the parent


def test_a_label_of_the_parent_without_images_is_refused(int8_release: Path) -> None:
    split = DatasetSplit(("checks", "rings"), {"train": (), "validation": (), "test": ()}, (), False)
    with pytest.raises(InvalidRequest, match=r"without images in this data: stripes\. Add images"):
        opened(int8_release).ordered(split)


def test_preprocessing_with_a_parent_is_refused(int8_release: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"comes from the parent.*--backbone"):
        open_parent(
            ClassifierOptions(Path("images"), "child", parent=int8_release, preprocessing=Preprocessing(input_size=64))
        )


def test_a_parent_is_found_by_folder_and_by_model(int8_release: Path) -> None:
    assert find_release(int8_release, Path("nowhere")) == int8_release
    newest = find_release(Path("small"), int8_release.parent)
    assert parse((newest / "manifest.json").read_bytes()).model == "small"
    with pytest.raises(InvalidRequest, match="neither a release folder nor a model"):
        find_release(Path("absent"), int8_release.parent)
