"""Requests from API Gateway events: parameters, headers and bodies."""

import base64
from collections.abc import Mapping

import pytest

from larder.errors import InvalidRequest
from larder.web.request import Request, check_fields


def request(**event: object) -> Request:
    return Request.of({"requestContext": {"http": {"method": "post", "path": "/try/one"}}, **event})


def with_text(body: str) -> Request:
    return request(body=body, isBase64Encoded=False)


def with_bytes(body: bytes) -> Request:
    """API Gateway sends all but text as base64."""
    return request(body=base64.b64encode(body).decode(), isBase64Encoded=True)


def test_a_base64_body_is_decoded_and_a_text_body_is_utf8() -> None:
    assert with_bytes("é".encode()).body() == "é".encode()
    assert with_text("é").body() == "é".encode()
    assert request().body() == b""


def test_invalid_base64_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="The body is not base64: send"):
        request(body="%%%", isBase64Encoded=True).body()


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "3", '{"n": NaN}', '{"n": -Infinity}', "", "[" * 50_000, r'{"\ud800": 1}', r'{"n": ["\uDFFF\uD800"]}'],
)
def test_invalid_json_is_refused_with_what_to_send(body: str) -> None:
    with pytest.raises(InvalidRequest, match="send"):
        with_text(body).json()


@pytest.mark.parametrize("body", [b'{"\xed\xa0\x80": 1}', b'{"\xff": 1}', '{"n": 1}'.encode("utf-16")])
def test_json_in_another_encoding_than_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        with_bytes(body).json()


def test_json_may_escape_a_whole_surrogate_pair_and_start_with_a_byte_order_mark() -> None:
    assert with_text(r'{"n": "\ud83d\ude00"}').json() == {"n": "\U0001f600"}
    assert with_text('\ufeff{"n": 1}').json() == {"n": 1}


def test_headers_name_media_type_release_and_caller() -> None:
    sent = request(headers={"content-type": "Image/JPEG; q=1", "x-larder-release": "r1", "x-larder-key": "k"})
    assert (sent.media_type, sent.release, sent.caller_key) == ("image/jpeg", "r1", "k")
    assert (request().media_type, request().release, request().caller_key) == ("", None, None)
    assert request(headers={"X-Larder-Release": "r2"}).release == "r2"  # as `sam local` passes it


def test_path_parameters_are_those_that_api_gateway_decoded_else_those_of_the_router() -> None:
    event = {"requestContext": {"http": {"method": "GET"}}, "pathParameters": {"item": "a b"}}
    sent = Request.of(event, {"model": "shop", "item": "a%20b"})
    assert [sent.path_parameter(name) for name in ("model", "item")] == ["shop", "a b"]
    with pytest.raises(InvalidRequest, match="no path parameter 'release'"):
        sent.path_parameter("release")


@pytest.mark.parametrize("text", ["0", "101", "-1", "2.5", "", "٣", "1e1", "9" * 5000])
def test_an_integer_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"n is '.*': send a whole number from 1 to 100\."):
        request(queryStringParameters={"n": text}).integer("n", 25, 1, 100)


def test_an_integer_has_a_default() -> None:
    assert request().integer("n", 25, 1, 100) == 25
    assert request(queryStringParameters={"n": "100"}).integer("n", 25, 1, 100) == 100


def test_a_misspelt_parameter_or_field_is_refused_by_name() -> None:
    names: Mapping[str, str] = {"usr": "1"}
    with pytest.raises(InvalidRequest, match=r"^'usr' is not a parameter here: use n, user\.$"):
        request(queryStringParameters=names).check_parameters(("user", "n"))
    with pytest.raises(InvalidRequest, match=r"^'usr' is not a parameter here: this route takes no parameters\.$"):
        request(queryStringParameters=names).check_parameters(())
    with pytest.raises(InvalidRequest, match=r"^'usr' is not a field here: use user\.$"):
        check_fields(names, ("user",))
