from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.paths import SHARED

from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import Sample, scan_images
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.selection.backbone_choice import choose_backbone, load_features
from larder_training.classifier.selection.preprocessing_check import (
    IMAGENET,
    USUAL,
    Certainty,
    check_preprocessing,
    likeness,
)
from larder_training.classifier.selection.scaled_network import InputScaling, ScaledNetwork, find_classes
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
HALF, UNSCALED = InputScaling((127.5,), (127.5,)), InputScaling((0.0,), (1.0,))
CENTRED = InputScaling(IMAGENET.mean, (1.0,))


def saturating(classes: int = 0) -> onnx.ModelProto:
    """Features that saturate beyond -1..1, as those of trained networks do. The classes are nearly equal for all."""
    generator = np.random.default_rng(0)
    shades = np.zeros((48, 3, 1, 1), np.float32)
    shades[np.arange(48), np.arange(48) % 3, 0, 0] = 8.0 * np.where(np.arange(48) % 2, 1, -1)
    constants = {"shades": shades, "offsets": generator.uniform(-6, 6, 48).astype(np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "shades", "offsets"], ["maps"]),
        helper.make_node("Tanh", ["maps"], ["between"]),
        helper.make_node("GlobalAveragePool", ["between"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 48])]
    if classes:
        constants["weights"] = generator.normal(scale=0.01, size=(48, classes)).astype(np.float32)
        nodes.append(helper.make_node("MatMul", ["features", "weights"], ["logits"]))
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "saturating", [image], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "saturating.onnx"
    onnx.save(saturating(1000), path)
    return path


@pytest.fixture(scope="module")
def samples(images: Path) -> tuple[Sample, ...]:
    return scan_images(read_dataset(images), QUIET).samples


def test_a_scaling_is_the_same_as_one_that_makes_nearly_the_same_values() -> None:
    assert HALF.like(InputScaling((127.0,), (128.0,)))
    assert HALF.like(InputScaling((127.5,) * 3, (127.5,) * 3))
    assert not HALF.like(IMAGENET)
    assert not HALF.like(replace(HALF, bgr=True))
    pixels = np.array([[0, 100, 255]], np.float32)
    assert HALF(pixels)[0].tolist() == pytest.approx([-1, -0.21568, 1], abs=1e-4)
    assert replace(UNSCALED, bgr=True)(pixels)[0].tolist() == [255, 100, 0]
    np.testing.assert_allclose(IMAGENET.pixels_of(IMAGENET(pixels)), pixels, atol=1e-3)
    assert str(IMAGENET) == "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375"


def test_certainty_of_known_classes() -> None:
    # Two images, each certain of its own class: ln 2 of information and no entropy
    sure = Certainty.of(np.array([[1, 0], [0, 1]], np.float32))
    assert sure.scores.tolist() == pytest.approx([np.log(2)] * 2)
    # Both certain of the same class, as when pixels are not scaled at all: no information
    assert Certainty.of(np.array([[1, 0], [1, 0]], np.float32)).information.tolist() == [0, 0]
    # No idea: the whole entropy
    assert Certainty.of(np.full((3, 4), 0.25, np.float32)).scores.tolist() == pytest.approx([-np.log(4)] * 3)


def test_likeness_of_known_features() -> None:
    assert likeness(np.array([[2, 0], [0, 1]], np.float32)) == pytest.approx(0)
    assert likeness(np.array([[1, 1], [3, 3], [2, 2]], np.float32)) == pytest.approx(1)
    assert likeness(np.zeros((2, 3), np.float32)) < 1  # no division by zero


def test_only_outputs_with_imagenets_classes_are_classes() -> None:
    assert find_classes(saturating(1000)) == ("logits", 1000)
    assert find_classes(saturating(1001)) == ("logits", 1001)
    assert find_classes(saturating(5)) is None
    assert find_classes(saturating()) is None


def test_the_network_gives_what_its_graph_gives_with_another_scaling(network: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    scaled = []
    for mean, std in (((127.5,), (127.5,)), (IMAGENET.mean, IMAGENET.std)):
        features = load_backbone(network, Preprocessing(mean=mean, std=std), {})
        scaled.append(ScaledNetwork.of(features, network)(pixels, IMAGENET))
    np.testing.assert_allclose(scaled[0].features, scaled[1].features, atol=1e-4)
    np.testing.assert_allclose(scaled[0].classes, scaled[1].classes, atol=1e-4)
    assert scaled[0].features.shape == (3, 48)
    np.testing.assert_allclose(scaled[0].classes.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("scaling", "noticed"), [(CENTRED, False), (UNSCALED, True)])
def test_features_that_are_all_alike_are_noticed(
    network: Path, samples: tuple[Sample, ...], images: Path, scaling: InputScaling, *, noticed: bool
) -> None:
    progress = Progress(quiet=True)
    stated = Preprocessing(mean=scaling.mean, std=scaling.std)
    options = ClassifierOptions(images, "a", cache=None, backbone=str(network), preprocessing=stated)
    context = ClassifierContext(options, progress)
    chosen = choose_backbone(load_features(str(network), context), samples, context).features
    checked = chosen.description["preprocessing_check"]
    assert isinstance(checked, dict)
    assert checked["measures"] == ["certainty", "likeness"]
    assert (checked["better"] is not None) == noticed
    assert len(progress.warnings) == noticed
    if noticed:
        assert "separates the images better with --mean" in progress.warnings[0]
        assert "than with --mean 0 --std 1" in progress.warnings[0]


def test_known_scalings_and_few_images_are_not_checked(
    network: Path, samples: tuple[Sample, ...], images: Path
) -> None:
    context = ClassifierContext(ClassifierOptions(images, "a", cache=None, backbone=str(network)), QUIET)
    features = load_features(str(network), context)
    assert check_preprocessing(features, samples[:39], context) is features
    assert load_features("lite0", context).file is None
    stated = replace(context.options, preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
    assert load_features("lite0", ClassifierContext(stated, QUIET)).file is not None


@pytest.mark.slow
@pytest.mark.parametrize("scaling", USUAL)
def test_a_trained_network_shows_its_scaling(scaling: InputScaling) -> None:
    folder, file = SHARED / "photos10" / "train", SHARED / "backbone" / "mobilenetv2_100_fp32.onnx"
    if not folder.exists() or not file.exists():
        pytest.skip("the shared images or the shared backbone are not on this machine")
    progress = Progress(quiet=True)
    stated = Preprocessing(mean=scaling.mean, std=scaling.std)
    options = ClassifierOptions(folder, "a", cache=None, backbone=str(file), preprocessing=stated)
    context = ClassifierContext(options, progress)
    samples = scan_images(read_dataset(folder), QUIET).samples
    check_preprocessing(load_features(str(file), context), samples, context)
    assert len(progress.warnings) == (scaling != HALF)
    assert all("more certain of its own classes with --mean 127.5" in warning for warning in progress.warnings)
