"""Side information in requests: it changes the response if the release takes it, and is refused otherwise."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.paths import EVENTS

from larder.classifier.graph import Classifier
from larder.errors import InvalidModel, InvalidRequest
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import CategoryColumn, ClassifierServing, NumberColumn, TextColumn
from larder.release.side_columns import encode, width
from larder_training.release.writer import write_release

Ask = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
Graph = Callable[..., bytes]
MakeImage = Callable[..., bytes]

CASES = EVENTS / "classify"
COLUMNS = (CategoryColumn("PLACE", ("sea", "wood")), NumberColumn("PRICE", 3.5, 1.0), TextColumn("TEXT", 4))


def with_side(data: bytes, numbers: int = 8, name: str = "side") -> bytes:
    """The toy graph, whose logits also depend on side information."""
    model = onnx.load_model_from_string(data)
    weights = np.zeros((numbers, 3), np.float32)
    weights[0, 2] = weights[1, 1] = 20
    weights[3, 0] = 20  # a price above the mean: red
    graph = model.graph
    index = next(index for index, node in enumerate(graph.node) if "logits" in node.output)
    graph.node[index].output[0] = "image.logits"
    graph.node.insert(index + 1, helper.make_node("MatMul", [name, "side.weights"], ["side.logits"]))
    graph.node.insert(index + 2, helper.make_node("Add", ["image.logits", "side.logits"], ["logits"]))
    graph.initializer.append(numpy_helper.from_array(weights, "side.weights"))
    graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", numbers]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def serving_with_side(serving: ClassifierServing) -> ClassifierServing:
    return replace(serving, side=COLUMNS)


@pytest.fixture
def release(store: Path, graph: Graph, serving_with_side: ClassifierServing) -> str:
    """A live release of ``digits`` that takes side information."""
    folder = write_release(
        store / "models/digits/releases",
        model="digits",
        kind="classifier",
        serving=serving_with_side,
        files={"model.onnx": with_side(graph())},
        evaluation={},
        training={},
        structure={},
    )
    (store / "models/digits/live.json").write_bytes(dump_pointer(Pointer(folder.name)))
    return folder.name


def sent(image: bytes, side: object) -> dict[str, Any]:
    document = {"image": base64.b64encode(image).decode(), "side": side, "max_labels": 1}
    event: dict[str, Any] = json.loads((CASES / "json-image.json").read_text())
    return {**event, "body": json.dumps(document)}


def best(answer: tuple[int, dict[str, Any]]) -> str:
    status, document = answer
    assert status == 200, document
    return str(document["labels"][0]["name"])


def test_side_information_changes_the_labels(ask: Ask, release: str, make_image: MakeImage) -> None:
    red = make_image((200, 30, 20))
    answers = [
        ({}, "red"),
        (None, "red"),
        ({"PLACE": "sea"}, "blue"),
        ({"PLACE": "wood", "TEXT": "A calm bay."}, "green"),
        ({"PLACE": "desert"}, "red"),
        ({"PLACE": "sea", "PRICE": 30}, "red"),
        ({"PLACE": "sea", "PRICE": None}, "blue"),
    ]
    for side, expected in answers:
        answer = ask(sent(red, side))
        assert best(answer) == expected, side
        assert answer[1]["release"] == release
    assert best(ask(json.loads((CASES / "json-side.json").read_text()))) == "blue"


@pytest.mark.usefixtures("release")
def test_a_body_that_is_the_image_has_no_side_information(ask: Ask, make_image: MakeImage) -> None:
    event = json.loads((CASES / "image.json").read_text())
    assert best(ask({**event, "body": base64.b64encode(make_image((20, 30, 200))).decode()})) == "blue"


HOSTILE: list[tuple[object, str]] = [
    ([], "side is not a JSON object"),
    ("PLACE=sea", "side is not a JSON object"),
    ({"place": "sea"}, "use PLACE, PRICE, TEXT."),
    ({"x" * 10_000: 1}, "use PLACE, PRICE, TEXT."),
    ({"\ud800": 1}, "send one JSON object in UTF-8"),
    ({"PLACE": 7}, "side.PLACE is a whole number"),
    ({"PLACE": {"a": {}}}, "side.PLACE is an object"),
    ({"PRICE": "cheap"}, "side.PRICE is 'cheap'"),
    ({"PRICE": False}, "side.PRICE is False"),
    ({"PRICE": 10**400}, "side.PRICE is not finite"),
    ({"TEXT": "word " * 2001}, "side.TEXT has 10005 characters"),
]


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize(("side", "message"), HOSTILE, ids=[f"{side!r:.20}" for side, _ in HOSTILE])
def test_an_invalid_value_is_a_400_that_names_it(ask: Ask, make_image: MakeImage, side: object, message: str) -> None:
    status, document = ask(sent(make_image((9, 9, 200)), side))
    assert (status, document["error"]["code"]) == (400, "invalid_request")
    assert message in document["error"]["message"]
    assert len(document["error"]["message"]) < 300


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(ask: Ask, make_image: MakeImage, number: str) -> None:
    event = sent(make_image((9, 9, 200)), {"PRICE": 123456})
    status, document = ask({**event, "body": event["body"].replace("123456", number)})
    assert (status, document["error"]["code"]) == (400, "invalid_request")


def test_a_release_that_was_trained_without_side_information_refuses_it(ask: Ask, make_image: MakeImage) -> None:
    status, document = ask(sent(make_image((9, 9, 200)), {"PLACE": "sea"}))
    assert status == 400
    assert document["error"]["message"].startswith("This model takes no side information, but side has 'PLACE'")
    assert best(ask(sent(make_image((9, 9, 200)), {}))) == "blue"


def test_a_batch_takes_one_row_per_image(graph: Graph, serving_with_side: ClassifierServing) -> None:
    classifier = Classifier(with_side(graph()), serving_with_side)
    images = np.zeros((2, 8, 12, 3), np.uint8)
    rows = np.array([encode(COLUMNS, {"PLACE": "sea"}), encode(COLUMNS, {"PLACE": "wood"})], np.float32)
    assert classifier.run(images, rows)[0].argmax(axis=1).tolist() == [2, 1]
    assert np.allclose(classifier.run(images)[0], 1 / 3)
    with pytest.raises(InvalidRequest, match="not a column of this model"):
        classifier.classify(b"", side={"WEIGHT": 1})


@pytest.mark.parametrize("columns", [(), COLUMNS[:1]])
def test_a_graph_whose_second_input_differs_from_the_manifest_does_not_load(
    graph: Graph, serving: ClassifierServing, columns: tuple[CategoryColumn, ...]
) -> None:
    with pytest.raises(InvalidModel, match="input side is"):
        Classifier(with_side(graph()), replace(serving, side=columns))


def test_a_graph_without_the_input_does_not_load_if_the_manifest_lists_columns(
    graph: Graph, serving_with_side: ClassifierServing
) -> None:
    assert width(COLUMNS) == 8
    with pytest.raises(InvalidModel, match="input side is missing"):
        Classifier(graph(), serving_with_side)
