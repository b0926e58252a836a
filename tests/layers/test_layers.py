"""What the layers' requirements hold is enough for every function, and no more than it says.

Each function runs in a fresh interpreter that sees its own folder, its layers' code and its layers' requirements,
installed from their hashes, and nothing else: the environment that Lambda gives it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from larder.live import Live, dump
from larder.serving import RecommenderServing
from larder_training.release import write_release
from larder_training.tables import write_dense, write_keyed, write_vocabulary

ROOT = Path(__file__).parents[2]
LIMIT = 250 * 2**20  # Lambda's, for all layers and the function, unzipped
LAYERS = {"classify": ("larder", "vision"), "recommend": ("larder",), "models": ("larder",)}
HEAVY = {"numpy", "PIL", "onnxruntime"}
NEVER = {"boto3", "botocore", "safetensors", "polars", "scipy", "sklearn", "onnx", "larder_training", "larder_local"}
UNREACHABLE = ("Failed to fetch", "network was disabled")

Event = dict[str, Any]

# -S: no site-packages; -I: no PYTHONPATH and no current folder. A handler is imported as Lambda does it.
PROGRAM = """
import json, sys
*folders, event = sys.argv[1:]
sys.path[:0] = folders
import app
answer = app.handler(json.loads(event), None) if event != "null" else None
print(json.dumps({"answer": answer, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    assert program, "uv is missing: run make setup"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603  # ours


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each layer with its requirements in it, as a layer's ``python/`` has them."""
    folders = {}
    for layer in ("larder", "vision"):
        folders[layer] = tmp_path_factory.mktemp(layer)
        requirements = f"layers/{layer}/requirements.txt"
        target = ("--target", str(folders[layer]), "--python", sys.executable, "--link-mode", "symlink")
        strict = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
        done = uv("pip", "install", "--quiet", *target, *strict, "--requirements", requirements)
        if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
            pytest.skip(
                f"the package registry cannot be reached, and its packages are not cached: {done.stderr[-200:]}"
            )
        assert done.returncode == 0, done.stderr
    return folders


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store's folder with the smallest shop: two items, each the other's neighbour."""
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
    (tmp_path / "store/models/shop/live.json").write_bytes(dump(Live(release.name)))
    return tmp_path / "store"


def request(path: str, names: dict[str, str], query: dict[str, str] | None = None) -> Event:
    context = {"http": {"method": "GET", "path": path}, "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "pathParameters": names, "requestContext": context}
    return {**event, "queryStringParameters": query or {}, "isBase64Encoded": False}


def run(
    function: str, folders: Sequence[Path], event: dict[str, Any] | None, store: Path | None = None
) -> dict[str, Any]:
    """Imports the function in its own interpreter, sends it ``event`` and returns the answer and all modules loaded."""
    seen = [ROOT / "functions" / function, ROOT / "layers/larder", *folders]
    environment = {"PATH": os.defpath, "HOME": "/nonexistent"}
    if store:
        settings = {"STORE": store.as_uri(), "CACHE_DIR": str(store.parent / "cache"), "CACHE_BYTES": "1000000"}
        settings |= {"REFRESH_SECONDS": "30", "MAX_PIXELS": "1000000"}
        environment |= {f"LARDER_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *map(str, seen), json.dumps(event)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  # ours
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_requirements_are_what_the_lock_says() -> None:
    done = subprocess.run([ROOT / "scripts/export-layers", "--check"], capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("function", LAYERS)
def test_every_function_starts_with_its_layers_alone(installed: dict[str, Path], function: str) -> None:
    found = run(function, [installed[layer] for layer in LAYERS[function]], None)
    assert not NEVER & set(found["modules"])
    assert "aws_lambda_powertools" in found["modules"]
    assert (HEAVY & set(found["modules"]) != set()) == (function == "classify")


def test_recommend_answers_without_numpy_and_boto3(installed: dict[str, Path], store: Path) -> None:
    # GIVEN somebody who just looked at the kettle
    event = request("/v1/models/shop/recommend", {"model": "shop"}, {"session": "kettle", "n": "1", "columns": "PRICE"})
    # WHEN recommend is asked, with only what its layer holds
    found = run("recommend", [installed["larder"]], event, store)
    # THEN the mug comes, and nothing heavy was loaded on the way
    items = json.loads(found["answer"]["body"])["items"]
    assert [(item["id"], item["columns"], item["because"]["source"]) for item in items] == [
        ("mug", {"PRICE": 8.0}, "session")
    ]
    assert not (HEAVY | NEVER) & set(found["modules"])


def test_models_answers_with_its_layer_alone(installed: dict[str, Path], store: Path) -> None:
    found = run("models", [installed["larder"]], request("/v1/models", {}), store)
    (model,) = json.loads(found["answer"]["body"])["models"]
    assert (model["model"], model["kind"]) == ("shop", "recommender")
    described = run("models", [installed["larder"]], request("/openapi.json", {}))  # no environment, no store
    assert described["answer"]["statusCode"] == 200


def test_a_function_without_its_layers_does_not_start(installed: dict[str, Path]) -> None:
    # What the tests above stand on: nothing of this environment leaks into theirs.
    with pytest.raises(AssertionError, match="No module named 'numpy'"):
        run("classify", [installed["larder"]], None)


@pytest.mark.slow
def test_the_built_layers_hold_the_code_its_byte_code_and_fit_lambda(tmp_path: Path) -> None:
    python = shutil.which("python3.13")
    works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603  # ours
    if not works or not shutil.which("make"):
        pytest.skip("building a layer needs make and Python 3.13 on PATH")
    size = 0
    for layer, target in (("larder", "LarderLayer"), ("vision", "VisionLayer")):
        # GIVEN a copy of the layer's folder, as `sam build` makes one
        scratch = shutil.copytree(ROOT / "layers" / layer, tmp_path / layer / "scratch")
        command = ["make", f"build-{target}", f"ARTIFACTS_DIR={tmp_path / layer}/built"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(  # noqa: S603  # ours
            command, cwd=scratch, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
        if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
            pytest.skip("the package registry cannot be reached, and its packages are not cached")
        assert done.returncode == 0, done.stderr
        size += sum(file.stat().st_size for file in (tmp_path / layer / "built").rglob("*") if file.is_file())
    # THEN the code is there with its byte code and its data, nothing else of the folder is, and all of it fits
    built = tmp_path / "larder/built/python"
    assert (built / "larder/openapi.json").exists()
    assert (built / "larder/__pycache__/web.cpython-313.pyc").exists()
    assert not list(built.parent.rglob("requirements.txt"))
    assert size < LIMIT
    # AND what was cut out of the wheels is not missed
    assert python
    seen = [ROOT / "functions/classify", built, tmp_path / "vision/built/python"]
    command = [python, "-I", "-S", "-c", PROGRAM, *map(str, seen), "null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert done.returncode == 0, done.stderr
