"""Calls of AWS: connections that break, endpoints that stall, throttle or refuse, and credentials that change."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.larder.auth.requests import ToyRequest

from larder.auth.signatures import sigv4
from larder.errors import StoreError
from larder.events.aws.api import AwsApi, AwsRefusal
from larder.events.aws.connections import Connections

Answer = Callable[[int], "tuple[int, bytes] | None"]


class Endpoint:
    """A server that answers as it is asked to.

    Attributes:
        url: Its URL.
        requests: What it received.
        connections: How many connections it accepted.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[ToyRequest] = []
        self.connections = 0


@contextmanager
def endpoint(answer: Answer) -> Iterator[Endpoint]:
    """An endpoint that answers request ``n`` with ``answer(n)``, and closes its connection without one for None."""
    received = Endpoint("")

    class RequestHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            received.connections += 1

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            received.requests.append(ToyRequest("POST", self.path, "", headers, body))
            reply = answer(len(received.requests))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply[0])
            self.send_header("Content-Length", str(len(reply[1])))
            self.end_headers()
            self.wfile.write(reply[1])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), RequestHandler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        received.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


def opened(url: str, monkeypatch: pytest.MonkeyPatch) -> AwsApi:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    return AwsApi.open("dynamodb", "DynamoDB_20120810")


def test_calls_are_signed_and_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(lambda _: (200, b'{"a":1}')) as server:
        api = opened(server.url, monkeypatch)
        api.connect()
        assert [api.call("GetItem", {"é": "ü"}, seconds=5) for _ in range(3)] == [{"a": 1}] * 3
        # WHEN Lambda renews the credentials THEN the next call has them
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "renewed-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        api.call("GetItem", {}, seconds=5)
    assert server.connections == 1
    for request, secret in zip(server.requests, ["toy"] * 3 + ["renewed-secret"], strict=True):
        assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
        signature = sigv4.read_header(request)
        assert signature.scope[1:] == ("us-east-1", "dynamodb")
        assert sigv4.verifies(signature, request, secret)
    assert server.requests[-1].headers["x-amz-security-token"] == "token"


def test_a_kept_connection_that_was_closed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an endpoint that closes a kept connection instead of answering the second request
    with endpoint(lambda number: None if number == 2 else (200, b"{}")) as server:
        api = opened(server.url, monkeypatch)
        for _ in range(3):
            assert api.call("GetItem", {}, seconds=5) == {}
    assert (server.connections, len(server.requests)) == (2, 4)


def test_a_new_connection_that_breaks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(lambda _: None) as server:
        with pytest.raises(StoreError, match=r"127\.0\.0\.1 is not available \(RemoteDisconnected\)"):
            opened(server.url, monkeypatch).call("GetItem", {}, seconds=5)
        assert len(server.requests) == 1


def test_threads_have_connections_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_: int) -> tuple[int, bytes]:
        time.sleep(0.01)
        return 200, b"{}"

    with endpoint(answer) as server:
        api = opened(server.url, monkeypatch)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: api.call("GetItem", {}, seconds=5), range(80))) == [{}] * 80
    assert len(server.requests) == 80
    assert server.connections <= 8


def test_the_time_includes_connecting_and_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an endpoint that accepts and never answers, and one that does not even accept
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = opened(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        with pytest.raises(StoreError, match="no response in time"):
            api.call("GetItem", {}, seconds=0.05)
    with pytest.raises(StoreError, match="ConnectionRefusedError"):
        api.call("GetItem", {}, seconds=5)
    with pytest.raises(StoreError, match="ConnectionRefusedError"):
        api.connect()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"), (500, "InternalServerError")],
)
def test_throttled_calls_are_sent_again_in_their_time(monkeypatch: pytest.MonkeyPatch, status: int, error: str) -> None:
    refusal = status, json.dumps({"__type": error, "message": "secret"}).encode()
    with endpoint(lambda number: refusal if number < 3 else (200, b"{}")) as server:
        assert opened(server.url, monkeypatch).call("UpdateItem", {}, seconds=5) == {}
        assert len(server.requests) == 3
    with endpoint(lambda _: refusal) as server:
        with pytest.raises(AwsRefusal, match=rf"refused GetItem \({error.rpartition('#')[2]}\)") as raised:
            opened(server.url, monkeypatch).call("GetItem", {}, seconds=5, again=False)
        assert len(server.requests) == 1
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, b'{"__type":"x#AccessDeniedException"}', "refused GetItem (AccessDeniedException): allow the operation"),
        (400, b'{"__type":"x#ResourceNotFoundException"}', "check the table in LARDER_EVENTS_STORE"),
        (400, b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}', "check LARDER_EVENTS_QUEUE"),
        (400, b'{"__type":"AWS.SimpleQueueService.NonExistentQueue"}', "(NonExistentQueue)"),
        (403, b"<html>", "(HTTP 403)"),
        (400, b"[]", "(HTTP 400)"),
        (200, b"<html>", "returned no JSON"),
        (200, b"[]", "another document than an object"),
    ],
)
def test_refusals_say_what_to_do(monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, message: str) -> None:
    with endpoint(lambda _: (status, body)) as server, pytest.raises(StoreError) as raised:
        opened(server.url, monkeypatch).call("GetItem", {}, seconds=5)
    assert message in str(raised.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://dynamodb.us-east-1.amazonaws.com", "http://10.0.0.1", "ftp://localhost", "localhost:80", "https://"]
)
def test_only_this_machine_is_reached_without_tls(url: str) -> None:
    with pytest.raises(StoreError, match="is not an endpoint of AWS"):
        Connections(url)


def test_aws_has_an_endpoint_in_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    hosts = {}
    for region in ("eu-central-1", "cn-north-1"):
        monkeypatch.setenv("AWS_REGION", region)
        hosts[region] = AwsApi.open("dynamodb", "t").host
    assert hosts == {
        "eu-central-1": "dynamodb.eu-central-1.amazonaws.com",
        "cn-north-1": "dynamodb.cn-north-1.amazonaws.com.cn",
    }
    monkeypatch.setenv("AWS_REGION", "evil.example/")
    with pytest.raises(StoreError, match=r"AWS_REGION is 'evil\.example/'"):
        AwsApi.open("dynamodb", "t")


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID"):
        opened("http://127.0.0.1:1", monkeypatch).call("GetItem", {}, seconds=5)
