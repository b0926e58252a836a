import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from larder.errors import InvalidModel, InvalidRequest
from larder_training.classifier.config.preprocessing import Preprocessing, read_spec
from larder_training.classifier.features import backbone
from larder_training.classifier.fitting.assemble import with_head
from larder_training.classifier.onnx.graph import canonical, optimise, session, structure, to_bytes
from larder_training.classifier.ood import detector
from larder_training.classifier.ood.detector import OODDetector

Make = Callable[..., onnx.ModelProto]


def load(model: onnx.ModelProto, folder: Path, stated: Preprocessing | None = None) -> backbone.FeatureGraph:
    onnx.save(model, folder / "given.onnx")
    return backbone.load_backbone(folder / "given.onnx", stated or Preprocessing(), {"file": "given.onnx"})


def random_images(count: int = 3, size: int = 32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def test_the_head_equals_numpy(make_backbone: Make, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(24, 4)).astype(np.float32), random.normal(size=4).astype(np.float32)
    known = detector.fit_detector(random.uniform(0, 2, (80, 24)).astype(np.float32), np.arange(80) % 4)
    features = load(make_backbone(), tmp_path).model
    graph = optimise(with_head(features, weights, bias, known), "extended")
    images = random_images()
    probabilities, embedding, scores = session(to_bytes(graph)).run(None, {"image": images})
    (raw,) = session(to_bytes(features)).run(None, {"image": images})
    logits = (raw @ weights + bias).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, shares / shares.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(embedding, unit, atol=1e-6)
    np.testing.assert_allclose(scores, known.score(raw), atol=2e-4)  # test_detector compares it with a formula


@pytest.mark.parametrize("opset", [17, 18, 21])
def test_the_head_fits_any_opset(make_backbone: Make, tmp_path: Path, opset: int) -> None:
    features = load(make_backbone(opset=opset), tmp_path).model
    zeros = np.zeros((24, 2), np.float32)
    known = OODDetector(zeros[:, 0], zeros, zeros)
    graph = optimise(with_head(features, zeros, zeros[0], known), "extended")
    probabilities, _, scores = session(to_bytes(graph)).run(None, {"image": random_images()})
    np.testing.assert_allclose(probabilities, 0.5)
    np.testing.assert_allclose(scores, 1, atol=1e-6)  # across the axes of the training images
    assert structure(graph)["opset"] == opset


def test_preprocessing_is_inside_and_equals_numpy(make_backbone: Make, tmp_path: Path) -> None:
    model, images = make_backbone(), random_images()
    stated = Preprocessing(mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4), resize_short=40)
    features = load(model, tmp_path, stated)
    inside = session(to_bytes(features.model)).run(["features"], {"image": images})[0]
    prepared = (images.astype(np.float64) - np.array(stated.mean)) / np.array(stated.std)
    outside = session(model.SerializeToString()).run(
        ["features"], {"input": prepared.transpose(0, 3, 1, 2).astype(np.float32)}
    )[0]
    np.testing.assert_allclose(inside, outside, rtol=1e-4, atol=1e-5)
    assert (features.image_spec.width, features.image_spec.height, features.image_spec.crop) == (32, 32, 0.8)
    assert set(features.assumed) == {"features are the tensor features", "bilinear resampling"}


def test_what_nobody_states_is_assumed_and_said(make_backbone: Make, tmp_path: Path) -> None:
    features = load(make_backbone(), tmp_path)
    assert features.image_spec.crop == 0.875
    assert features.assumed == (
        "features are the tensor features",
        "the central 0.875 of the short side",
        "bilinear resampling",
        "mean 127.5",
        "std 127.5",
    )
    assert features.description["assumed"] == list(features.assumed)


@pytest.mark.parametrize("name", ["given.onnx.json", "given.json"])
def test_the_file_beside_the_backbone_fills_what_flags_leave_open(
    make_backbone: Make, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(
        json.dumps({"mean": [0], "std": [255], "resize_short": 64, "output": "features", "resampling": "bicubic"})
    )
    features = load(make_backbone(), tmp_path, Preprocessing(std=(128.0,)))
    assert features.assumed == ()
    assert features.description["mean"] == [0.0]
    assert features.description["std"] == [128.0]
    assert features.image_spec.resampling == "bicubic"
    assert features.image_spec.crop == 0.5


def test_the_layer_of_the_logits_is_pruned(make_backbone: Make, tmp_path: Path) -> None:
    features = load(make_backbone(), tmp_path)
    assert "Gemm" not in {node.op_type for node in features.model.graph.node}
    document: Any = structure(features.model)
    assert document["parameters"] < 16 * 75 + 16 * 9 + 24 * 16 + 20


def test_features_are_found_before_the_last_layer_of_a_plain_classifier(make_backbone: Make, tmp_path: Path) -> None:
    model = make_backbone()
    (output,) = [value for value in model.graph.output if value.name == "logits"]
    del model.graph.output[:]
    model.graph.output.append(output)
    features = load(model, tmp_path)
    assert "features are the tensor features" in features.assumed
    expected = load(make_backbone(), tmp_path)
    assert to_bytes(features.model) == to_bytes(expected.model)


def test_several_tensors_stand_one_behind_the_other(make_backbone: Make, tmp_path: Path) -> None:
    models = [load(make_backbone(), tmp_path, Preprocessing(output=name)) for name in ("features,r2", "features", "r2")]
    images = random_images()
    together, *parts = (session(to_bytes(f.model)).run(["features"], {"image": images})[0] for f in models)
    assert together.shape == (len(images), 24 + 16)
    np.testing.assert_allclose(together, np.concatenate(parts, axis=1), rtol=1e-5)
    with pytest.raises(InvalidRequest, match=r"no tensor 'r9'.*--output"):
        load(make_backbone(), tmp_path, Preprocessing(output="features,r9"))


def test_a_map_is_averaged_and_a_fixed_batch_is_freed(make_backbone: Make, tmp_path: Path) -> None:
    features = load(make_backbone(batch=1), tmp_path, Preprocessing(output="r3"))
    pooled = load(make_backbone(), tmp_path)
    images = random_images()
    first, second = (session(to_bytes(f.model)).run(["features"], {"image": images})[0] for f in (features, pooled))
    np.testing.assert_allclose(first, second, rtol=1e-5)


def one_input(element: int, shape: list[int | str]) -> onnx.ModelProto:
    node = helper.make_node("Identity", ["input"], ["features"])
    values = [helper.make_tensor_value_info(name, element, shape) for name in ("input", "features")]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "stated", "message"),
    [
        (one_input(TensorProto.FLOAT, ["N", 1, 32, 32]), {}, r"FLOAT \['N', 1, 32, 32\].*\[N, height, width, 3\]"),
        (one_input(TensorProto.INT8, ["N", 3, 32, 32]), {}, "input is INT8"),
        (one_input(TensorProto.UINT8, ["N", 3, 32, 32]), {"mean": (1.0,)}, "leave out --mean and --std"),
        (one_input(TensorProto.FLOAT, ["N", 32, 32, 3]), {"input_size": 64}, "give --input-size 32"),
        (one_input(TensorProto.FLOAT, ["N", 3, 32, 32]), {"input_size": 64}, "give --input-size 32"),
        (one_input(TensorProto.FLOAT, ["N", 3, 32, 48]), {}, "must be a square"),
        (None, {"output": "nonsense"}, "no tensor 'nonsense'.*features, logits"),
        (None, {"resize_short": 16}, "resize_short 16 is less than the input size 32"),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused_with_what_to_do(
    make_backbone: Make, tmp_path: Path, model: onnx.ModelProto | None, stated: dict[str, int], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        load(model or make_backbone(), tmp_path, Preprocessing(**stated))  # type: ignore[arg-type]  # of the table


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"hello")
    with pytest.raises(InvalidModel, match=r"a\.onnx is not an ONNX file"):
        backbone.load_backbone(tmp_path / "a.onnx", Preprocessing(), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"mean": ["a"], "crop": 1}', "mean.*crop"),
        ('{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}', "multiply both by 255"),
        ('{"std": [0]}', "std is 0"),
        ('{"mean": [1, 2]}', "mean has 2 numbers"),
        ('{"input_size": 4}', "input_size is 4"),
    ],
)
def test_a_wrong_specification_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(InvalidRequest, match=message):
        read_spec(tmp_path / "spec.json")


def test_canonical_forgets_names_order_and_comments(make_backbone: Make) -> None:
    first, second = make_backbone(), make_backbone()
    for node in second.graph.node:
        node.name, node.doc_string = f"elsewhere/{node.op_type}", "from /a/path"
        for slot, name in enumerate(node.input):
            node.input[slot] = name + "x" if name.startswith("w") else name
    for tensor in second.graph.initializer:
        tensor.name += "x" if tensor.name.startswith("w") else ""
    shuffled = list(reversed(second.graph.initializer))
    del second.graph.initializer[:]
    second.graph.initializer.extend(shuffled)
    assert to_bytes(canonical(first)) == to_bytes(canonical(second))
    assert b"/a/path" not in to_bytes(canonical(second))


def test_another_process_optimises_to_the_same_bytes(make_backbone: Make, tmp_path: Path) -> None:
    """Onnxruntime's optimiser iterates over hash tables that are seeded again in each process."""
    here = to_bytes(load(make_backbone(), tmp_path).model)
    program = (
        "import sys, pathlib\n"
        "from larder_training.classifier.config import preprocessing\n"
        "from larder_training.classifier.features import backbone\n"
        "from larder_training.classifier.onnx import graph\n"
        "made = backbone.load_backbone(pathlib.Path(sys.argv[1]), preprocessing.Preprocessing(), {})\n"
        "sys.stdout.buffer.write(graph.to_bytes(made.model))\n"
    )
    there = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path / "given.onnx")], check=True, capture_output=True, timeout=120
    )
    assert there.stdout == here


def test_structure_counts(make_backbone: Make, tmp_path: Path) -> None:
    document = structure(load(make_backbone(), tmp_path).model)
    assert document["inputs"] == [{"name": "image", "type": "uint8", "shape": ["N", 32, 32, 3]}]
    assert document["outputs"] == [{"name": "features", "type": "float", "shape": ["N", 24]}]
    assert isinstance(document["operators"], dict)
    assert document["operators"]["Conv"] == 3


def test_constant_names_of_a_backbone_cannot_meet_ours(make_backbone: Make, tmp_path: Path) -> None:
    model = make_backbone()
    for node in model.graph.node:
        for slot, name in enumerate(node.input):
            node.input[slot] = "head.weights" if name == "w3" else name
    for tensor in model.graph.initializer:
        tensor.name = "head.weights" if tensor.name == "w3" else tensor.name
    features = load(model, tmp_path).model
    assert to_bytes(features) == to_bytes(load(make_backbone(), tmp_path).model)
    assert "head.weights" not in {tensor.name for tensor in features.graph.initializer}
