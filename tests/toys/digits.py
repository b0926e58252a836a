"""A toy classifier in a store, and the handler that answers from it.

The graph is small enough to compute every response by hand: the embedding is the mean colour (0 to 1 per channel), the
probabilities of red, green and blue are a softmax of ten times the embedding, and the OOD score is higher the greyer
the image is. The model is called ``digits``, so that the events fit the demo's model too.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, checker, helper
from PIL import Image

from classify import app
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec
from larder_training.release.writer import write_release

Ask = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]

SERVING = ClassifierServing("model.onnx", ImageSpec(12, 8), ("red", "green", "blue"), (0.5, 0.5, 0.001), 1.0, 0.9)


def make_graph(
    *,
    height: int | str = 8,
    input_type: int = TensorProto.UINT8,
    labels: int = 3,
    batch: int | str = "N",
    novelty_name: str = "novelty",
    scale: float = 1 / 255,
) -> bytes:
    """The graph of the module's docstring as an ONNX file; the arguments break it."""
    floats = TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=floats),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["embedding"]),
        helper.make_node("Mul", ["embedding", "ten"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["embedding"], ["most"], axes=[1], keepdims=0),
        helper.make_node("ReduceMin", ["embedding"], ["least"], axes=[1], keepdims=0),
        helper.make_node("Sub", ["most", "least"], ["colourful"]),
        helper.make_node("Sub", ["one", "colourful"], [novelty_name]),
    ]
    constants = {"scale": scale, "ten": 10.0, "one": 1.0}
    document = helper.make_graph(
        nodes,
        "mean-colour",
        [helper.make_tensor_value_info("image", input_type, [batch, height, 12, 3])],
        [
            helper.make_tensor_value_info("probabilities", floats, [batch, labels]),
            helper.make_tensor_value_info("embedding", floats, [batch, 3]),
            helper.make_tensor_value_info(novelty_name, floats, [batch]),
        ],
        [helper.make_tensor(name, floats, [], [value]) for name, value in constants.items()],
    )
    model = helper.make_model(document, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if labels == 3:
        checker.check_model(model)
    return bytes(model.SerializeToString())


def make_image(colour: tuple[int, int, int], kind: str = "PNG", size: tuple[int, int] = (32, 24)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


@pytest.fixture
def serving() -> ClassifierServing:
    return SERVING


@pytest.fixture
def graph() -> Callable[..., bytes]:
    return make_graph


@pytest.fixture(name="make_image")
def make_image_fixture() -> Callable[..., bytes]:
    return make_image


@pytest.fixture
def publish(store: Path) -> Callable[[bytes], str]:
    """Publishes a graph as the live release of ``digits``; returns the release's name."""
    return lambda model: _publish(store, model)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store with a live release of ``digits``, and one uploaded image."""
    root = tmp_path / "store"
    _publish(root, make_graph())
    (root / "uploads").mkdir()
    (root / "uploads/red.jpg").write_bytes(make_image((200, 30, 20), "JPEG"))
    return root


def _publish(root: Path, model: bytes) -> str:
    folder = write_release(
        root / "models/digits/releases",
        model="digits",
        kind="classifier",
        serving=SERVING,
        files={"model.onnx": model},
        evaluation={},
        training={},
        structure={},
    )
    (root / "models/digits/live.json").write_bytes(dump_pointer(Pointer(folder.name)))
    return folder.name


@dataclass
class Context:
    aws_request_id: str = "0123-4567"


@pytest.fixture
def ask(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Sends one event to the handler, as Lambda does; returns the status and the parsed body."""
    environment = {
        "LARDER_STORE": f"file://{store}",
        "LARDER_CACHE_DIR": str(tmp_path / "cache"),
        "LARDER_CACHE_BYTES": "400000000",
        "LARDER_REFRESH_SECONDS": "0",
        "LARDER_MAX_PIXELS": "50000000",
        "LARDER_AUTHORIZATION": "NONE",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app.service.reset()

    def send(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        response = app.handler(event, Context())
        return response["statusCode"], json.loads(response["body"])

    yield send
    app.service.reset()
