"""The layers are sufficient for every function, and have no more than documented.

Each function runs in a new interpreter that has only its folder and its layers, as in Lambda. On CPython 3.13, the
layers are those that their Makefiles build; otherwise their requirements for this interpreter, and the layers' code.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.paths import ROOT

from larder.errors import SettingsError
from larder.release.pointer import Pointer, dump_pointer
from larder.release.serving import ClassifierServing, ImageSpec, RecommenderServing
from larder_local import interpreter
from larder_training.release.tables import write_dense, write_keyed, write_probes, write_vocabulary
from larder_training.release.writer import write_release

LAYERS = {
    "classify": ("larder", "vision"),
    "recommend": ("larder",),
    "models": ("larder",),
    "rollout": ("larder", "graphs", "runtime"),
}
TARGETS = {"larder": "LarderLayer", "vision": "VisionLayer", "graphs": "GraphsLayer"}
HEAVY = {"numpy", "PIL", "onnxruntime"}
NEVER = {"boto3", "botocore", "safetensors", "polars", "scipy", "sklearn", "onnx", "larder_training", "larder_local"}
AWS = {"boto3", "botocore"}  # part of Lambda, and only for the rollout
UNREACHABLE = ("Failed to fetch", "network was disabled")

Event = dict[str, Any]

# -S: no site-packages; -I: no PYTHONPATH and no current folder. The handler is imported as in Lambda.
PROGRAM = """
import json, sys
*folders, event = sys.argv[1:]
sys.path[:0] = folders
import app
answer = app.handler(json.loads(event), None) if event != "null" else None
print(json.dumps({"answer": answer, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@dataclass(frozen=True)
class Layers:
    """The folders of each layer's modules, and the interpreter that they are for; ``runtime`` is Lambda's boto3."""

    python: str
    folders: Mapping[str, Sequence[Path]]


def fetch(command: Sequence[str | Path], folder: Path, python: str = sys.executable) -> str:
    """Runs a command that fetches packages, with ``python`` on PATH; skips the test if they cannot be fetched."""
    path = [str(Path(sys.executable).parent), str(Path(python).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(path)}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  # ours
    if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
        pytest.skip(f"the package registry cannot be reached, and its packages are not cached: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    """All layers, built as by `sam build` if this machine has CPython 3.13."""
    folders = {layer: tmp_path_factory.mktemp(layer) for layer in (*TARGETS, "runtime")}
    try:
        python = str(interpreter.find())
    except SettingsError:
        return installed(folders)
    fetch([ROOT / "scripts/lambda-runtime", folders["runtime"]], ROOT, python)
    built = {"runtime": [folders["runtime"]]}
    for layer, target in TARGETS.items():
        copied = shutil.copytree(ROOT / "layers" / layer, folders[layer] / "copied")
        fetch(["make", f"build-{target}", f"ARTIFACTS_DIR={folders[layer] / 'built'}"], copied, python)
        built[layer] = [folders[layer] / "built/python"]
    return Layers(python, built)


def installed(folders: Mapping[str, Path]) -> Layers:
    """The layers' requirements for this interpreter, and their code."""
    export = ("uv", "export", "--quiet", "--frozen", "--only-group", "runtime", "--no-emit-project")
    (folders["runtime"] / "requirements.txt").write_text(fetch(export, ROOT))
    strict = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "symlink")
    for layer, folder in folders.items():
        listed = (folder if layer == "runtime" else ROOT / "layers" / layer) / "requirements.txt"
        target = ("--target", folder, "--python", sys.executable)
        fetch(["uv", "pip", "install", "--quiet", *target, *strict, "--requirements", listed], ROOT)
    fetch(["make", "trim", f"SITE={folders['graphs']}"], ROOT / "layers/graphs")
    single = {layer: [folder] for layer, folder in folders.items()}
    return Layers(sys.executable, {**single, "larder": [folders["larder"], ROOT / "layers/larder"]})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store with a shop of two items, each the other's neighbour."""
    tables = tmp_path / "tables"
    tables.mkdir()
    write_vocabulary(tables / "items.safetensors", ["kettle", "mug"], {"PRICE": ("number", [24.5, 8.0])})
    release = write_release(
        tmp_path / "store/models/shop/releases",
        model="shop",
        kind="recommender",
        serving=RecommenderServing(
            items_file="items.safetensors",
            items=2,
            columns={"PRICE": "number"},
            neighbours=write_dense(tables / "neighbours.safetensors", [[1], [0]], [[1.0], [0.5]]),
            users=None,
            user_slots=0,
            segments=write_keyed(tables / "segments.safetensors", [""], [[0, 1]], [[1.0, 0.5]]),
            segments_by=(),
            profile={},
            weights={"user": 1.0, "session": 1.0, "segment": 0.5},
            session_decay=0.5,
            session_length=5,
        ),
        files={path.name: path for path in tables.iterdir()},
        evaluation={},
        training={},
        structure={},
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )
    (tmp_path / "store/models/shop/live.json").write_bytes(dump_pointer(Pointer(release.name)))
    return tmp_path / "store"


@pytest.fixture
def unsafe(tmp_path: Path) -> str:
    """The key of a classifier's manifest in the store; its graph needs an operator of an unknown domain."""
    outputs: dict[str, list[str | int]] = {"probabilities": ["N", 2], "embedding": ["N", 3], "novelty": ["N"]}
    graph = helper.make_graph(
        [helper.make_node("Open", ["image"], list(outputs), domain="evil")],
        "unsafe",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 4, 5, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
    )
    write_probes(tmp_path / "probes", [b"png"], probabilities=np.full((1, 2), 0.5, np.float32))
    release = write_release(
        tmp_path / "store/models/pets/releases",
        model="pets",
        kind="classifier",
        serving=ClassifierServing("model.onnx", ImageSpec(5, 4), ("cat", "dog"), (0.5, 0.5), 1.0, None),
        files={"model.onnx": helper.make_model(graph).SerializeToString(), "probes.safetensors": tmp_path / "probes"},
        evaluation={},
        training={},
        structure={},
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return f"models/pets/releases/{release.name}/manifest.json"


def request(path: str, names: dict[str, str], query: dict[str, str] | None = None) -> Event:
    context = {"http": {"method": "GET", "path": path}, "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "pathParameters": names, "requestContext": context}
    return {**event, "queryStringParameters": query or {}, "isBase64Encoded": False}


def run(
    layers: Layers,
    function: str,
    event: dict[str, Any] | None,
    store: Path | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Imports the function in a new interpreter with its layers (or those of ``names``), and sends it ``event``.

    Returns the response and all loaded modules.
    """
    folders = [folder for name in names or LAYERS[function] for folder in layers.folders[name]]
    seen = [ROOT / "functions" / function, *folders]
    environment = {"PATH": os.defpath, "HOME": "/nonexistent"}
    if store:
        settings = {"STORE": store.as_uri(), "CACHE_DIR": str(store.parent / "cache"), "CACHE_BYTES": "1000000"}
        settings |= {"REFRESH_SECONDS": "30", "MAX_PIXELS": "1000000", "AUTHORIZATION": "NONE"}
        settings |= {"CLASSIFY_FUNCTION": "classify", "RECOMMEND_FUNCTION": "recommend"}
        environment |= {f"LARDER_{name}": value for name, value in settings.items()} | {
            "AWS_DEFAULT_REGION": "eu-central-1"
        }
    command = [layers.python, "-I", "-S", "-c", PROGRAM, *map(str, seen), json.dumps(event)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  # ours
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_requirements_match_the_lock_file() -> None:
    done = subprocess.run([ROOT / "scripts/export-layers", "--check"], capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("function", LAYERS)
def test_every_function_starts_with_only_its_layers(layers: Layers, function: str) -> None:
    result = run(layers, function, None)
    assert not (NEVER - AWS if function == "rollout" else NEVER) & set(result["modules"])
    assert "aws_lambda_powertools" in result["modules"]
    assert (HEAVY & set(result["modules"]) != set()) == (function == "classify")


def test_recommend_needs_neither_numpy_nor_boto3(layers: Layers, store: Path) -> None:
    # GIVEN a session with the kettle
    event = request("/v1/models/shop/recommend", {"model": "shop"}, {"session": "kettle", "n": "1", "columns": "PRICE"})
    # WHEN recommend gets the request, with only its layer
    result = run(layers, "recommend", event, store)
    # THEN it recommends the mug, and has loaded no heavy library
    items = json.loads(result["answer"]["body"])["items"]
    assert [(item["id"], item["columns"], item["because"]["source"]) for item in items] == [
        ("mug", {"PRICE": 8.0}, "session")
    ]
    assert not (HEAVY | NEVER) & set(result["modules"])


def test_models_responds_with_only_its_layer(layers: Layers, store: Path) -> None:
    result = run(layers, "models", request("/v1/models", {}), store)
    (model,) = json.loads(result["answer"]["body"])["models"]
    assert (model["model"], model["kind"]) == ("shop", "recommender")
    described = run(layers, "models", request("/openapi.json", {}))  # no environment, no store
    assert described["answer"]["statusCode"] == 200


def test_rollout_reads_a_graph_with_one_module_of_onnx(layers: Layers, unsafe: str, tmp_path: Path) -> None:
    # GIVEN a release of a classifier that must not be loaded
    event = {"detail-type": "Object Created", "detail": {"object": {"key": unsafe}}}
    # WHEN its manifest is uploaded THEN it is rejected for its graph, without loading an array library
    result = run(layers, "rollout", event, tmp_path / "store")
    assert result["answer"]["reason"].startswith("model.onnx needs operator 'Open' of 'evil', unknown to onnxruntime")
    assert not {"numpy", "ml_dtypes"} & set(result["modules"])


def test_a_function_without_its_layers_does_not_start(layers: Layers) -> None:
    # The tests above rely on this: nothing of this environment leaks into theirs.
    with pytest.raises(AssertionError, match="No module named 'numpy'"):
        run(layers, "classify", None, names=["larder"])
