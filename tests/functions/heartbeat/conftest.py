"""The function of the heartbeat, and the HTTP API that it asks: the template's routes and the real handlers."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.paths import ROOT
from tests.toys.rollout import classifier, golden_classifier, golden_recommender, recommender, store

from heartbeat import app
from larder.rollout import roll_out, upload
from larder.store import Store
from larder_local.gateway.event import HttpRequest, decode, encode
from larder_local.gateway.routes import find
from larder_local.gateway.template import load

__all__ = ["classifier", "golden_classifier", "golden_recommender", "recommender", "store"]
FUNCTIONS = ("classify", "recommend", "models")


@dataclass
class Api:
    """The API as the heartbeat reaches it.

    Attributes:
        url: Its address.
        requests: What arrived.
        reply: While it is set, every request gets this status and body.
        before: Called before each request is answered.
    """

    url: str = ""
    requests: list[HttpRequest] = field(default_factory=list)
    reply: tuple[int, bytes] | None = None
    before: Callable[[], None] = lambda: None

    def answer(self, request: HttpRequest) -> tuple[int, bytes]:
        self.requests.append(request)
        self.before()
        if self.reply is not None:
            return self.reply
        match = find(ROUTES, request.method, request.path)
        assert match is not None, request.path
        route, variables = match
        module = import_module(f"{route.function.removesuffix('Function').lower()}.app")
        event = json.loads(encode(request, route, variables, "request-1"))
        response = decode(json.dumps(module.handler(event, None)).encode())
        return response.status, response.body

    def headers(self, number: int = -1) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.requests[number].headers}


ROUTES = load(ROOT / "template.yaml").routes


@pytest.fixture
def api(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API over HTTP, for callers with keys."""
    settings = {"STORE": store.url, "CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000"}
    settings |= {"REFRESH_SECONDS": "0", "MAX_PIXELS": "1000", "AUTHORIZATION": "KEYS", "HEARTBEAT_MINUTES": "5"}
    served = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path, _, query = self.path.partition("?")
            call = HttpRequest(self.command, path, query, list(self.headers.items()), body, "127.0.0.1")
            status, data = served.answer(call)
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        for name, value in {**settings, "API_URL": served.url}.items():
            monkeypatch.setenv(f"LARDER_{name}", value)
        for name in FUNCTIONS:
            import_module(f"{name}.app").service.reset()
        app.service.reset()
        yield served
        server.shutdown()
    for name in FUNCTIONS:
        import_module(f"{name}.app").service.reset()
    app.service.reset()


@pytest.fixture
def live(store: Store) -> Callable[[Path], str]:
    """Makes the release of a folder live, and returns its name."""

    def publish(folder: Path) -> str:
        manifest = upload(folder, store).manifest
        roll_out(store, manifest.model, manifest.release, gate=False)
        return manifest.release

    return publish


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str | None, dict[str, Any]]:
    """The heartbeat's lines by model; those of the functions that it asks have a route."""
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line.get("model"): line for line in printed if "route" not in line}
