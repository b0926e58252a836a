"""Every function answers each front door of Lambda, and refuses every other event in its own form."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.paths import SHARED

FUNCTIONS = ("classify", "recommend", "models", "rollout")
ROUTES = {
    "classify": ("GET", "/health", 200),
    "recommend": ("GET", "/v1/models/none/recommend", 404),
    "models": ("GET", "/v1/models", 200),
}
_KNOWN = SHARED / "lambda-events"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"CACHE_DIR": str(tmp_path / "cache"), "CACHE_BYTES": "1000000", "REFRESH_SECONDS": "0"}
    settings |= {"MAX_PIXELS": "1000000", "STORE": tmp_path.as_uri(), "AUTHORIZATION": "NONE"}
    settings |= {"CLASSIFY_FUNCTION": "classify", "RECOMMEND_FUNCTION": "recommend"}
    for name, value in settings.items():
        monkeypatch.setenv(f"LARDER_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for function in FUNCTIONS:
        import_module(f"{function}.app").service.reset()


def events(method: str, path: str) -> dict[str, dict[str, Any]]:
    """The event of one request, by front door."""
    context = {"http": {"method": method, "path": path}, "stage": "$default"}
    two = {"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {}, "requestContext": context}
    one = {"httpMethod": method, "path": path, "body": None, "isBase64Encoded": False}
    headers = {"headers": {"Host": "h"}, "multiValueHeaders": {"Host": ["h"]}}
    balanced = {"elb": {"targetGroupArn": "arn"}}
    return {
        "HTTP API": {**two, "routeKey": f"{method} {path}"},
        "HTTP API with a stage": {**two, "rawPath": f"/prod{path}", "requestContext": {**context, "stage": "prod"}},
        "function URL": {**two, "routeKey": "$default"},
        "REST API": {**one, **headers, "resource": "/{proxy+}", "requestContext": {"path": f"/prod{path}"}},
        "load balancer": {**one, "headers": {"host": "h"}, "requestContext": balanced},
        "load balancer with multi-value headers": {**one, "multiValueHeaders": {}, "requestContext": balanced},
    }


@pytest.mark.parametrize("door", events("", ""))
@pytest.mark.parametrize("function", ROUTES)
def test_every_front_door_gets_an_answer(function: str, door: str) -> None:
    method, path, status = ROUTES[function]
    answer = import_module(f"{function}.app").handler(events(method, path)[door], None)
    assert (answer["statusCode"], "error" in json.loads(answer["body"])) == (status, status >= 400)
    assert ("statusDescription" in answer) == door.startswith("load balancer")
    assert ("multiValueHeaders" in answer) == ("multi" in door or door == "REST API")


@pytest.mark.parametrize("event", [{}, {"Records": [{"s3": {}}]}, {"source": "aws.s3", "detail": None}])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_another_event_is_refused_in_one_sentence(function: str, event: dict[str, Any]) -> None:
    answer = import_module(f"{function}.app").handler(event, None)
    if function == "rollout":
        assert answer["state"] == "ignored"
        assert answer["reason"].endswith(".")
    else:
        assert answer["statusCode"] == 400
        assert "The event is not an HTTP request" in json.loads(answer["body"])["error"]["message"]


@pytest.mark.skipif(not _KNOWN.is_dir(), reason="shared/data/lambda-events is not on this machine")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_known_event_of_aws_gets_an_answer_or_a_refusal(function: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(_KNOWN.glob("*.json"))
    assert len(files) > 100
    for file in files:
        answer = import_module(f"{function}.app").handler(json.loads(file.read_text()), None)
        if function == "rollout":
            assert answer["state"] == "ignored", file.name
        else:
            assert 200 <= answer["statusCode"] < 500, file.name
            json.loads(answer["body"])
    assert "Traceback" not in "".join(capsys.readouterr())
