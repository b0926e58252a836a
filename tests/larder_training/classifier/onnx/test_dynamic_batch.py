"""Graphs exported for one batch size are freed where they can be, and refused by name where they cannot."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from larder.errors import InvalidModel
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.onnx.dynamic_batch import compare_batches
from larder_training.classifier.onnx.graph import session, to_bytes

Node = onnx.NodeProto
SIDE = 8
TOKENS, WIDTH = 16, 6  # 4 x 4 patches of 2 x 2 pixels


def constant(name: str, values: object) -> onnx.TensorProto:
    array = np.array(values)
    return numpy_helper.from_array(array.astype(np.int64 if array.dtype.kind == "i" else np.float32), name)


def patches(
    nodes: Sequence[Node], constants: Sequence[onnx.TensorProto], *, batch: int | str = 1, output: str = "out"
) -> onnx.ModelProto:
    """A convolution to patches ``map`` [N, 6, 4, 4], then the nodes that a test is about."""
    weights = np.random.default_rng(5).normal(0, 1, (WIDTH, 3, 2, 2)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "w"], ["map"], strides=[2, 2]), *nodes],
        "patches",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_empty_tensor_value_info(output)],
        [numpy_helper.from_array(weights, "w"), *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def reshaped(first: int) -> onnx.ModelProto:
    return patches(
        [helper.make_node("Reshape", ["map", "shape"], ["out"])],
        [constant("shape", [first, WIDTH * TOKENS])],
        batch=first,
    )


def reshaped_behind_an_open_input() -> onnx.ModelProto:
    return patches(
        [helper.make_node("Reshape", ["map", "shape"], ["out"])], [constant("shape", [1, WIDTH * TOKENS])], batch="N"
    )


def reshaped_by_a_node() -> onnx.ModelProto:
    """As some exporters write a shape: a Constant, whose numbers are not a tensor."""
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[1, WIDTH * TOKENS]),
        helper.make_node("Reshape", ["map", "shape"], ["out"]),
    ]
    return patches(nodes, [])


def with_class_token(*, expanded: bool) -> onnx.ModelProto:
    """A vision transformer's tokens: a learned token in front of the patches, as a constant or by Expand."""
    token = np.random.default_rng(6).normal(0, 1, (1, 1, WIDTH)).tolist()
    nodes = [
        helper.make_node("Reshape", ["map", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        *([helper.make_node("Expand", ["token", "once"], ["class"])] if expanded else []),
        helper.make_node("Concat", ["class" if expanded else "token", "tokens"], ["out"], axis=1),
    ]
    return patches(nodes, [constant("flat", [1, WIDTH, -1]), constant("token", token), constant("once", [1, 1, WIDTH])])


def attention_order() -> onnx.ModelProto:
    """PyTorch's attention: [T, N, D], with heads folded into the batch, and rows [T * N, D] for its linear layer."""
    nodes = [
        helper.make_node("Reshape", ["map", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["sequence"], perm=[2, 0, 1]),
        helper.make_node("Reshape", ["sequence", "heads"], ["split"]),
        helper.make_node("Transpose", ["split"], ["by_head"], perm=[1, 0, 2]),
        helper.make_node("Softmax", ["by_head"], ["weights"], axis=2),
        helper.make_node("Transpose", ["weights"], ["back"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["back", "rows"], ["linear"]),
        helper.make_node("Reshape", ["linear", "whole"], ["mixed"]),
        helper.make_node("Transpose", ["mixed"], ["out"], perm=[1, 0, 2]),
    ]
    shapes = {"flat": [1, WIDTH, TOKENS], "heads": [TOKENS, 2, 3], "rows": [TOKENS, WIDTH], "whole": [TOKENS, 1, WIDTH]}
    return patches(nodes, [constant(name, values) for name, values in shapes.items()])


@pytest.mark.parametrize(
    "model",
    [
        reshaped(1),
        reshaped(4),
        reshaped_behind_an_open_input(),
        reshaped_by_a_node(),
        with_class_token(expanded=False),
        with_class_token(expanded=True),
        attention_order(),
    ],
    ids=["reshape", "batch of four", "open input", "node", "class token", "expanded", "attention"],
)
def test_a_fixed_batch_is_freed(model: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "net.onnx")
    freed = session(to_bytes(load_backbone(tmp_path / "net.onnx", Preprocessing(output="out"), {}).model))
    images = np.random.default_rng(1).integers(0, 256, (7, SIDE, SIDE, 3)).astype(np.uint8)
    planes = (images.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)
    fixed = session(model.SerializeToString())
    size = fixed.get_inputs()[0].shape[0]
    size = size if isinstance(size, int) else 1
    for position in range(7):
        (raw,) = fixed.run(None, {"input": np.repeat(planes[position : position + 1], size, axis=0)})
        expected = raw[0].mean(axis=0) if raw.ndim == 3 else raw[0]
        for batch in (images[position : position + 1], images):
            (rows,) = freed.run(None, {"image": batch})
            row = rows[0] if len(rows) == 1 else rows[position]
            np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_freed_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["map", "zero"], ["one"], axis=0),  # the first image alone
        helper.make_node("Unsqueeze", ["one", "axis"], ["out"]),
    ]
    onnx.save(patches(nodes, [constant("zero", 0), constant("axis", [0])]), tmp_path / "net.onnx")
    with pytest.raises(InvalidModel, match=r"net\.onnx: its batch is fixed at 1\. Export it with a dynamic batch"):
        load_backbone(tmp_path / "net.onnx", Preprocessing(output="out"), {})


def test_a_graph_in_training_mode_is_refused(tmp_path: Path) -> None:
    """Its batch normalisation reads the other images of the batch."""
    names = ["scale", "shift", "mean", "variance"]
    nodes = [
        helper.make_node("BatchNormalization", ["map", *names], ["normal", "m", "v"], training_mode=1),
        helper.make_node("GlobalAveragePool", ["normal"], ["pooled"]),
        helper.make_node("Exp", ["pooled"], ["out"]),
    ]
    constants = [constant(name, [1.0] * WIDTH) for name in names]
    onnx.save(patches(nodes, constants, batch="N"), tmp_path / "net.onnx")
    with pytest.raises(InvalidModel, match=r"net\.onnx.*(another batch|cannot run)"):
        load_backbone(tmp_path / "net.onnx", Preprocessing(output="out"), {})


def test_a_graph_that_makes_nan_of_every_image_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sub", ["map", "map"], ["zero"]), helper.make_node("Div", ["zero", "zero"], ["out"])]
    onnx.save(patches(nodes, [], batch="N"), tmp_path / "net.onnx")
    with pytest.raises(InvalidModel, match=r"backbone net\.onnx makes NaN or infinity of every image"):
        load_backbone(tmp_path / "net.onnx", Preprocessing(output="out"), {})


def test_batches_are_compared_by_row(make_backbone: Callable[..., onnx.ModelProto], tmp_path: Path) -> None:
    onnx.save(make_backbone(), tmp_path / "net.onnx")
    model = load_backbone(tmp_path / "net.onnx", Preprocessing(), {}).model
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    assert compare_batches(model, images) == "equal"
    mixed = onnx.ModelProto()
    mixed.CopyFrom(model)
    last = mixed.graph.node[-1]
    last.output[0] = "alone"
    mixed.graph.node.append(helper.make_node("ReduceMean", ["alone"], ["mean"], axes=[0]))
    mixed.graph.node.append(helper.make_node("Sub", ["alone", "mean"], ["features"]))
    assert compare_batches(mixed, images) == "different"


@pytest.mark.parametrize(("name", "features"), [("shufflenet", 544), ("squeezenet", 512)])
def test_networks_of_the_model_zoo_load(name: str, features: int) -> None:
    """ONNX ships them without their trained weights: IR version 3, a batch of 1, a softmax at the end."""
    path = Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not in this version of onnx")
    assert load_backbone(path, Preprocessing(), {}).dimensions == features
