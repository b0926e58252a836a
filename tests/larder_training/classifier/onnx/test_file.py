"""Files that are not a usable ONNX graph are refused by name; graphs of other kinds are brought to the usual form."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from larder.errors import InvalidModel, InvalidRequest
from larder_training.classifier.config.preprocessing import Preprocessing
from larder_training.classifier.features.backbone import load_backbone
from larder_training.classifier.onnx.file import read_graph
from larder_training.classifier.onnx.graph import session, to_bytes

Make = Callable[..., onnx.ModelProto]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not an ONNX file"),
        (b"\0" * 400, "is not an ONNX file"),
        (zipped(), r"ZIP archive or a PyTorch checkpoint.*Export the network"),
        (pickle.dumps({"weight": 1}, protocol=2), r"pickle, such as a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html><title>Sign in</title>", "HTML page, such as a login page"),
        (b"\x1c\0\0\0TFL3\x14", "TensorFlow Lite"),
        (b'\x10\0\0\0\0\0\0\0{"a":{}}', "safetensors"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1f\x8b\x08\0", "gzip"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "net.onnx").write_bytes(data)
    with pytest.raises(InvalidModel, match=rf"net\.onnx {message}|net\.onnx is.*{message}"):
        read_graph(tmp_path / "net.onnx")


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    with pytest.raises(InvalidRequest, match="'net' is a folder"):
        read_graph(tmp_path / "net")
    with pytest.raises(InvalidRequest, match="'other' does not exist"):
        read_graph(tmp_path / "other")


def test_half_of_a_file_is_refused(make_backbone: Make, tmp_path: Path) -> None:
    data = make_backbone().SerializeToString()
    (tmp_path / "net.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidModel, match=r"net\.onnx is not an ONNX file, or it is incomplete"):
        read_graph(tmp_path / "net.onnx")


def test_weights_in_another_file_are_read_and_their_absence_is_named(make_backbone: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(make_backbone(), path, save_as_external_data=True, location="net.weights", size_threshold=0)
    read = {tensor.name: numpy_helper.to_array(tensor) for tensor in read_graph(path).graph.initializer}
    for tensor in make_backbone().graph.initializer:
        np.testing.assert_array_equal(read[tensor.name], numpy_helper.to_array(tensor))
    whole = (tmp_path / "net.weights").read_bytes()
    (tmp_path / "net.weights").write_bytes(whole[:100])
    with pytest.raises(InvalidModel, match=r"weights of net\.onnx in other files cannot be read"):
        read_graph(path)
    (tmp_path / "net.weights").unlink()
    with pytest.raises(InvalidModel, match=r"net\.onnx keeps its weights in 'net\.weights', which is missing"):
        read_graph(path)


def identity(operator: str, domain: str = "", opset: int = 17) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 32, 32]) for name in ("input", "out")]
    node = helper.make_node(operator, ["input"], ["out"], domain=domain)
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (identity("Swish3"), "operator 'Swish3', which opset 17 does not have"),
        (identity("FlashAttention", "my.kernels"), r"operator 'FlashAttention' of 'my\.kernels'"),
        (identity("NoSuchKernel", "com.microsoft"), "NoSuchKernel"),
        (identity("Identity", opset=999), "opset 999"),
    ],
)
def test_an_operator_that_nothing_runs_is_named(tmp_path: Path, model: onnx.ModelProto, message: str) -> None:
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(InvalidModel, match=message):
        load_backbone(tmp_path / "net.onnx", Preprocessing(), {})


def test_nan_among_the_weights_is_refused(make_backbone: Make, tmp_path: Path) -> None:
    model = make_backbone()
    weights = numpy_helper.to_array(model.graph.initializer[1]).copy()
    weights[0] = np.nan
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(weights, "w2"))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(InvalidModel, match=r"net\.onnx has NaN among the weights 'w2'"):
        read_graph(tmp_path / "net.onnx")


def features_of(model: onnx.ModelProto, folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    onnx.save(model, folder / "net.onnx")
    images = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    built = load_backbone(folder / "net.onnx", Preprocessing(), {}).model
    features: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session(to_bytes(built)).run(None, {"image": images})[
        0
    ]
    return features


def test_weights_among_the_inputs_are_constants(make_backbone: Make, tmp_path: Path) -> None:
    """IR version 3 demands them there: the model zoo's Caffe2 and MXNet networks."""
    old = make_backbone(opset=11)
    for tensor in old.graph.initializer:
        old.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    old.ir_version = 3
    np.testing.assert_array_equal(features_of(old, tmp_path), features_of(make_backbone(), tmp_path))


@pytest.mark.parametrize("opset", [11, 17])
def test_constants_become_weights(make_backbone: Make, tmp_path: Path, opset: int) -> None:
    model = make_backbone(opset=opset)
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in model.graph.initializer
        if tensor.name != "w1"
    ]
    assert nodes
    kept = [tensor for tensor in model.graph.initializer if tensor.name == "w1"]
    nodes += model.graph.node
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    np.testing.assert_array_equal(features_of(model, tmp_path), features_of(make_backbone(opset=opset), tmp_path))
    assert "Constant" not in {node.op_type for node in read_graph(tmp_path / "net.onnx").graph.node}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"value_int": 3}, np.array(3, np.int64)),
        ({"value_ints": [1, 2]}, np.array([1, 2], np.int64)),
        ({"value_float": 0.5}, np.array(0.5, np.float32)),
        ({"value_floats": [0.5, 2.0]}, np.array([0.5, 2], np.float32)),
        ({"value": numpy_helper.from_array(np.array([4], np.int32))}, np.array([4], np.int32)),
    ],
)
def test_each_form_of_a_constant_is_read(
    tmp_path: Path, value: dict[str, Any], expected: np.ndarray[Any, np.dtype[Any]]
) -> None:
    model = identity("Identity")
    nodes = [helper.make_node("Constant", [], ["numbers"], **value), *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "net.onnx")
    graph = read_graph(tmp_path / "net.onnx").graph
    assert [(node.op_type, list(node.output)) for node in graph.node] == [("Identity", ["out"])]
    assert graph.initializer[0].name == "numbers"
    read = numpy_helper.to_array(graph.initializer[0])
    assert (read.dtype, read.tolist()) == (expected.dtype, expected.tolist())


def test_half_precision_becomes_single(make_backbone: Make, tmp_path: Path) -> None:
    half = make_backbone()
    for value in (*half.graph.input, *half.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for tensor in half.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    np.testing.assert_allclose(
        features_of(half, tmp_path), features_of(make_backbone(), tmp_path), rtol=0.02, atol=0.01
    )


def test_channels_may_come_last(make_backbone: Make, tmp_path: Path) -> None:
    """As TensorFlow's converter writes them: transposed before and after the convolutions."""
    expected = features_of(make_backbone(logits=False), tmp_path)
    model = make_backbone(logits=False)
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["planes" if name == "input" else name for name in node.input]
    nodes = [helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]), *graph.node[:-2]]
    nodes.append(helper.make_node("Transpose", ["r3"], ["last"], perm=[0, 2, 3, 1]))
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 32, 32, 3]))
    graph.output.append(helper.make_tensor_value_info("last", TensorProto.FLOAT, ["N", 16, 16, 24]))
    np.testing.assert_allclose(features_of(model, tmp_path), expected, rtol=1e-4, atol=1e-5)


def test_pixels_may_go_in_as_they_are(make_backbone: Make, tmp_path: Path) -> None:
    model = make_backbone()
    for node in model.graph.node:
        node.input[:] = ["scaled" if name == "input" else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(127.5, np.float32), "grey"))
    before = [
        helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["cast", "grey"], ["shifted"]),
        helper.make_node("Div", ["shifted", "grey"], ["scaled"]),
    ]
    nodes = [*before, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    np.testing.assert_allclose(
        features_of(model, tmp_path), features_of(make_backbone(), tmp_path), rtol=1e-3, atol=1e-4
    )


def test_a_graph_of_any_size_gets_the_usual_one(make_backbone: Make, tmp_path: Path) -> None:
    model = make_backbone()
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_param = "side"
    onnx.save(model, tmp_path / "net.onnx")
    loaded = load_backbone(tmp_path / "net.onnx", Preprocessing(), {})
    assert loaded.image_spec.width == 224
    assert "input size 224" in loaded.assumed
    assert load_backbone(tmp_path / "net.onnx", Preprocessing(input_size=64), {}).image_spec.width == 64


@pytest.mark.parametrize("softmax", [True, False])
def test_a_classifier_that_ends_with_a_convolution_gives_the_layer_before(make_backbone: Make, softmax: bool) -> None:
    """Squeezenet pools after its last convolution, and Densenet before it."""
    from larder_training.classifier.features.backbone_file import find_features

    model = make_backbone()
    graph = model.graph
    source = "r3" if softmax else "pooled"
    graph.initializer.append(numpy_helper.from_array(np.ones((5, 24, 1, 1), np.float32), "w5"))
    tail = [helper.make_node("Conv", [source, "w5"], ["scores"])]
    if softmax:
        tail += [
            helper.make_node("Relu", ["scores"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
            helper.make_node("Softmax", ["mean"], ["out"], axis=1),
        ]
    else:
        tail += [helper.make_node("Identity", ["scores"], ["out"])]
    nodes = [*graph.node[:-2], *tail]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 5, 1, 1]))
    assert find_features(model) == source
