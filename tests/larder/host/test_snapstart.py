"""A function with SnapStart under AWS's runtime client: it renews what is stale before its first request.

The test is the Runtime API, and decides when the snapshot is restored.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.paths import ROOT

from larder.release.keys import file_key, pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, open_store

TOKEN = "toy-token"
INVOCATION = {  # the native part of the runtime client crashes if one is missing
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": "1",
    "Lambda-Runtime-Deadline-Ms": "9999999999999",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:recommend:1",
    "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
}


class Lambda(ThreadingHTTPServer):
    """The Runtime API and the credentials endpoint of one instance."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RequestHandler)
        self.snapshot_taken = threading.Event()
        self.restored = threading.Event()
        self.events: queue.Queue[dict[str, object]] = queue.Queue()
        self.answers: queue.Queue[dict[str, object]] = queue.Queue()
        self.credentials_requests = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class RequestHandler(BaseHTTPRequestHandler):
    """One request of the function's process."""

    server: Lambda

    def do_GET(self) -> None:
        if self.path.endswith("/restore/next"):
            self.server.snapshot_taken.set()
            self.server.restored.wait()
            self.reply(b"{}")
        elif self.path.endswith("/invocation/next"):
            event = self.server.events.get()
            self.reply(json.dumps(event).encode(), INVOCATION)
        elif self.headers["Authorization"] == TOKEN:
            self.server.credentials_requests += 1
            keys = {"AccessKeyId": "toy", "SecretAccessKey": "toy", "Token": "toy"}
            self.reply(json.dumps({**keys, "Expiration": "2126-01-01T00:00:00Z"}).encode())
        else:
            self.send_error(403)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answers.put(json.loads(body))
        self.reply(b"{}", status=202)

    def reply(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Log nothing."""


@pytest.fixture
def instance() -> Iterator[Lambda]:
    with Lambda() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.restored.set()
        server.events.put({})
        server.shutdown()
        thread.join()


def publish(store: Store, folder: Path, *, etag: str | None = None) -> str:
    """Uploads the release and makes it live; returns the ETag of the pointer."""
    for path in folder.iterdir():
        store.upload(file_key("shop", folder.name, path.name), path)
    return store.put(pointer_key("shop"), dump_pointer(Pointer(stable=folder.name)), etag=etag)


def test_the_first_response_after_a_restore_is_of_the_release_that_is_live_then(
    instance: Lambda, s3_url: str, s3_endpoint: str, write_shop: Callable[..., Path], tmp_path: Path
) -> None:
    # GIVEN a function that has loaded the live release, and its snapshot
    store = open_store(s3_url)
    old, new = (write_shop(created=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))
    etag = publish(store, old)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("layers/larder", "functions/recommend")),
        "AWS_LAMBDA_RUNTIME_API": instance.address,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{instance.address}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_REGION": "us-east-1",
        "LARDER_STORE": s3_url,
        "LARDER_CACHE_DIR": str(tmp_path / "cache"),
        "LARDER_CACHE_BYTES": "100000000",
        "LARDER_REFRESH_SECONDS": "3600",  # the pointer in the snapshot counts as fresh
        "LARDER_MAX_PIXELS": "1000000",
        "LARDER_AUTHORIZATION": "NONE",
    }
    process = subprocess.Popen([sys.executable, "-m", "awslambdaric", "app.handler"], env=environment)
    try:
        assert instance.snapshot_taken.wait(60)
        assert instance.credentials_requests == 1, "loaded before the snapshot, with the role's credentials"

        # WHEN another release goes live before the instance is restored
        publish(store, new, etag=etag)
        instance.restored.set()
        path = "/v1/models/shop/recommend"
        instance.events.put(
            {
                "version": "2.0",
                "routeKey": f"GET {path}",
                "rawPath": path,
                "headers": {},
                "queryStringParameters": {"user": "ada"},
                "pathParameters": {"model": "shop"},
                "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
                "isBase64Encoded": False,
            }
        )
        answer = instance.answers.get(timeout=60)
    finally:
        process.kill()
        process.wait()

    # THEN its first response is of the new release, with new credentials
    assert json.loads(str(answer["body"]))["release"] == new.name
    assert instance.credentials_requests == 2


@pytest.mark.parametrize("function", ["classify", "recommend"])
@pytest.mark.parametrize(("initialization", "hooks"), [("snap-start", 2), ("on-demand", 0)])
def test_both_functions_with_snapshots_register_for_renewal(function: str, initialization: str, hooks: int) -> None:
    # models, and keys
    code = "import app; from snapshot_restore_py import get_after_restore as hooks; print(len(hooks()))"
    paths = [str(ROOT / folder) for folder in ("layers/larder", f"functions/{function}")]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "AWS_LAMBDA_INITIALIZATION_TYPE": initialization}
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert int(process.stdout) == hooks
