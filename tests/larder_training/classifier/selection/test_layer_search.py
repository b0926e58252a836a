from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from larder.release.manifest import parse
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.config.options import ClassifierOptions
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.data.labels import label_indices
from larder_training.classifier.data.manifests import read_dataset
from larder_training.classifier.data.scan import scan_images
from larder_training.classifier.data.splits import DatasetSplit, split_dataset
from larder_training.classifier.features import backbone
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.intermediate_layers import with_intermediate_layers
from larder_training.classifier.fitting.warm_start import open_parent
from larder_training.classifier.onnx.graph import session, to_bytes
from larder_training.classifier.selection import layer_search
from larder_training.classifier.train import train
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
Nodes = list[onnx.NodeProto]


def staged(path: Path, *, residual: bool, blind: bool = False) -> Path:
    """Three stages of 8, 12 and 16 channels at 16, 8 and 4 pixels a side; a ``blind`` last layer is all 0."""
    random = np.random.default_rng(3)
    constants: list[onnx.TensorProto] = []
    nodes: Nodes = []

    def conv(source: str, result: str, channels: tuple[int, int], stride: int) -> str:
        inside, outside = channels
        values = random.normal(0, np.sqrt(2 / (9 * inside)), (outside, inside, 3, 3)).astype(np.float32)
        constants.append(numpy_helper.from_array(values, f"{result}.w"))
        nodes.append(
            helper.make_node(
                "Conv", [source, f"{result}.w"], [f"{result}.c"], strides=[stride, stride], pads=[1, 1, 1, 1]
            )
        )
        nodes.append(helper.make_node("Relu", [f"{result}.c"], [result]))
        return result

    last, before = "input", 3
    for number, channels in enumerate((8, 12, 16)):
        last = conv(last, f"down{number}", (before, channels), 2)
        if residual:
            more = conv(last, f"more{number}", (channels, channels), 1)
            nodes.append(helper.make_node("Add", [last, more], [f"sum{number}"]))
            last = f"sum{number}"
        before = channels
    constants.append(numpy_helper.from_array(np.array(0 if blind else 1, np.float32), "seen"))
    nodes.append(helper.make_node("Mul", [last, "seen"], ["shown"]))
    nodes.append(helper.make_node("GlobalAveragePool", ["shown"], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["features"]))
    graph = helper.make_graph(
        nodes,
        "staged",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 16])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def loaded(path: Path, **stated: int | str) -> FeatureGraph:
    return backbone.load_backbone(path, Preprocessing(**stated), {})  # type: ignore[arg-type]  # each test states its own


@pytest.mark.parametrize("residual", [True, False])
def test_the_last_map_of_each_stage_is_read(tmp_path: Path, residual: bool) -> None:
    features = loaded(staged(tmp_path / "b.onnx", residual=residual))
    wide = with_intermediate_layers(features)
    assert wide is not None
    assert wide.outputs == ("features", "middle")
    assert wide.description["middle_layers"] == ["8 x 16 x 16", "12 x 8 x 8"]
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    last, middle = session(to_bytes(wide.model)).run(None, {"image": image})
    names = ",".join(f"sum{n}" if residual else f"down{n}" for n in (0, 1))
    together = loaded(tmp_path / "b.onnx", output=f"features,{names}")
    (expected,) = session(to_bytes(together.model)).run(None, {"image": image})
    np.testing.assert_allclose(np.concatenate([last, middle], axis=1), expected, atol=1e-5)


def test_a_backbone_of_one_stage_has_no_middle_layers(backbone: Path) -> None:
    assert with_intermediate_layers(loaded(backbone)) is None


def test_stated_layers_and_crop_are_not_compared(tmp_path: Path) -> None:
    path = staged(tmp_path / "b.onnx", residual=True)
    assert [one.image_spec.crop for one in layer_search.candidates(loaded(path))] == [0.875, 1.0, 0.875, 1.0]
    assert len(layer_search.candidates(loaded(path, resize_short=40))) == 2
    assert {one.outputs for one in layer_search.candidates(loaded(path, output="features"))} == {("features",)}
    assert len(layer_search.candidates(loaded(path, output="features", resize_short=40))) == 1


@pytest.fixture(scope="module")
def parts(images: Path) -> DatasetSplit:
    return split_dataset(scan_images(read_dataset(images), QUIET), validation=0.15, test=0.15, seed=0)


def test_middle_layers_are_chosen_if_the_last_one_sees_less(
    options: ClassifierOptions, parts: DatasetSplit, tmp_path: Path
) -> None:
    features = loaded(staged(tmp_path / "b.onnx", residual=True, blind=True))
    choice = layer_search.choose_layers(features, parts, ClassifierContext(options))
    assert choice.features.outputs == ("features", "middle")
    assert len(choice.compared) == 4
    assert choice.jsonl().count(b'"chosen": true') == 1


def test_the_last_layer_is_chosen_if_nothing_more_helps(
    options: ClassifierOptions, parts: DatasetSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = loaded(staged(tmp_path / "b.onnx", residual=True))
    rows = np.eye(3, 36, dtype=np.float32)[
        label_indices(parts.parts["train"], parts.labels)
    ]  # the last layer has all information
    monkeypatch.setattr(layer_search, "_rows", lambda *_: {0.875: rows, 1.0: rows})
    assert layer_search.choose_layers(features, parts, ClassifierContext(options)).features is features


def test_a_release_reads_middle_layers_and_can_be_a_parent(options: ClassifierOptions, tmp_path: Path) -> None:
    path = staged(tmp_path / "b.onnx", residual=True, blind=True)
    changed = replace(options, backbone=str(path), out=tmp_path / "out", augment="none", max_loss=0.1)
    release = train(changed)
    structure: Any = parse((release / "manifest.json").read_bytes()).structure
    assert {output["name"]: output["shape"] for output in structure["outputs"]}["embedding"] == ["N", 16]
    parent = open_parent(replace(options, backbone=None, parent=release))
    assert parent.features.outputs == ("features", "middle")
    image = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    features = np.concatenate(session(to_bytes(parent.features.model)).run(None, {"image": image}), axis=1)
    (expected,) = session(parent.model).run(["probabilities"], {"image": image})
    logits = parent.head.logits(features) / parent.serving.temperature
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), expected, atol=1e-4)
