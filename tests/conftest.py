"""Fixtures for all tests: hypothesis settings, a valid manifest of each kind, and a local S3 server."""

import itertools
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from larder.release.manifest import FileEntry, Manifest
from larder.release.serving import ClassifierServing, ImageSpec, ProfileColumn, RecommenderServing, TableSpec

# The same examples on every machine, and no deadline: a slow machine must not fail a test.
settings.register_profile(
    "larder", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("larder")

# The same environment in every shell: README has users export LARDER_KEY, and some activate the virtual environment.
for name in [name for name in os.environ if name.startswith("LARDER_")]:
    del os.environ[name]
SCRIPTS = Path(sys.executable).parent.resolve()
os.environ["PATH"] = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).resolve() != SCRIPTS
)

ENTRY = FileEntry(3, "a" * 64)


@pytest.fixture
def classifier_manifest() -> Manifest:
    serving = ClassifierServing("model.onnx", ImageSpec(64, 48), ("cat", "dog"), (0.5, 0.25), 1.5, 0.9)
    files = {"model.onnx": ENTRY}
    return Manifest("pets", "classifier", "20260102t030405z-0a1b2c3d", "2026-01-02T03:04:05Z", files, serving)


@pytest.fixture
def recommender_manifest() -> Manifest:
    serving = RecommenderServing(
        items_file="items.safetensors",
        items=3,
        columns={"BRAND": "category", "PRICE": "number"},
        neighbours=TableSpec("neighbours.safetensors", 3, 2, 100),
        users=TableSpec("users.safetensors", 5, 4, 200),
        user_slots=3,
        segments=TableSpec("segments.safetensors", 2, 3, 150),
        segments_by=(("CITY", "AGE"), ("CITY",)),
        profile={"CITY": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0, 35.0))},
        weights={"user": 1.0, "session": 0.5, "segment": 0.125},
        session_decay=0.75,
        session_length=10,
    )
    names = ("items", "neighbours", "users", "segments")
    files = {f"{name}.safetensors": ENTRY for name in names}
    return Manifest("shop", "recommender", "20260102t030405z-0a1b2c3d", "2026-01-02T03:04:05Z", files, serving)


@dataclass(frozen=True)
class S3:
    """A local S3 server.

    Attributes:
        endpoint: Its URL.
        bucket: An empty bucket of this test.
        env: The environment variables with which a client process finds it. They are set in this process, too.
    """

    endpoint: str
    bucket: str
    env: Mapping[str, str]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of moto's server, started for the tests that need one and stopped after the last.

    S3 compares and writes in one step. Moto does not when two requests overlap, so this server handles them in turn.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def in_turn(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        with lock:
            return list(application(environ, start_response))

    server = make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


_bucket_numbers = itertools.count(1)


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    """S3 with a bucket of this test's own, and the environment that lets every client find it."""
    bucket = f"bucket-{next(_bucket_numbers)}"
    request = urllib.request.Request(f"{s3_endpoint}/{bucket}", data=b"", method="PUT")  # noqa: S310  # our own server
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # our own server
    env = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "toy",
        "AWS_SECRET_ACCESS_KEY": "toy",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return S3(s3_endpoint, bucket, env)


@pytest.fixture
def s3_url(s3: S3) -> str:
    """The URL of the store in that bucket."""
    return f"s3://{s3.bucket}"
