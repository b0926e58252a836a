"""The bundle, built once; Docker and its image; and a store with a live release of each kind.

Tests skip, with the reason, if the machine lacks what they need.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.aws import Stack, deploy
from tests.e2e.aws import running as running_aws
from tests.e2e.commands import UNREACHABLE, run
from tests.larder_local.conftest import Up, running
from tests.paths import ROOT
from tests.toys.shop import TOY

from larder.errors import LarderError, SettingsError
from larder.release.keys import file_key, pointer_key
from larder.release.manifest import FileEntry, Manifest, dump
from larder.release.pointer import Pointer
from larder.release.pointer import dump_pointer as dump_live
from larder.release.serving import ClassifierServing, ImageSpec
from larder.store import Store, open_store
from larder_local import interpreter
from larder_local.gateway.template import Function, load
from larder_local.lambda_container import docker
from larder_training.release.writer import write_release

FUNCTIONS = {"classify": "ClassifyFunction", "recommend": "RecommendFunction", "models": "ModelsFunction"}
PETS = "20260102t030405z-0a1b2c3d"  # the release in the events of tests/events/models
HERE = "arm64" if os.uname().machine in ("aarch64", "arm64") else "x86_64"

# The handler from the source, in the environment of the tests.
IN_PROCESS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import app
answers = [app.handler(event, None) for event in json.load(sys.stdin)]
print()
print(json.dumps(answers))
"""


def larder(*arguments: str | Path) -> None:
    """Runs the ``larder`` command, which must succeed."""
    done = run(sys.executable, "-m", "larder_local", *arguments)
    assert done.returncode == 0, done.stderr


def events(function: str) -> dict[str, dict[str, Any]]:
    """The saved events of a function, by case."""
    return {
        path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests/events" / function).glob("*.json"))
    }


def build(folder: Path, architecture: str) -> Path:
    """Builds the bundle in ``folder`` as ``make build`` does; returns the folder of its template."""
    try:
        interpreter.find()
    except SettingsError as error:
        pytest.skip(str(error))
    done = run("scripts/build", folder, "--no-cached", ARCHITECTURE=architecture)
    if done.returncode and any(reason in done.stdout + done.stderr for reason in UNREACHABLE):
        pytest.skip("the package registry cannot be reached, and its packages are not cached")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The built bundle for this machine's processor: ``template.yaml``, the functions and the layers."""
    folder = tmp_path_factory.mktemp("bundle")
    yield build(folder, HERE)
    shutil.rmtree(folder)  # pytest would keep 150 MB for each of the last three runs


@pytest.fixture(scope="session")
def stack(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The built bundle in its own account of the emulator."""
    folder = tmp_path_factory.mktemp("aws")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running_aws(folder, port) as cloud:
        yield deploy(cloud, bundle)
    shutil.rmtree(folder)  # pytest would keep the unpacked layers of each function


@pytest.fixture(scope="session")
def functions(bundle: Path) -> Mapping[str, Function]:
    """The built functions by logical id; they answer without a key, as the saved events have none."""
    open_ = {"LARDER_AUTHORIZATION": "NONE"}
    built = load(bundle / "template.yaml").functions.items()
    return {name: replace(function, environment={**function.environment, **open_}) for name, function in built}


@pytest.fixture(scope="session")
def image() -> None:
    """Docker, with the image of Lambda's Python 3.13."""
    try:
        docker("info")
    except LarderError as error:
        pytest.skip(f"no Docker daemon is running: {error}")
    if sys.platform != "linux":
        pytest.skip("the image is built from this machine's Python, and needs Linux")
    done = run("scripts/lambda-base-image")
    if "The functions need CPython" in done.stderr:
        pytest.skip(f"the image can neither be pulled nor built here: {done.stderr}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store: ``digits`` trained on a few of the demo's images, the toy ``shop``, and ``pets``.

    The release of pets is that of the events in tests/events/models.
    """
    folder = tmp_path_factory.mktemp("store")
    home = tmp_path_factory.mktemp("home")
    larder("demo", "digits", home / "digits")
    for label in "012":
        for image in sorted((home / "digits/train" / label).iterdir())[:30]:
            (home / "images" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(image, home / "images" / label)
    larder("train", "classifier", home / "images", "--model", "digits", "--out", home, "--backbone", "none")
    (release,) = home.glob("*/manifest.json")
    larder("publish", release.parent, "--store", folder.as_uri())
    (folder / "uploads").mkdir()
    shutil.copy(min((home / "images/1").iterdir()), folder / "uploads/1.png")
    _add_shop(folder, home)
    _add_pets(open_store(folder.as_uri()))
    return folder


def _add_shop(folder: Path, scratch: Path) -> None:
    (tables := scratch / "tables").mkdir()
    serving = TOY.write(tables)
    release = write_release(
        folder / "models/shop/releases",
        model="shop",
        kind="recommender",
        serving=serving,
        files={path.name: path for path in tables.iterdir()},
        evaluation={},
        training={},
        structure={},
    )
    (folder / pointer_key("shop")).write_bytes(dump_live(Pointer(release.name)))


def _add_pets(store: Store) -> None:
    files = {"model.onnx": bytes(range(200)), "report.html": b"<!doctype html><title>pets</title>"}
    serving = ClassifierServing("model.onnx", ImageSpec(64, 48), ("cat", "dog"), (0.5, 0.25), 1.5, 0.9)
    entries = {name: FileEntry(len(data), "b" * 64) for name, data in files.items()}
    manifest = Manifest("pets", "classifier", PETS, "2026-01-02T03:04:05Z", entries, serving)
    for name, data in {**files, "manifest.json": dump(manifest)}.items():
        store.put(file_key("pets", PETS, name), data)
    store.put(pointer_key("pets"), dump_live(Pointer(PETS)))


@pytest.fixture(scope="session")
def up(bundle: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The built functions over HTTP through Larder's gateway. ``digits`` answers protocols that name no model."""
    home = tmp_path_factory.mktemp("home")
    (home / ".larder").mkdir()
    (home / ".larder/store").symlink_to(store)
    with running(home, "--no-demo", "--built", str(bundle), LARDER_DEFAULT_CLASSIFIER="digits") as service:
        yield service


@pytest.fixture(scope="session")
def s3_environment(store: Path, s3_endpoint: str) -> Mapping[str, str]:
    """The environment for functions that use the same store in a bucket, which moto serves."""
    import boto3

    environment = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "toy",
        "AWS_SECRET_ACCESS_KEY": "toy",
        "LARDER_STORE": "s3://built-bundle",
    }
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="toy",
        aws_secret_access_key="toy",
    )
    client.create_bucket(Bucket="built-bundle")
    for path in store.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "built-bundle", path.relative_to(store).as_posix())
    return environment


def responses_of_the_source(
    name: str, function: Function, requests: Sequence[Mapping[str, Any]], environment: Mapping[str, str], cache: Path
) -> list[dict[str, Any]]:
    """The responses of the handler in functions/``name``, in a new process in the environment of the tests."""
    variables = {
        **os.environ,
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        **function.environment,
        **environment,
        "LARDER_CACHE_DIR": str(cache),
    }
    done = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", IN_PROCESS, str(ROOT / "functions" / name)],
        input=json.dumps(requests),
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    responses: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return responses


def document(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A response with its JSON body parsed, and without the signed URL, which differs each time."""
    headers = {name: value for name, value in answer["headers"].items() if name.lower() != "location"}
    is_json = headers.get("Content-Type") == "application/json"
    return {**answer, "headers": headers, "body": json.loads(answer["body"]) if is_json else answer["body"]}
