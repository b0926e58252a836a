"""Two servers on this machine: the whole service with two toy models, and a scripted HTTP server.

``service`` is the local gateway with real worker processes and the toy store of tests/openapi. ``scripted`` sends the
replies that a test queues, and records the requests. It stands for a service that fails.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.larder_local.conftest import serving
from tests.openapi.conftest import image, store  # noqa: F401  fixtures that tests here use too
from tests.paths import ROOT

from larder_client import Client, Retry
from larder_local.gateway.template import load
from larder_local.local_service import with_local_settings
from larder_local.workspace import Workspace


@pytest.fixture(scope="session")
def service(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811  the fixture above
    """The URL of the whole service, with both toy models live."""
    folder = Workspace(tmp_path_factory.mktemp("service"))
    shutil.copytree(store, folder.root / "store")
    template = with_local_settings(load(ROOT / "template.yaml"), folder, {"LARDER_AUTHORIZATION": "NONE"})
    with serving(folder.logs, workers=1, template=template) as gateway:
        yield f"http://127.0.0.1:{gateway.port}"


@pytest.fixture
def client(service: str) -> Iterator[Client]:
    with Client(service) as opened:
        yield opened


@dataclass(frozen=True)
class Arrival:
    """A received request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """A response to send. ``length`` replaces the length of the body, to announce more bytes than are sent."""

    status: int = 200
    document: object = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    length: int | None = None
    hang_up: bool = False
    read_body: bool = True
    wait: threading.Event | None = None

    def content(self) -> bytes:
        return json.dumps(self.document).encode() if self.body is None else self.body


@dataclass
class Scripted:
    """A server that sends ``replies`` in order, repeats the last one, and records each request in ``arrivals``."""

    url: str
    replies: list[Reply] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def client(self, **options: object) -> Client:
        """A client of this server that does not wait between attempts."""
        return Client(self.url, **{"retries": Retry(sleep=lambda _: None), **options})  # type: ignore[arg-type]  # any


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    """Runs a server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def answer(self) -> None:
            reply = script.next()
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length) if reply.read_body else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.arrivals.append(Arrival(self.command, self.path, headers, body, self.client_address))
            if reply.wait:
                reply.wait.wait(30)
            if reply.hang_up:
                self.close_connection = True
                return
            content = reply.content()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(content) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(content)
            if reply.length is not None or not reply.read_body:
                self.close_connection = True

        do_GET = do_POST = do_CONNECT = answer  # noqa: N815  http.server calls these names

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignores broken connections, which some tests cause."""

    server = Server(("127.0.0.1", 0), Handler)
    script = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script
