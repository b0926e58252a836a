import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.onnx.graph import optimise, session, to_bytes
from larder_training.classifier.onnx.quantization import MAX_WEIGHT, count_quantizable, quantize_graph
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
Draw = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="module")
def features(backbone: Path) -> onnx.ModelProto:
    return load(backbone)


def load(path: Path) -> onnx.ModelProto:
    return load_backbone(path, Preprocessing(), {}).model


@pytest.fixture(scope="module")
def images(draw: Draw) -> list[NDArray[np.uint8]]:
    return [draw(label, number, size=32)[None] for number in range(8) for label in ("checks", "rings", "stripes")]


def run(model: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(to_bytes(model)).run(["features"], {"image": np.concatenate(images)})[0]
    return found


def int8(features: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> onnx.ModelProto:
    made = quantize_graph(features, images, lambda _: 0.0, max_loss=0.005, progress=QUIET)
    assert made.model is not None
    assert made.float_nodes == ()
    return made.model


def weights(model: onnx.ModelProto) -> dict[tuple[int, ...], NDArray[np.int8]]:
    return {
        tuple(tensor.dims): numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if len(tensor.dims) == 4 and tensor.data_type == onnx.TensorProto.INT8
    }


def test_int8_is_close_to_float(features: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> None:
    exact, rounded = run(features, images), run(optimise(int8(features, images), "extended"), images)
    cosine = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosine.min() > 0.999


def test_convolutions_become_integer_ones_once_optimised(
    features: onnx.ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    operators = [node.op_type for node in optimise(int8(features, images), "extended").graph.node]
    assert operators.count("QLinearConv") == count_quantizable(features) == 3
    assert "Conv" not in operators


def test_no_weight_can_saturate_without_vnni(features: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> None:
    """Two products of 255 and a weight must fit 16 signed bits; depthwise kernels widen first and may use all 8."""
    found = weights(int8(features, images))
    assert 2 * 255 * MAX_WEIGHT < 2**15 <= 2 * 255 * 127
    assert set(found) == {(16, 3, 5, 5), (16, 1, 3, 3), (24, 16, 1, 1)}
    for shape, values in found.items():
        largest = np.abs(values.astype(int)).max(axis=(1, 2, 3))
        assert (largest == (127 if shape[1] == 1 else MAX_WEIGHT)).all()  # each channel uses its range to the end


def test_the_same_input_gives_the_same_bytes(features: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> None:
    first, second = (to_bytes(optimise(int8(features, images), "extended")) for _ in range(2))
    assert first == second
    assert b"/tmp" not in first


def test_sensitive_operators_go_back_to_float_until_the_loss_is_small(
    features: onnx.ModelProto, images: list[NDArray[np.uint8]]
) -> None:
    def loss(model: onnx.ModelProto) -> float:
        return 0.1 if len(weights(model)) == 3 else 0.001

    made = quantize_graph(features, images, loss, max_loss=0.005, progress=QUIET)
    assert made.model is not None
    assert len(made.float_nodes) == 1
    assert made.loss == 0.001
    kinds = [node.op_type for node in optimise(made.model, "extended").graph.node]
    assert kinds.count("QLinearConv") == 2

    # The one that was given back moves the features most: int8 comes closer to float without it.
    exact = run(features, images)
    before = np.linalg.norm(run(optimise(int8(features, images), "extended"), images) - exact)
    after = np.linalg.norm(run(optimise(made.model, "extended"), images) - exact)
    assert after < before


def test_int8_that_always_loses_is_given_up(features: onnx.ModelProto, images: list[NDArray[np.uint8]]) -> None:
    made = quantize_graph(features, images, lambda _: 0.02, max_loss=0.005, progress=QUIET)
    assert made.model is None
    assert made.loss == 0.02


def test_onnxruntimes_own_guard_against_overflow_finds_nothing_and_changes_no_bit(
    features: onnx.ModelProto, images: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    """Its AVX2 precision mode makes weights beyond 7 bits unsigned; only depthwise kernels' are, and stay right."""
    model = optimise(int8(features, images), "extended")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.optimized_model_filepath = str(tmp_path / "guarded.onnx")
    guarded = ort.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    (found,) = guarded.run(["features"], {"image": np.concatenate(images)})
    np.testing.assert_array_equal(found, run(model, images))
    kinds = {
        tuple(tensor.dims): tensor.data_type
        for tensor in onnx.load(tmp_path / "guarded.onnx").graph.initializer
        if len(tensor.dims) == 4 and tensor.data_type != onnx.TensorProto.FLOAT
    }
    signed, unsigned = onnx.TensorProto.INT8, onnx.TensorProto.UINT8
    assert kinds == {(16, 3, 5, 5): signed, (16, 1, 3, 3): unsigned, (24, 16, 1, 1): signed}


@pytest.mark.slow
def test_a_cpu_without_vnni_gives_the_very_same_bits(
    features: onnx.ModelProto, images: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    """Valgrind's CPU has AVX2 and nothing newer: what saturates there shows here."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind, whose simulated CPU has no VNNI, is not installed")
    (tmp_path / "int8.onnx").write_bytes(to_bytes(optimise(int8(features, images), "extended")))
    np.save(tmp_path / "images.npy", np.concatenate(images))
    program = (
        "import sys, numpy, pathlib\n"
        "import onnxruntime as ort\n"
        "from larder_training.classifier.onnx.graph import session\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "options = ort.SessionOptions()\n"
        "options.add_session_config_entry('session.x64quantprecision', '1')\n"  # slower there, and sure
        "ways = {'found': session((folder / 'int8.onnx').read_bytes()),\n"
        "        'guarded': ort.InferenceSession(folder / 'int8.onnx', options)}\n"
        "for name, running in ways.items():\n"
        "    found = running.run(['features'], {'image': numpy.load(folder / 'images.npy')})[0]\n"
        "    numpy.save(folder / f'{name}.npy', found)\n"
    )
    subprocess.run(  # noqa: S603 - our own program
        [valgrind, "--tool=none", "--quiet", sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    here = session((tmp_path / "int8.onnx").read_bytes()).run(["features"], {"image": np.concatenate(images)})[0]
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), here)
    np.testing.assert_array_equal(np.load(tmp_path / "guarded.npy"), here)
