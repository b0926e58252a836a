"""An image that a graph computes NaN of gets NaN as its answer, whatever comes after."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features import hog
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.onnx.finite import propagate_not_finite
from larder_training.classifier.onnx.graph import optimise, session, to_bytes
from larder_training.classifier.onnx.quantization import quantize_graph
from larder_training.reporting.progress import Progress

Make = Callable[..., onnx.ModelProto]
WHITE = np.full((1, 32, 32, 3), 255, np.uint8)
NOISE = np.random.default_rng(4).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)


def standardising(model: onnx.ModelProto, epsilon: float) -> onnx.ModelProto:
    """The graph behind a standardisation of each image by its own mean and deviation."""
    for node in model.graph.node:
        node.input[:] = ["standard" if name == "input" else name for name in node.input]
    before = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3]),
        helper.make_node("Sub", ["input", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["variance"], axes=[1, 2, 3]),
        *([helper.make_node("Add", ["variance", "epsilon"], ["above"])] if epsilon else []),
        helper.make_node("Sqrt", ["above" if epsilon else "variance"], ["deviation"]),
        helper.make_node("Div", ["centred", "deviation"], ["standard"]),
    ]
    if epsilon:
        model.graph.initializer.append(numpy_helper.from_array(np.array(epsilon, np.float32), "epsilon"))
    nodes = [*before, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def loaded(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    onnx.save(model, folder / "net.onnx")
    return load_backbone(folder / "net.onnx", Preprocessing(), {}).model


def features_of(model: onnx.ModelProto, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> object:
    return session(to_bytes(optimise(model, "extended"))).run(["features"], {"image": images})[0]


@pytest.mark.parametrize("int8", [True, False])
def test_a_plain_image_is_nan_and_the_others_stay(make_backbone: Make, tmp_path: Path, int8: bool) -> None:
    model = loaded(standardising(make_backbone(), 0), tmp_path)
    if int8:
        quiet = Progress(quiet=True)
        calibration = [image[None] for image in NOISE]
        quantized = quantize_graph(model, calibration, lambda _: 0.0, max_loss=0.0, progress=quiet).model
        assert quantized is not None
        model = quantized
    watched = propagate_not_finite(model)
    together = np.concatenate([NOISE[:2], WHITE, NOISE[2:]])
    rows = np.asarray(features_of(watched, together))
    assert np.isnan(rows[2]).all()
    np.testing.assert_array_equal(np.delete(rows, 2, axis=0), features_of(model, NOISE))
    if int8:
        assert np.isfinite(np.asarray(features_of(model, WHITE))).all()  # what quantisation hides
    assert propagate_not_finite(watched) is watched


def test_what_cannot_be_nan_is_not_watched(make_backbone: Make, tmp_path: Path) -> None:
    safe = loaded(standardising(make_backbone(), 1e-5), tmp_path)
    assert propagate_not_finite(safe) is safe
    plain = loaded(make_backbone(), tmp_path)
    assert propagate_not_finite(plain) is plain
    builtin = optimise(hog.feature_graph(32), "basic")
    assert propagate_not_finite(builtin) is builtin


def test_a_tensor_without_the_batch_in_front_is_watched_too(make_backbone: Make, tmp_path: Path) -> None:
    """As in a transformer whose order is [T, N, D]: the images of the batch share the answer."""
    model = make_backbone(logits=False)
    graph = model.graph
    graph.node[-1].output[0] = "rows"
    nodes = [
        helper.make_node("Transpose", ["rows"], ["turned"], perm=[1, 0]),
        helper.make_node("Log", ["turned"], ["logs"]),
        helper.make_node("Relu", ["logs"], ["positive"]),
        helper.make_node("Transpose", ["positive"], ["features"], perm=[1, 0]),
    ]
    graph.node.extend(nodes)
    plain = loaded(model, tmp_path)
    assert np.isfinite(np.asarray(features_of(plain, WHITE))).all()  # Relu makes 0 of minus infinity
    assert np.isnan(np.asarray(features_of(propagate_not_finite(plain), WHITE))).all()
