"""The events of the front doors that Lambda has, read into one form, and the responses that they take."""

from typing import Any

import pytest

from larder.errors import InvalidRequest
from larder.web.http_event import HttpEvent
from larder.web.request import Request

RESPONSE = {
    "statusCode": 404,
    "headers": {"Content-Type": "application/json", "x-larder-model": "pets"},
    "cookies": [],
    "body": "{}",
    "isBase64Encoded": False,
}


def http_api(path: str = "/v1/models", stage: str = "$default", **changes: object) -> dict[str, Any]:
    context = {"http": {"method": "GET", "path": path}, "stage": stage}
    return {"version": "2.0", "rawPath": path, "rawQueryString": "a=1&a=2&b=%20", "requestContext": context, **changes}


def rest_api(**changes: object) -> dict[str, Any]:
    return {
        "version": "1.0",
        "httpMethod": "post",
        "path": "/v1/models",
        "headers": {"X-Api-Key": "k2"},
        "multiValueHeaders": {"X-Api-Key": ["k1", "k2"]},
        "queryStringParameters": {"a": "2"},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y&z"]},
        "requestContext": {"stage": "prod", "path": "/prod/v1/models", "httpMethod": "POST"},
        "body": None,
        "isBase64Encoded": False,
        **changes,
    }


def load_balancer(**changes: object) -> dict[str, Any]:
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:0:targetgroup/a/b"}},
        "httpMethod": "GET",
        "path": "/v1/models/shop/similar/a%2Fb",
        "queryStringParameters": {"filter": "a%20b+c", "n": "5"},
        "headers": {"x-larder-release": "r1"},
        "body": "",
        "isBase64Encoded": False,
        **changes,
    }


def test_an_http_api_passes_the_query_as_sent_and_joins_parameters() -> None:
    read = HttpEvent.read(http_api(queryStringParameters={"a": "1,2", "b": " "}, headers={"host": "h"}))
    assert (read.front_door, read.method, read.path) == ("http-api", "GET", "/v1/models")
    assert (read.raw_query, read.query) == ("a=1&a=2&b=%20", {"a": "1,2", "b": " "})
    assert read.response(RESPONSE) is RESPONSE


@pytest.mark.parametrize(
    ("sent", "stage", "path"),
    [
        ("/prod/v1/models", "prod", "/v1/models"),
        ("/prod", "prod", "/"),
        ("/production/v1", "prod", "/production/v1"),
        ("/v1/models", "$default", "/v1/models"),
    ],
)
def test_a_stage_is_not_part_of_the_path_but_is_signed(sent: str, stage: str, path: str) -> None:
    read = HttpEvent.read(http_api(sent, stage))
    assert (read.path, read.sent_path) == (path, sent)


def test_a_rest_api_has_every_value_and_takes_headers_with_several() -> None:
    read = HttpEvent.read(rest_api())
    assert (read.front_door, read.method, read.path) == ("rest-api", "POST", "/v1/models")
    assert read.sent_path == "/prod/v1/models"
    assert read.query == {"a": "1,2", "b": "x y&z"}
    assert read.raw_query == "a=1&a=2&b=x%20y%26z"
    assert read.headers == {"x-api-key": "k1,k2"}
    assert read.response(RESPONSE) == {
        "statusCode": 404,
        "multiValueHeaders": {"Content-Type": ["application/json"], "x-larder-model": ["pets"]},
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_a_load_balancer_does_not_decode_and_takes_a_description_of_the_status() -> None:
    request = Request.of(load_balancer(), {"item": "a%2Fb"})
    assert request.query == {"filter": "a b c", "n": "5"}
    assert request.http.raw_query == "filter=a%20b+c&n=5"
    assert request.path_parameter("item") == "a/b"
    assert request.http.response(RESPONSE) == {
        "statusCode": 404,
        "statusDescription": "404 Not Found",
        "headers": {"Content-Type": "application/json", "x-larder-model": "pets"},
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_a_status_of_no_standard_has_a_description_too() -> None:
    response = HttpEvent.read(load_balancer()).response({**RESPONSE, "statusCode": 530})
    assert response["statusDescription"] == "530 Error"


def test_a_load_balancer_with_multi_value_headers_takes_them_too() -> None:
    event = load_balancer(
        multiValueHeaders={"accept": ["a", "b"]},
        multiValueQueryStringParameters={"n": ["5", "6"]},
        headers=None,
        queryStringParameters=None,
    )
    read = HttpEvent.read(event)
    assert (read.headers, read.query) == ({"accept": "a,b"}, {"n": "5,6"})
    assert read.response(RESPONSE)["multiValueHeaders"]["x-larder-model"] == ["pets"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        "text",
        {"Records": []},
        {"requestContext": None},
        {"requestContext": {}},
        {"requestContext": {"http": {}}},
        {"requestContext": {"http": {"method": None}}},
        {"requestContext": {}, "httpMethod": "GET"},
        rest_api(headers=5, multiValueHeaders=None),
        rest_api(multiValueQueryStringParameters={"a": None}),
    ],
)
def test_what_is_not_an_http_request_is_refused_in_one_sentence(event: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^The event is not an HTTP request: call this function through .*\.$"):
        HttpEvent.read(event)


def test_the_callers_key_is_no_parameter_of_a_route() -> None:
    request = Request.of(http_api(queryStringParameters={"key": "id.secret", "n": "5"}))
    assert request.query == {"n": "5"}
    assert request.http.query["key"] == "id.secret"
