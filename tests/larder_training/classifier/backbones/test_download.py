import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder_training.classifier.backbones.download import cache_folder
from larder_training.classifier.backbones.locate import locate_backbone
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
DATA = b"a backbone" * 1000
DIGEST = sha256(DATA).hexdigest()


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/short.onnx":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
        elif self.path == "/chunked.onnx":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"64\r\nonly this")
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files/net.onnx").write_bytes(DATA)
    handler = type("Handler", (_Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "files"))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_url_is_fetched_once_and_its_digest_told(server: str, asked: list[str]) -> None:
    for _ in range(2):
        located = locate_backbone(f"{server}/net.onnx", QUIET)
        assert located.path.read_bytes() == DATA
        assert located.description == {"url": f"{server}/net.onnx", "sha256": DIGEST}
    assert asked == ["/net.onnx"]


def test_other_bytes_than_the_digest_in_the_url_are_refused(server: str) -> None:
    assert locate_backbone(f"{server}/net.onnx#sha256={DIGEST}", QUIET).description["sha256"] == DIGEST
    with pytest.raises(InvalidRequest, match=f"SHA-256 is {DIGEST}, not 00ff"):
        locate_backbone(f"{server}/net.onnx#sha256=00ff", QUIET)
    assert not list(cache_folder().rglob("*.onnx"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.onnx", "404"),
        ("short.onnx", "9 of the backbone's 100 bytes"),
        ("chunked.onnx", "IncompleteRead"),
        ("my net.onnx", "can't contain control characters"),
    ],
)
def test_what_does_not_come_whole_is_not_kept(server: str, name: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        locate_backbone(f"{server}/{name}", QUIET)
    assert not [path for path in cache_folder().rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[x/net.onnx", "'http://\\[x/net.onnx' is not a valid URL: Invalid IPv6 URL"),
        ("//[x/net.onnx", "is not a valid URL"),
        ("http://a..b/net.onnx", "cannot be downloaded from http://a..b/net.onnx: .*Check the URL"),
        ("http://localhost:port/net.onnx", "nonnumeric port"),
        ("ftp://localhost/net.onnx", "cannot be downloaded by ftp"),
    ],
)
def test_an_invalid_url_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, message: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InvalidRequest, match=message):
        locate_backbone(url, QUIET)
