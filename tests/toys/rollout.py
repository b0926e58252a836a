"""Small, valid releases of both kinds as folders for an upload, and the functions that serve them.

An HTTP server in place of Lambda runs the real handlers, so that the real boto3 can call them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import classify.app
import recommend.app
from larder.release.serving import (
    ClassifierServing,
    ImageSpec,
    InteractionTable,
    ProfileColumn,
    ProfileTables,
    RecommenderServing,
)
from larder.store import Store, open_store
from larder.tables import EMPTY
from larder_training.release.tables import write_dense, write_keyed, write_probes, write_vocabulary
from larder_training.release.writer import write_release

HEIGHT, WIDTH, LABELS = 4, 5, ("cat", "dog")


def graph() -> onnx.ModelProto:
    """``embedding`` is the mean colour [N, 3]; ``probabilities`` and ``novelty`` depend on it."""
    weights = np.array([[1, -1], [0.5, 2], [-1, 1]], np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["embedding"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMean", ["embedding"], ["novelty"], axes=[1], keepdims=0),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])
    shapes: dict[str, list[str | int]] = {"probabilities": ["N", 2], "embedding": ["N", 3], "novelty": ["N"]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    document = helper.make_graph(nodes, "toy", [image], outputs, [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(document, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def toy_graph() -> onnx.ModelProto:
    return graph()


@pytest.fixture
def classifier(tmp_path: Path) -> Callable[..., Path]:
    """Writes a classifier's release; ``model`` replaces the graph's bytes, ``files`` adds to or replaces its files."""

    def write(hour: int = 0, *, model: bytes | None = None, files: dict[str, bytes] | None = None) -> Path:
        probes = tmp_path / "probes"
        write_probes(probes, [b"png 1", b"png 2", b"png 3"], probabilities=np.full((3, 2), 0.5, np.float32))
        return write_release(
            tmp_path / "classifiers",
            model="pets",
            kind="classifier",
            serving=ClassifierServing("model.onnx", ImageSpec(WIDTH, HEIGHT), LABELS, (0.5, 0.5), 1.0, None),
            files={
                "model.onnx": graph().SerializeToString() if model is None else model,
                "probes.safetensors": probes,
                "report.html": b"<p>",
                "metrics.json": b"{}",
                **(files or {}),
            },
            evaluation={"hour": hour},
            training={},
            structure={},
            created=datetime(2026, 1, 2, hour, tzinfo=UTC),
        )

    return write


def _profiles(folder: Path) -> ProfileTables:
    """Two users with a profile each."""
    write_vocabulary(folder / "profiles.safetensors", ["0", "1"], {"AGE": ("number", [18.0, 30.0])})
    users = write_keyed(folder / "user-profiles.safetensors", ["u0", "u1"], np.array([[0], [1]]), np.zeros((2, 1)))
    return ProfileTables(users, "profiles.safetensors", 2, {"AGE": "number"})


@pytest.fixture
def recommender(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recommender's release; ``files`` adds to or replaces its files; ``transition_rows`` is the number of
    rows of its table of transitions (0: no table).
    """

    def write(
        hour: int = 0,
        *,
        files: dict[str, bytes] | None = None,
        users: int = 300,
        width: int = 3,
        transition_rows: int = 4,
    ) -> Path:
        folder = tmp_path / f"tables-{hour}"
        folder.mkdir(exist_ok=True)
        items = np.array([[1, 2], [0, EMPTY], [EMPTY, EMPTY], [0, 1]], np.uint32)
        user_items = np.tile(np.arange(width, dtype=np.uint32) % 4, (users, 1))
        write_vocabulary(
            folder / "items.safetensors",
            ["a", "b", "c", "d"],
            {"BRAND": ("category", ["x", None, "y", "x"]), "PRICE": ("number", [1.0, 2.5, None, 3.0])},
        )
        write_probes(folder / "probes.safetensors", [b'{"user": "u1"}'], answer=['["a"]'])
        transitions = None
        if transition_rows:
            rows = np.tile(np.arange(2, dtype=np.uint32), (transition_rows, 1))
            transitions = write_dense(folder / "transitions.safetensors", rows, np.full((transition_rows, 2), 0.25))
        weights = {"user": 1.0, "session": 0.5, "segment": 0.125}
        serving = RecommenderServing(
            items_file="items.safetensors",
            items=4,
            columns={"BRAND": "category", "PRICE": "number"},
            neighbours=write_dense(folder / "neighbours.safetensors", items, np.full((4, 2), 0.5)),
            users=write_keyed(
                folder / "users.safetensors", [f"u{n}" for n in range(users)], user_items, np.ones((users, width))
            ),
            user_slots=2,
            segments=write_keyed(
                folder / "segments.safetensors",
                ["", "CITY=Berlin"],
                np.array([[3, 1, 0], [2, EMPTY, EMPTY]]),
                np.ones((2, 3)),
            ),
            segments_by=(("CITY",),),
            profile={"CITY": ProfileColumn("category")},
            weights=weights | ({"transition": 0.25} if transition_rows else {}),
            session_decay=0.75,
            session_length=10,
            rules=('INCLUDE ItemID WHERE Items.BRAND IN ("x")',),
            transitions=transitions,
            interactions=InteractionTable(
                write_keyed(folder / "interactions.safetensors", ["u0", "u1"], np.array([[1, 0], [2, 3]]), np.eye(2)),
                ("click", "buy"),
            ),
            profiles=_profiles(folder),
        )
        names = ["items", "neighbours", "users", "segments", "probes", *(["transitions"] if transition_rows else [])]
        names += ["interactions", "user-profiles", "profiles"]
        tables: dict[str, Path | bytes] = {f"{name}.safetensors": folder / f"{name}.safetensors" for name in names}
        return write_release(
            tmp_path / "recommenders",
            model="shop",
            kind="recommender",
            serving=serving,
            files={**tables, "report.html": b"<p>", "metrics.json": b"{}", **(files or {})},
            evaluation={"hour": hour},
            training={},
            structure={},
            created=datetime(2026, 1, 2, hour, tzinfo=UTC),
        )

    return write


@pytest.fixture
def golden_classifier(classifier: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A classifier with correct golden responses, or with ``cat`` as the probability of the first label."""

    def write(hour: int = 0, *, cat: float = 1 / (1 + np.exp(-2.5)), **changes: bytes) -> Path:
        image = BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT), (2, 1, 0)).save(image, "PNG")  # its logits are 2 + 0.5 and -2 + 2
        answers = np.array([[cat, 1 - cat]], np.float32)
        write_probes(tmp_path / "golden", [image.getvalue()], probabilities=answers)
        return classifier(hour, files={"probes.safetensors": (tmp_path / "golden").read_bytes()}, **changes)

    return write


@pytest.fixture
def golden_recommender(recommender: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A recommender with the correct golden response, or with ``items``."""

    def write(hour: int = 0, *, items: str = '["a", "d"]') -> Path:
        # Of the most popular items, which have equal scores, the rule excludes b.
        write_probes(tmp_path / "golden", [b'{"n": 3}'], answer=[items])
        return recommender(hour, files={"probes.safetensors": (tmp_path / "golden").read_bytes()})

    return write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A folder, from which the functions serve too."""
    return open_store(f"file://{tmp_path}/store")


Reply = tuple[int, dict[str, str], dict[str, Any]]  # status, headers, JSON
FUNCTIONS = {"classify": classify.app, "recommend": recommend.app}


@dataclass
class Lambda:
    """The functions by name; while ``reply`` is set, every call returns it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    reply: Reply | None = None

    def invoke(self, function: str, event: dict[str, Any]) -> Reply:
        self.events.append(event)
        return self.reply or (200, {}, FUNCTIONS[function].handler(event, None))


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:
    """Lambda with both functions, which serve from ``store``."""
    server_side = Lambda()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, headers, document = server_side.invoke(self.path.split("/")[3], event)
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    settings = {"STORE": f"file://{tmp_path}/store", "CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000"}
    for name, value in {**settings, "REFRESH_SECONDS": "0", "MAX_PIXELS": "1000", "AUTHORIZATION": "KEYS"}.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    for module in FUNCTIONS.values():
        module.service.reset()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "us-east-1")
        yield server_side
        server.shutdown()
