"""The gateway on real sockets, with AWS's runtime client in real worker processes."""

import gzip
import http.client
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.larder_local.conftest import LINUX, Served, processes_left, read, serving

from larder.errors import SettingsError
from larder_local.gateway.event import failure

FAILED, UNAVAILABLE, LOST, TOO_LARGE, NO_ROUTE = (failure(status).body for status in (500, 503, 502, 413, 404))


def test_a_handler_gets_the_event_its_layer_and_the_environment_of_lambda(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_FOR_HANDLERS", "secret")

    answer = served.call("GET", "/things/a%2Fb?x=1&x=2", headers={"X-A": "b", "Cookie": "c=d"})

    seen = json.loads(answer.body)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.header("apigw-requestid") == seen["event"]["requestContext"]["requestId"]
    assert (seen["event"]["routeKey"], seen["event"]["pathParameters"]) == ("GET /things/{thing}", {"thing": "a/b"})
    assert (seen["event"]["headers"]["x-a"], seen["event"]["cookies"]) == ("b", ["c=d"])
    assert (seen["greeting"], seen["secret"]) == ("from the layer", None)
    assert seen["folder"] == seen["environment"]["LAMBDA_TASK_ROOT"]
    assert seen["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "Echo"
    assert seen["environment"]["STORE"] == "s3://Bucket/test"
    assert (seen["memory"], seen["arn"].rpartition(":")[2]) == ("256", "Echo")
    assert 0 < seen["left"] <= 3000


def test_an_unknown_route_is_404(served: Served) -> None:
    for method, path in [("GET", "/"), ("GET", "/nothing"), ("POST", "/things/exact"), ("OPTIONS", "/things/exact")]:
        answer = served.call(method, path)
        assert (answer.status, answer.body) == (404, NO_ROUTE)


def test_a_line_break_in_a_path_is_matched_like_any_character(served: Served) -> None:
    answer = served.call("GET", "/no%0Athing")
    assert (answer.status, answer.body) == (404, NO_ROUTE)
    assert json.loads(served.call("GET", "/things/a%0Ab").body)["event"]["pathParameters"] == {"thing": "a\nb"}


def test_any_matches_every_method_and_head_has_no_body(served: Served) -> None:
    assert json.loads(served.call("OPTIONS", "/rest/a/b").body)["event"]["pathParameters"] == {"proxy": "a/b"}
    head = served.call("HEAD", "/rest/a")
    assert (head.status, head.body) == (200, b"")


def test_bytes_pass_unchanged_in_both_directions(served: Served) -> None:
    answer = served.call("GET", "/lab/bytes")
    assert (answer.status, answer.body) == (201, bytes(range(256)))
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]

    packed = gzip.compress(b"text" * 100)
    sent = served.call("POST", "/lab/length", packed, {"content-type": "text/plain", "content-encoding": "gzip"})
    assert sent.body == str(len(packed)).encode()


def test_request_limits_of_lambda_and_api_gateway(served: Served) -> None:
    """Base64 makes 4 bytes of 3: 4.5 MB fit into Lambda's 6 MB, 4.8 MB do not. As text, nearly 6 MB fit."""
    assert served.call("POST", "/lab/length", bytes(4_500_000)).body == b"4500000"
    assert served.call("POST", "/lab/length", b"x" * 6_200_000, {"content-type": "text/plain"}).body == b"6200000"
    for length in (4_800_000, 10_000_000, 10 * 2**20 + 1):
        answer = served.call("POST", "/lab/length", bytes(length))
        assert (answer.status, answer.body) == (413, TOO_LARGE)


def test_a_chunked_body_has_the_same_limit(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request(
        "POST",
        "/lab/length",
        (bytes(2**16) for _ in range(3)),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert read(connection).body == str(3 * 2**16).encode()
    connection.close()

    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request(
        "POST",
        "/lab/length",
        (bytes(2**20) for _ in range(11)),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert read(connection).status == 413
    connection.close()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 30) as connection:
        connection.sendall(
            b"POST /lab/length HTTP/1.1\r\nHost: a\r\nContent-Length: 11000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 413"
    with socket.create_connection(("127.0.0.1", served.port), 30) as connection:
        connection.sendall(b"POST /lab/length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_response_over_the_limit_of_lambda_fails_and_the_next_request_does_not(served: Served) -> None:
    assert len(served.call("GET", "/lab/long?bytes=6000000").body) == 6_000_000
    answer = served.call("GET", "/lab/long?bytes=6300000")
    assert (answer.status, answer.body) == (500, FAILED)
    assert served.call("GET", "/lab/pid").status == 200


def test_a_handler_that_raises_fails_one_request_without_details(served: Served) -> None:
    before = served.call("GET", "/lab/pid").body

    answer = served.call("GET", "/lab/raise")

    assert (answer.status, answer.body) == (500, FAILED)
    assert served.call("GET", "/lab/pid").body == before, "the worker goes on"
    assert "a handler's own secret" in (served.logs / "Lab.log").read_text()


def test_a_worker_that_crashes_loses_one_request_and_is_replaced(served: Served) -> None:
    before = served.call("GET", "/lab/pid").body

    answer = served.call("GET", "/lab/crash")
    assert (answer.status, answer.body, answer.header("content-type")) == (502, LOST, "application/json")

    after = served.call("GET", "/lab/pid")
    assert after.status == 200
    assert after.body != before


@LINUX
def test_a_killed_worker_loses_its_current_request_only(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as gateway, ThreadPoolExecutor(8) as callers:
        victim = int(gateway.call("GET", "/lab/pid").body)
        calls = [callers.submit(gateway.call, "GET", "/lab/sleep?seconds=0.5") for _ in range(8)]
        time.sleep(0.2)
        os.kill(victim, signal.SIGKILL)
        answers = [call.result(60) for call in calls]

    assert sorted(answer.status for answer in answers) == [200] * 7 + [502]
    assert next(answer.body for answer in answers if answer.status == 502) == LOST


def test_a_function_s_time_out_stops_its_worker(served: Served) -> None:
    answer = served.call("GET", "/lab/sleep?seconds=60")

    assert (answer.status, answer.body) == (500, FAILED)
    assert served.call("GET", "/lab/pid").status == 200


def test_the_gateway_s_time_out_is_503_and_stops_the_worker(tmp_path: Path) -> None:
    with serving(tmp_path, workers=1, timeout=0.5) as gateway:
        before = gateway.call("GET", "/lab/pid").body
        answer = gateway.call("GET", "/lab/sleep?seconds=1.9")
        assert (answer.status, answer.body) == (503, UNAVAILABLE)
        assert gateway.call("GET", "/lab/pid").body != before


def test_a_handler_that_does_not_load_fails_at_once_and_is_not_restarted_for_each_request(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as gateway:
        answers = [gateway.call("GET", "/broken") for _ in range(20)]
        assert {(answer.status, answer.body) for answer in answers} == {(500, FAILED)}
        assert gateway.call("GET", "/lab/pid").status == 200, "the other functions answer"
        assert (tmp_path / "Broken.log").read_text().count("broken on purpose") < 5


def test_concurrent_requests_start_workers_and_each_has_one_request_at_a_time(tmp_path: Path) -> None:
    with serving(tmp_path, workers=3) as gateway, ThreadPoolExecutor(6) as callers:
        alone = {gateway.call("GET", "/lab/sleep?seconds=0").body for _ in range(5)}
        together = list(callers.map(lambda _: gateway.call("GET", "/lab/sleep?seconds=0.8"), range(6)))

    assert len(alone) == 1
    assert {answer.status for answer in together} == {200}
    assert len({answer.body for answer in together}) == 3


def test_a_connection_is_kept_alive(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/lab/pid")
    read(connection)
    socket_before = connection.sock
    for path, status in [("/nothing", 404), ("/lab/raise", 500), ("/lab/pid", 200)]:
        connection.request("GET", path)
        assert read(connection).status == status
    assert connection.sock is socket_before
    connection.close()


def test_the_error_for_a_taken_port_names_the_variable(served: Served, tmp_path: Path) -> None:
    import asyncio

    from larder_local.gateway.server import Gateway
    from larder_local.gateway.template import load

    async def start() -> None:
        gateway = Gateway(load(Path(__file__).parent / "service" / "template.yaml"), logs=tmp_path, workers=1)
        try:
            await gateway.start(served.port)
        finally:
            await gateway.close()

    with pytest.raises(SettingsError, match="LARDER_PORT"):
        asyncio.run(start())


def test_the_access_log_names_the_route_and_not_the_path(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="larder.access"):
        served.call("GET", "/things/alice?user=bob")
        served.call("GET", "/no/alice")

    assert "GET /things/{thing} 200" in caplog.text
    assert "- 404" in caplog.text
    assert "alice" not in caplog.text
    assert "bob" not in caplog.text


@pytest.mark.parametrize("rest", [b"a" * 20_000 + b" HTTP/1.1", b" HTTP/1.1\r\nHost: a\r\nX: a\0", b" HTTP/9"])
def test_malformed_http_is_logged_in_one_line_without_its_text(
    served: Served, caplog: pytest.LogCaptureFixture, rest: bytes
) -> None:
    with caplog.at_level("INFO"), socket.create_connection(("127.0.0.1", served.port), 30) as connection:
        connection.sendall(b"GET /things/exact?user=alice" + rest + b"\r\n\r\n")
        assert connection.recv(12).endswith(b" 400")
    assert "alice" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 9\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"Content-Length: 9\r\n\r\n"],
)
def test_a_connection_closed_during_a_body_is_logged_without_a_stack_trace(
    served: Served, caplog: pytest.LogCaptureFixture, head: bytes
) -> None:
    with caplog.at_level("INFO"):
        with socket.create_connection(("127.0.0.1", served.port), 30) as connection:
            connection.sendall(b"POST /lab/length?user=alice HTTP/1.1\r\nHost: a\r\n" + head)
        deadline = time.monotonic() + 20
        while " 400 " not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)

    assert "ANY /lab/{action} 400" in caplog.text
    assert "Traceback" not in caplog.text
    assert served.call("GET", "/lab/pid").status == 200


def test_requests_are_refused_if_all_workers_are_busy_and_the_queue_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("larder_local.gateway.pool._LONGEST_QUEUE", 2)
    with serving(tmp_path, workers=1) as gateway, ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: gateway.call("GET", "/lab/sleep?seconds=1"), range(8)))

    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] * 3 + [503] * 5


@LINUX
def test_workers_that_are_idle_for_long_are_stopped_except_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("larder_local.gateway.server._RETIRE_SECONDS", 0.05)
    monkeypatch.setattr("larder_local.gateway.pool._IDLE_SECONDS", 0.5)
    with serving(tmp_path, workers=2) as gateway, ThreadPoolExecutor(4) as callers:
        answers = callers.map(lambda _: gateway.call("GET", "/lab/sleep?seconds=0.5"), range(4))
        workers = {int(answer.body) for answer in answers}
        left = processes_left(workers, 1)
        survivor = int(gateway.call("GET", "/lab/sleep?seconds=0").body)

    assert len(workers) == 2
    assert left == {survivor}
