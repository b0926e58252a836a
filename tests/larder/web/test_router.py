"""Events in, answers out: bodies, errors and the log line, with a handler of the test's own."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from larder.errors import LarderError, NotFound, SettingsError, StoreError
from larder.release.manifest import Manifest
from larder.web import router
from larder.web.resolver import APIGatewayHttpResolver


@dataclass
class Context:
    aws_request_id: str = "request-1"


def event(
    *, body: str | None = None, encoded: bool = False, headers: dict[str, str] | None = None, path: str = "/try/one"
) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "POST /try/{name}",
        "rawPath": path,
        "rawQueryString": "user=secret-user",
        "headers": headers or {},
        "queryStringParameters": {"user": "secret-user"},
        "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default", "requestId": "x"},
        "body": body,
        "isBase64Encoded": encoded,
    }


def ask(function: Callable[[APIGatewayHttpResolver], object], asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    """The status, parsed JSON body and headers of one request to a router whose route calls ``function``."""
    app = router.router()
    app.post("/try/<name>")(lambda name: router.reply({"name": name, "value": function(app)}))
    answer = router.logged(app, asked, Context())
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def raising(error: Exception) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise error

    return fail


def test_a_base64_body_is_decoded_and_a_text_body_is_utf8() -> None:
    for asked in (event(body="é"), event(body=base64.b64encode("é".encode()).decode(), encoded=True)):
        assert ask(lambda app: router.body(app).decode(), asked)[1]["value"] == "é"
    assert ask(lambda app: len(router.body(app)), event())[1]["value"] == 0


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "3", '{"n": NaN}', '{"n": -Infinity}', "", "[" * 50_000, r'{"\ud800": 1}', r'{"n": ["\uDFFF\uD800"]}'],
)
def test_wrong_json_is_a_400_that_says_what_to_send(body: str) -> None:
    status, document, _ = ask(router.json_body, event(body=body))
    assert (status, document["error"]["code"]) == (400, "invalid_request")
    assert "send" in document["error"]["message"]


@pytest.mark.parametrize("body", [b'{"\xed\xa0\x80": 1}', b'{"\xff": 1}', '{"n": 1}'.encode("utf-16")])
def test_json_in_another_encoding_than_utf8_is_a_400(body: bytes) -> None:
    status, document, _ = ask(router.json_body, event(body=base64.b64encode(body).decode(), encoded=True))
    assert (status, document["error"]["code"]) == (400, "invalid_request")
    assert "UTF-8" in document["error"]["message"]


def test_json_may_escape_a_whole_pair_and_begin_with_a_byte_order_mark() -> None:
    assert ask(router.json_body, event(body=r'{"n": "\ud83d\ude00"}'))[1]["value"] == {"n": "\U0001f600"}
    assert ask(router.json_body, event(body='\ufeff{"n": 1}'))[1]["value"] == {"n": 1}


def test_wrong_base64_is_a_400() -> None:
    assert ask(router.body, event(body="%%%", encoded=True))[0] == 400


@pytest.mark.parametrize(
    ("error", "status", "code", "told"),
    [
        (NotFound("There is no model 'x'."), 404, "not_found", "There is no model 'x'."),
        (StoreError("The store did not answer: try again."), 503, "store_unavailable", "try again"),
        (SettingsError("Bad.", ["LARDER_STORE is missing"]), 500, "invalid_settings", "its log says why"),
        (LarderError("/secret/path"), 500, "internal", "its log says why"),
        (KeyError("secret-user"), 500, "internal", "its log says why"),
    ],
)
def test_errors_have_their_status_and_tell_no_secret(
    error: Exception, status: int, code: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answered, document, _ = ask(raising(error), event())
    assert (answered, document["error"]["code"]) == (status, code)
    assert told in document["error"]["message"]
    assert "secret" not in json.dumps(document)
    assert "Traceback" not in json.dumps(document)
    assert "secret-user" not in capsys.readouterr().out


@pytest.mark.parametrize("error", [SettingsError("Bad.", ["LARDER_STORE is missing"]), LarderError("LARDER_STORE")])
def test_what_a_caller_is_not_told_the_log_says(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    ask(raising(error), event())
    told, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (told["level"], told["error"]) == ("ERROR", type(error).__name__)
    assert "LARDER_STORE" in told["message"]


def test_an_unexpected_error_is_logged_with_its_frames(capsys: pytest.CaptureFixture[str]) -> None:
    ask(raising(ZeroDivisionError("secret-user")), event())
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert logged[0]["error"] == "ZeroDivisionError"
    assert any("in fail" in frame for frame in logged[0]["at"])


def test_an_unknown_route_is_a_404_in_the_same_form() -> None:
    status, document, _ = ask(lambda _: 1, event(path="/nowhere"))
    assert (status, document["error"]["code"]) == (404, "not_found")
    assert "/openapi.json" in document["error"]["message"]


def test_one_log_line_tells_route_status_and_time_and_nobody(
    capsys: pytest.CaptureFixture[str], classifier_manifest: Manifest
) -> None:
    app = router.router()
    app.post("/try/<name>")(lambda name: router.reply({"name": name}, manifest=classifier_manifest))
    answer = router.logged(app, event(headers={"x-forwarded-for": "192.0.2.1"}), Context())
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["route"] == "POST /try/{name}"
    assert (record["model"], record["release"]) == ("pets", classifier_manifest.release)
    assert (record["status"], record["request"]) == (200, "request-1")
    assert record["ms"] >= 0
    assert not any(secret in line for secret in ("secret-user", "192.0.2.1", "one"))
    assert answer["headers"]["x-larder-release"] == classifier_manifest.release


def test_headers_name_release_and_caller() -> None:
    headers = {"content-type": "Image/JPEG; q=1", "x-larder-release": "r1", "x-larder-key": "k"}
    found = ask(
        lambda app: [router.content_type(app), router.requested_release(app), router.caller_key(app)],
        event(headers=headers),
    )
    assert found[1]["value"] == ["image/jpeg", "r1", "k"]
    assert ask(lambda app: [router.requested_release(app), router.caller_key(app)], event())[1]["value"] == [None, None]


def test_a_misspelt_parameter_is_told() -> None:
    status, document, _ = ask(lambda _: router.allow_only({"usr": 1}, {"user", "n"}, "parameter"), event())
    assert status == 400
    assert document["error"]["message"] == "'usr' is no parameter here: use n, user."
    _, document, _ = ask(lambda _: router.allow_only({"usr": 1}, (), "parameter"), event())
    assert document["error"]["message"] == "'usr' is no parameter here: this route takes no parameters."
