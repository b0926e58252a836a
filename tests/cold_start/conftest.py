"""A store with a classifier and a recommender, and each function in a new process, as in a cold start."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper
from tests.paths import ROOT

from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec, RecommenderServing
from larder_training.release.tables import write_dense, write_keyed, write_vocabulary
from larder_training.release.writer import write_release

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
NOTHING: Mapping[str, object] = {}
# As in Lambda, the handler is imported as app, and boto3 can be imported.
PROGRAM = """
import json, os, sys
import app
before = sorted(sys.modules)
if "GONE" in os.environ:
    os.rename(os.environ["GONE"], os.environ["GONE"] + ".gone")
answer = app.handler(json.loads(sys.argv[1]), None)
print(json.dumps({"answer": answer, "before": before, "modules": sorted(sys.modules)}))
"""


@dataclass(frozen=True)
class Start:
    """The response of a function, the modules loaded before and after it, and the log."""

    answer: dict[str, Any]
    before: list[str]
    modules: list[str]
    log: list[dict[str, Any]]
    errors: str

    @property
    def cold(self) -> dict[str, float]:
        """The phases of the cold start, from the log line of the first request."""
        phases: dict[str, float] = next(line["cold"] for line in self.log if "route" in line)
        return phases


ColdStart = Callable[..., Start]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store: ``digits`` classifies grey images, ``shop`` has a kettle and a mug."""
    root = tmp_path / "store"
    publish(root, "digits", "classifier", _CLASSIFIER, {"model.onnx": graph()})
    tables = tmp_path / "tables"
    tables.mkdir()
    write_vocabulary(tables / "items.safetensors", ["kettle", "mug"], {})
    serving = RecommenderServing(
        items_file="items.safetensors",
        items=2,
        columns={},
        neighbours=write_dense(tables / "neighbours.safetensors", [[1], [0]], [[1.0], [0.5]]),
        users=None,
        user_slots=0,
        segments=write_keyed(tables / "segments.safetensors", [""], [[0, 1]], [[1.0, 0.5]]),
        segments_by=(),
        profile={},
        weights={"user": 1.0, "session": 1.0, "segment": 0.5},
        session_decay=0.5,
        session_length=5,
    )
    publish(root, "shop", "recommender", serving, {path.name: path for path in tables.iterdir()})
    return root


_CLASSIFIER = ClassifierServing("model.onnx", ImageSpec(4, 4), ("dark", "light"), (0.5, 0.5), 1.0, None)


def graph() -> bytes:
    """The mean of the pixels is the probability of light."""
    floats = TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=floats),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["novelty"]),
        helper.make_node("Unsqueeze", ["novelty", "last"], ["light"]),
        helper.make_node("Sub", ["one", "light"], ["dark"]),
        helper.make_node("Concat", ["dark", "light"], ["probabilities"], axis=1),
        helper.make_node("Identity", ["light"], ["embedding"]),
    ]
    outputs: dict[str, list[str | int | None]] = {"probabilities": ["N", 2], "embedding": ["N", 1], "novelty": ["N"]}
    document = helper.make_graph(
        nodes,
        "lightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info(name, floats, shape) for name, shape in outputs.items()],
        [
            helper.make_tensor("scale", floats, [], [1 / 255]),
            helper.make_tensor("one", floats, [], [1.0]),
            helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(document, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def publish(root: Path, model: str, kind: Any, serving: Any, files: Mapping[str, Path | bytes]) -> None:  # noqa: ANN401  # either kind
    """Writes a release of ``model`` and makes it live."""
    folder = write_release(
        root / "models" / model / "releases",
        model=model,
        kind=kind,
        serving=serving,
        files=files,
        evaluation=NOTHING,
        training=NOTHING,
        structure=NOTHING,
        created=CREATED,
    )
    (root / "models" / model / "live.json").write_bytes(dump_pointer(Pointer(folder.name)))


@pytest.fixture
def start(store: Path, tmp_path: Path) -> ColdStart:
    """Loads a function in a new process and sends it one event; ``environment`` adds to that of the template.
    The path in ``GONE`` is renamed between the two steps.
    """

    def started(function: str, event: Mapping[str, object], **environment: str) -> Start:
        settings = {"STORE": store.as_uri(), "CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000"}
        settings |= {"REFRESH_SECONDS": "30", "MAX_PIXELS": "1000000", "PRELOAD": "", "AUTHORIZATION": "NONE"}
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", PROGRAM, json.dumps(event)],
            cwd=ROOT / "functions" / function,
            env={"PATH": os.defpath, **{f"LARDER_{name}": value for name, value in settings.items()}, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *log, result = map(json.loads, done.stdout.splitlines())
        return Start(**result, log=log, errors=done.stderr)

    return started
