"""The credentials of a function with SnapStart."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from larder.errors import StoreError
from larder.store import open_store
from larder.store.credentials import container_credentials

TOKEN = "toy-token"


@contextmanager
def credentials(expiration: Callable[[], str]) -> Iterator[tuple[str, list[str | None]]]:
    """The address of an endpoint that returns credentials for the token, and the tokens that it received."""
    tokens: list[str | None] = []

    class RequestHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            keys = {"AccessKeyId": "toy", "SecretAccessKey": "toy", "Token": "toy", "Expiration": expiration()}
            self.send_response(200 if tokens[-1] == TOKEN else 403)
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), RequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/credentials", tokens
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x"},
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            "AWS_ACCESS_KEY_ID": "toy",
        },
    ],
)
def test_elsewhere_credentials_come_from_the_environment(environment: dict[str, str]) -> None:
    assert container_credentials(environment) is None


def from_address(monkeypatch: pytest.MonkeyPatch, address: str, token: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)


def test_credentials_are_requested_once_while_they_are_valid(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with credentials(lambda: "2126-01-01T00:00:00Z") as (address, tokens):
        from_address(monkeypatch, address, TOKEN)
        store = open_store(s3_url)
        store.put("a", b"1")
        assert store.get("a").data == b"1"
        assert tokens == [TOKEN]

        store.reconnect()
        assert store.get("a").data == b"1"
        assert tokens == [TOKEN, TOKEN]


def test_expired_credentials_are_requested_again(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with credentials(lambda: "2026-01-01T00:00:00Z") as (address, tokens):
        from_address(monkeypatch, address, TOKEN)
        store = open_store(s3_url)
        store.put("a", b"1")
        store.get("a")
        assert tokens == [TOKEN, TOKEN]


def test_a_refusal_is_a_store_error(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with credentials(lambda: "2126-01-01T00:00:00Z") as (address, _):
        from_address(monkeypatch, address, "another")
        with pytest.raises(StoreError):
            open_store(s3_url).get("a")


def test_a_folder_and_memory_keep_their_objects_after_reconnecting(tmp_path: object) -> None:
    for url in (f"file://{tmp_path}", "memory://"):
        store = open_store(url)
        store.put("a", b"1")
        store.reconnect()
        assert store.get("a").data == b"1"
