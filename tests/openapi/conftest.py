"""Two toy models in a store, and requests that go through the template's routes to the handlers.

``digits`` classifies dark (0) and light (1) images; ``shop`` has four items and one user. Both are real releases,
written by training and loaded by the functions.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from PIL import Image
from tests.paths import ROOT

from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec, ProfileColumn, RecommenderServing
from larder.tables import EMPTY
from larder_local.gateway.event import HttpRequest, HttpResponse, decode, encode
from larder_local.gateway.routes import find
from larder_local.gateway.template import load
from larder_training.release.tables import write_dense, write_keyed, write_vocabulary
from larder_training.release.writer import write_release

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ITEMS = ["p0001", "p0002", "p0003", "p0004"]
LABELS = ("0", "1")

Ask = Callable[..., HttpResponse]


@pytest.fixture(scope="session")
def image() -> bytes:
    """A light image."""
    file = BytesIO()
    Image.new("L", (16, 16), 204).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, image: bytes) -> Path:
    """The folder of a store with both models live, and one uploaded image."""
    root = tmp_path_factory.mktemp("store")
    for model, release in (("digits", _digits(root)), ("shop", _shop(root, tmp_path_factory.mktemp("tables")))):
        (root / f"models/{model}/live.json").write_bytes(dump_pointer(Pointer(release.name)))
    (root / "uploads").mkdir()
    (root / "uploads/image.png").write_bytes(image)
    return root


@pytest.fixture(scope="module")  # not the session: the environment variables must not reach other tests
def ask(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Sends a request through the template's routes to the function, on a copy of the store."""
    copy = tmp_path_factory.mktemp("copy") / "store"  # the store is the session's, and a module starts jobs, say
    shutil.copytree(store, copy)
    routes = load(ROOT / "template.yaml").routes
    services = [import_module(f"{function}.app").service for function in ("classify", "recommend", "models")]
    with pytest.MonkeyPatch.context() as environment:
        settings = {
            "STORE": copy.as_uri(),
            "CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
            "CACHE_BYTES": "1000000",
        }
        for name, value in {
            **settings,
            "REFRESH_SECONDS": "30",
            "MAX_PIXELS": "1000000",
            "AUTHORIZATION": "NONE",
        }.items():
            environment.setenv(f"LARDER_{name}", value)
        for service in services:
            service.reset()

        def send(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> HttpResponse:
            path, _, query = url.partition("?")
            match = find(routes, method, path)
            assert match, f"no route for {method} {path}"
            route, variables = match
            sent = [*(headers or {}).items(), ("host", "127.0.0.1:8080")]
            call = HttpRequest(method, path, query, sent, body, "127.0.0.1")
            module = import_module(f"{route.function.removesuffix('Function').lower()}.app")
            event = json.loads(encode(call, route, variables, "request-1"))
            return decode(json.dumps(module.handler(event, None)).encode())

        yield send
    for service in services:
        service.reset()


def _digits(root: Path) -> Path:
    floats = TensorProto.FLOAT
    constants = [
        helper.make_tensor("scale", floats, [], [1 / 255]),
        helper.make_tensor("zero", floats, [], [0.0]),
        helper.make_tensor("weights", floats, [1, 2], [-5.0, 5.0]),
        helper.make_tensor("bias", floats, [2], [2.5, -2.5]),
        helper.make_tensor("column", TensorProto.INT64, [1], [1]),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=floats),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["light"]),
        helper.make_node("Unsqueeze", ["light", "column"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Mul", ["light", "zero"], ["novelty"]),
    ]
    graph = helper.make_graph(
        nodes,
        "light",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 12, 3])],
        [
            helper.make_tensor_value_info("probabilities", floats, ["N", 2]),
            helper.make_tensor_value_info("embedding", floats, ["N", 1]),
            helper.make_tensor_value_info("novelty", floats, ["N"]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return write_release(
        root / "models/digits/releases",
        model="digits",
        kind="classifier",
        serving=ClassifierServing("model.onnx", ImageSpec(12, 8), LABELS, (0.5, 0.5), 1.0, 0.5),
        files={"model.onnx": model.SerializeToString(), "report.html": b"<!doctype html><title>digits</title>"},
        evaluation={"split": "by class", "test": {"accuracy": 0.97, "accuracy_interval_95": [0.95, 0.985]}},
        training={"seed": 0},
        structure={"parameters": 4, "operators": {"Gemm": 1, "Softmax": 1}},
        created=CREATED,
    )


def _shop(root: Path, scratch: Path) -> Path:
    titles = ["Green kettle", "Blue mug", "Tea towel", "Teapot"]
    write_vocabulary(
        scratch / "items.safetensors",
        ITEMS,
        {"TITLE": ("text", titles), "PRICE": ("number", [24.5, 8.0, 5.0, None]), "KIND": ("category", list("abab"))},
    )
    near = [[(1, 1.0), (3, 0.5)], [(0, 1.0)], [], [(0, 0.5), (1, 0.25)]]
    return write_release(
        root / "models/shop/releases",
        model="shop",
        kind="recommender",
        serving=RecommenderServing(
            items_file="items.safetensors",
            items=4,
            columns={"TITLE": "text", "PRICE": "number", "KIND": "category"},
            neighbours=write_dense(scratch / "neighbours.safetensors", *_rows(near, 2)),
            users=write_keyed(scratch / "users.safetensors", ["u0001"], *_rows([[(1, 1.0), (2, 0.5), (0, 0)]], 3)),
            user_slots=2,
            segments=write_keyed(
                scratch / "segments.safetensors", ["", "CITY=Berlin"], *_rows([[(0, 1.0), (1, 0.5)], [(2, 1.0)]], 4)
            ),
            segments_by=(("CITY",),),
            profile={"CITY": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0, 35.0))},
            weights={"user": 1.0, "session": 0.5, "segment": 0.25},
            session_decay=0.5,
            session_length=10,
        ),
        files={path.name: path for path in scratch.iterdir()},
        evaluation={"split": "by time", "test": {"ndcg@20": 0.21, "ndcg@20_interval_95": [0.2, 0.22]}},
        training={"seed": 0},
        structure={"items": 4, "users": 1},
        created=CREATED,
    )


def _rows(rows: list[list[tuple[int, float]]], width: int) -> tuple[list[list[int]], list[list[float]]]:
    filled = [[*row, *[(EMPTY, 0.0)] * (width - len(row))] for row in rows]
    return [[item for item, _ in row] for row in filled], [[score for _, score in row] for row in filled]
