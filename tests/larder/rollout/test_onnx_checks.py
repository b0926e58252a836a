"""Checks of ONNX graphs: a release with an invalid one is rejected, and the old release stays live."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from larder.errors import InvalidModel, InvalidTable
from larder.release import manifest
from larder.release.keys import MANIFEST, pointer_key
from larder.release.serving import CategoryColumn, ClassifierServing, NumberColumn
from larder.rollout import roll_out, upload, verify
from larder.rollout.onnx_checks import check_graph
from larder.store import open_store
from larder_training.release.tables import write_probes

Write = Callable[..., Path]
FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def external(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    tensor.ClearField("raw_data")


def external_deep(model: ModelProto) -> None:
    """External data in a constant of a branch of an If."""
    constant = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
    constant.data_location = TensorProto.EXTERNAL
    inner = helper.make_node("Constant", [], ["out"], value=constant)
    branch = helper.make_graph([inner], "branch", [], [helper.make_tensor_value_info("out", FLOAT, [1])])
    model.graph.node.append(helper.make_node("If", ["flag"], ["ignored"], then_branch=branch, else_branch=branch))


def external_sparse(model: ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    values.data_location = TensorProto.EXTERNAL
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))


def custom(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("RunShell", ["image"], ["x"], domain="evil.example"))
    model.opset_import.append(helper.make_opsetid("evil.example", 1))


def custom_in_function(model: ModelProto) -> None:
    node = helper.make_node("RunShell", ["x"], ["y"], domain="evil.example")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil.example", 1)]
    model.functions.append(helper.make_function("com.microsoft", "Innocent", ["x"], ["y"], [node], opsets))


def rename_input(model: ModelProto) -> None:
    model.graph.input[0].name = "pixels"


def second_input(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("mask", UINT8, ["N"]))


def drop_ood_score(model: ModelProto) -> None:
    del model.graph.output[-1]


def reshape(which: str, index: int, dtype: int, shape: list[str | int]) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        values = getattr(model.graph, which)
        values[index].CopyFrom(helper.make_tensor_value_info(values[index].name, dtype, shape))

    return change


def train(model: ModelProto) -> None:
    model.training_info.add()


INVALID: dict[str, tuple[Callable[[ModelProto], None], str]] = {
    "external data": (external, "model.onnx has the data of 'weights' in another file"),
    "external data in a branch": (external_deep, "model.onnx has the data of 'hidden' in another file"),
    "external sparse data": (external_sparse, "model.onnx has the data of 'values' in another file"),
    "custom operator": (custom, "model.onnx needs operator 'RunShell' of 'evil.example'"),
    "custom operator in a function": (custom_in_function, "model.onnx needs operator 'RunShell' of 'evil.example'"),
    "other input": (rename_input, "model.onnx has the inputs ['pixels'], not ['image']"),
    "two inputs": (second_input, "model.onnx has the inputs ['image', 'mask'], not ['image']"),
    "no OOD score": (drop_ood_score, "model.onnx has the outputs ['embedding', 'probabilities'], not"),
    "float input": (reshape("input", 0, FLOAT, ["N", 4, 5, 3]), "input 'image' is FLOAT [None, 4, 5, 3], not UINT8"),
    "sides swapped": (reshape("input", 0, UINT8, ["N", 5, 4, 3]), "input 'image' is UINT8 [None, 5, 4, 3], not UINT8"),
    "channels first": (reshape("input", 0, UINT8, ["N", 3, 4, 5]), "input 'image' is UINT8 [None, 3, 4, 5], not UINT8"),
    "batch of one": (reshape("input", 0, UINT8, [1, 4, 5, 3]), "input 'image' is UINT8 [1, 4, 5, 3], not UINT8"),
    "a label too many": (reshape("output", 0, FLOAT, ["N", 3]), "output 'probabilities' is FLOAT [None, 3], not FLOAT"),
    "labels unknown": (reshape("output", 0, FLOAT, ["N", "C"]), "output 'probabilities' is FLOAT [None, None], not"),
    "flat embedding": (
        reshape("output", 1, FLOAT, ["N"]),
        "output 'embedding' is FLOAT [None], not FLOAT [None, None]",
    ),
    "integer scores": (
        reshape("output", 2, TensorProto.INT64, ["N"]),
        "output 'novelty' is INT64 [None], not FLOAT",
    ),
    "for training": (train, "model.onnx has training graphs"),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_graph_rejects_its_release(classifier: Write, toy_graph: ModelProto, case: str) -> None:
    change, reason = INVALID[case]
    store = open_store("memory://")
    good = upload(classifier(1), store).manifest
    roll_out(store, "pets", good.release)
    before = store.get(pointer_key("pets"))
    change(toy_graph)
    bad = upload(classifier(2, model=toy_graph.SerializeToString()), store).manifest
    outcome = roll_out(store, "pets", bad.release)
    assert outcome.state == "rejected"
    assert outcome.reason is not None
    assert reason in outcome.reason
    assert store.get(pointer_key("pets")) == before


@pytest.fixture
def serving(classifier: Write) -> ClassifierServing:
    serving = manifest.parse((classifier() / MANIFEST).read_bytes()).serving
    assert isinstance(serving, ClassifierServing)
    return serving


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"GGGG", b"\x08\x08"], ids=["empty", "png", "text", "no graph"])
def test_a_file_that_is_not_a_graph(serving: ClassifierServing, data: bytes) -> None:
    with pytest.raises(InvalidModel, match=r"model\.onnx (is not an ONNX file|has no graph)"):
        check_graph(data, serving)


def test_a_truncated_graph(serving: ClassifierServing, toy_graph: ModelProto) -> None:
    data = toy_graph.SerializeToString()
    with pytest.raises(InvalidModel):
        check_graph(data[: len(data) // 2], serving)


def test_a_graph_that_onnxruntime_optimised_passes(
    serving: ClassifierServing, toy_graph: ModelProto, tmp_path: Path
) -> None:
    """It imports every domain that onnxruntime knows, but uses no operator of an unknown domain."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(toy_graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = (tmp_path / "optimised.onnx").read_bytes()
    assert len(onnx.load_model_from_string(optimised).opset_import) > 1
    check_graph(optimised, serving)


def test_onnx_is_imported_only_for_graphs(recommender: Write) -> None:
    """GIVEN a new process WHEN a recommender is rolled out THEN onnx and numpy are not imported."""
    script = """
import pathlib, sys
from larder.rollout import roll_out, upload
from larder.store import open_store
store = open_store("memory://")
uploaded = upload(pathlib.Path(sys.argv[1]), store).manifest
assert roll_out(store, "shop", uploaded.release).state == "promoted"
print(sorted({"onnx", "numpy", "boto3", "google.protobuf"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", script, str(recommender())]
    assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == b"[]\n"  # noqa: S603  # our script


@pytest.mark.parametrize(
    ("requests", "columns", "reason"),
    [
        (3, 3, "tensor 'probabilities' is F32 [3, 3], not F32 [3, 2]"),
        (0, 2, "has no request"),
    ],
)
def test_invalid_golden_requests(classifier: Write, tmp_path: Path, requests: int, columns: int, reason: str) -> None:
    path = tmp_path / "other"
    write_probes(path, [b"png"] * requests, probabilities=np.zeros((requests, columns), np.float32))
    store = open_store("memory://")
    uploaded = upload(classifier(files={"probes.safetensors": path.read_bytes()}), store).manifest
    with pytest.raises(InvalidTable) as caught:
        verify(store, "pets", uploaded.release)
    assert reason in str(caught.value)


SIDE = (CategoryColumn("place", ("sea", "wood")), NumberColumn("price", 1.0, 2.0))


def take_side(model: ModelProto, numbers: int = 4, dtype: int = FLOAT) -> bytes:
    model.graph.input.append(helper.make_tensor_value_info("side", dtype, ["N", numbers]))
    return bytes(model.SerializeToString())


def test_a_second_input_is_required_exactly_if_the_manifest_has_side_information(
    serving: ClassifierServing, toy_graph: ModelProto
) -> None:
    plain = toy_graph.SerializeToString()
    with_columns = replace(serving, side=SIDE)
    with pytest.raises(InvalidModel, match=r"has the inputs \['image'\], not \['image', 'side'\]"):
        check_graph(plain, with_columns)
    with_side = take_side(toy_graph)
    check_graph(with_side, with_columns)
    with pytest.raises(InvalidModel, match=r"has the inputs \['image', 'side'\], not \['image'\]"):
        check_graph(with_side, serving)


@pytest.mark.parametrize(("numbers", "dtype"), [(5, FLOAT), (4, UINT8)])
def test_side_of_another_width_or_type_is_refused(
    serving: ClassifierServing, toy_graph: ModelProto, numbers: int, dtype: int
) -> None:
    with pytest.raises(InvalidModel, match="input 'side' is"):
        check_graph(take_side(toy_graph, numbers, dtype), replace(serving, side=SIDE))
