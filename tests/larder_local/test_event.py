"""HTTP to payload format 2.0 and back."""

import base64
import json
from typing import Any

import pytest

from larder_client.errors import api_error
from larder_local.gateway.event import MAX_EVENT, HttpRequest, decode, encode, failure
from larder_local.gateway.routes import Route

ROUTE = Route("POST", "/things/{thing}", "F")


def event(
    *, path: str = "/things/1", query: str = "", headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> dict[str, Any]:
    call = HttpRequest("POST", path, query, [("Host", "example.test:8080"), *(headers or [])], body, "127.0.0.1")
    document: dict[str, Any] = json.loads(encode(call, ROUTE, {"thing": "1"}, "an-id=", now=1_583_348_638.39))
    return document


def test_the_request_context() -> None:
    context = event(headers=[("User-Agent", "curl/8")])["requestContext"]

    assert context["http"] == {
        "method": "POST",
        "path": "/things/1",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl/8",
    }
    assert (context["time"], context["timeEpoch"]) == ("04/Mar/2020:19:03:58 +0000", 1_583_348_638_390)
    assert (context["routeKey"], context["stage"], context["requestId"]) == (
        "POST /things/{thing}",
        "$default",
        "an-id=",
    )
    assert context["domainName"] == "example.test"


def test_the_path_is_decoded_and_the_query_string_is_not() -> None:
    document = event(path="/things/a%2Fb%20%E4%B8%AD", query="x=1%2C2&y=%20&x=3&z")

    assert document["rawPath"] == "/things/a/b 中"
    assert document["rawQueryString"] == "x=1%2C2&y=%20&x=3&z"
    assert document["queryStringParameters"] == {"x": "1,2,3", "y": " ", "z": ""}
    assert document["pathParameters"] == {"thing": "1"}


def test_headers_are_lower_case_and_joined_and_cookies_are_separate() -> None:
    document = event(
        headers=[("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1; b=2"), ("Connection", "close"), ("Cookie", "c=3")]
    )

    assert document["headers"]["x-a"] == "1,2"
    assert document["cookies"] == ["a=1", "b=2", "c=3"]
    assert not {"cookie", "connection"} & set(document["headers"])
    assert document["headers"]["x-forwarded-port"] == "8080"


def test_an_absent_part_has_no_key() -> None:
    assert not {"body", "cookies", "queryStringParameters"} & set(event())


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("application/json", False),
        ("APPLICATION/JSON; charset=utf-8", False),
        ("application/xml", False),
        ("application/javascript", False),
        ("text/plain", False),
        ("text/csv;header=present", False),
        ("application/octet-stream", True),
        ("image/jpeg", True),
        ("application/x-www-form-urlencoded", True),
        ("application/x-amz-json-1.1", True),
        ("application/problem+json", True),
        (None, True),
    ],
)
def test_the_body_encoding_table(content_type: str | None, encoded: bool) -> None:
    document = event(headers=[("content-type", content_type)] if content_type else [], body=b'{"a": 1}')

    assert document["isBase64Encoded"] is encoded
    assert document["body"] == (base64.b64encode(b'{"a": 1}').decode() if encoded else '{"a": 1}')
    assert document["headers"]["content-length"] == "8"


def test_bytes_that_are_not_text_are_base64_whatever_their_content_type() -> None:
    document = event(headers=[("content-type", "text/plain")], body=b"\xff\x00")

    assert (document["isBase64Encoded"], base64.b64decode(document["body"])) == (True, b"\xff\x00")


def test_a_header_that_is_not_utf_8_does_not_break_the_event() -> None:
    assert event(headers=[("x-a", "\udcff")])["headers"]["x-a"] == "?"


@pytest.mark.parametrize(
    ("payload", "status", "kind", "body"),
    [
        (b'{"statusCode": 204}', 204, "text/plain; charset=utf-8", b""),
        (b'{"statusCode": "201", "body": "\\u4e2d"}', 201, "text/plain; charset=utf-8", "中".encode()),
        (
            b'{"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": "/wA=", "isBase64Encoded": true}',
            200,
            "image/png",
            b"\xff\0",
        ),
        (b'{"a": 1}', 200, "application/json", b'{"a": 1}'),
        (b'"text"', 200, "application/json", b"text"),
        (b"[1]", 200, "application/json", b"[1]"),
        (b"null", 200, "application/json", b"null"),
    ],
)
def test_responses_of_a_handler(payload: bytes, status: int, kind: str, body: bytes) -> None:
    response = decode(payload)

    assert (response.status, dict(response.headers)["content-type"], response.body) == (status, kind, body)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"statusCode": "many"}',
        b'{"statusCode": null}',
        b'{"statusCode": 99}',
        b'{"statusCode": 600}',
        b'{"statusCode": 200, "body": {"a": 1}}',
        b'{"statusCode": 200, "headers": ["a"]}',
        b'{"statusCode": 200, "headers": {"a": "b\\r\\nset-cookie: c"}}',
        b'{"statusCode": 200, "body": "%%%", "isBase64Encoded": true}',
        b"not JSON",
        b"[" * 100_000,
    ],
)
def test_a_response_that_breaks_the_format_is_500(payload: bytes) -> None:
    response = decode(payload)

    assert (response.status, response.body) == (500, failure(500).body)


@pytest.mark.parametrize("status", [400, 404, 408, 413, 500, 502, 503])
def test_errors_of_the_gateway_have_the_form_of_the_functions_errors(status: int) -> None:
    response = failure(status)
    document = json.loads(response.body)

    assert response.status == status
    assert document.keys() == {"error"}
    assert document["error"].keys() == {"code", "message"}
    assert api_error(status, {}, response.body).code == document["error"]["code"]


def test_the_error_of_a_large_body_names_the_limit_and_the_way_around() -> None:
    message = json.loads(failure(413).body)["error"]["message"]

    assert str(MAX_EVENT) in message
    assert '{"object": "uploads/..."}' in message


def test_hop_by_hop_headers_and_lengths_of_a_handler_are_not_forwarded() -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": 9, "X-A": True}

    response = decode(json.dumps({"statusCode": 200, "headers": headers, "cookies": ["a=1", "b=2"]}).encode())

    plain = ("content-type", "text/plain; charset=utf-8")
    assert response.headers == [("x-a", "True"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), plain]
