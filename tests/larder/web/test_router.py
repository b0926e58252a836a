"""Events in, responses out: routes, errors and the log line, with a handler of the test's own."""

import json
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from larder.auth import Caller, Scope
from larder.errors import LarderError, NotFound, SettingsError, StoreError, Unauthorized
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import json_response
from larder.web.router import PUBLIC, Router


@dataclass
class Context:
    aws_request_id: str = "request-1"


def event(*, path: str = "/try/one", **query: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "POST /try/{name}",
        "rawPath": path,
        "rawQueryString": "user=secret-user",
        "headers": {"x-forwarded-for": "192.0.2.1"},
        "queryStringParameters": query or {"user": "secret-user"},
        "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default", "requestId": "x"},
    }


def ask(
    function: Callable[[Request], Response[Any]], sent: dict[str, Any], parameters: Collection[str] | None = None
) -> tuple[int, Any, dict[str, str]]:
    """The status, parsed JSON body and headers of one request to a router whose only route calls ``function``."""
    router = Router()
    router.post("/try/{name}", action="classify", parameters=parameters)(function)
    answer = router.handle(sent, Context())
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def named(request: Request) -> Response[str]:
    return json_response({"name": request.path_parameter("name")}, model="pets", release="r1")


def raising(error: Exception) -> Callable[[Request], Response[str]]:
    def fail(_: Request) -> Response[str]:
        raise error

    return fail


def test_a_route_gets_its_path_parameters() -> None:
    status, document, headers = ask(named, event(path="/try/one"))
    assert (status, document) == (200, {"name": "one"})
    assert (headers["x-larder-model"], headers["x-larder-release"]) == ("pets", "r1")


def test_a_route_takes_only_its_query_parameters() -> None:
    assert ask(named, event(n="1"), parameters=("n",))[0] == 200
    assert ask(named, event(top="1"))[0] == 200
    status, document, _ = ask(named, event(top="1"), parameters=("n",))
    assert (status, document["error"]["message"]) == (400, "'top' is not a parameter here: use n.")


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (NotFound("Model 'x' does not exist."), 404, "not_found", "Model 'x' does not exist."),
        (StoreError("The store did not answer: try again."), 503, "store_unavailable", "try again"),
        (SettingsError("Bad.", ["LARDER_STORE is missing"]), 500, "invalid_settings", "its log says why"),
        (LarderError("/secret/path"), 500, "internal", "its log says why"),
        (KeyError("secret-user"), 500, "internal", "its log says why"),
    ],
)
def test_errors_have_their_status_and_reveal_no_secret(
    error: Exception, status: int, code: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answered, document, _ = ask(raising(error), event())
    assert (answered, document["error"]["code"]) == (status, code)
    assert message in document["error"]["message"]
    assert "secret" not in json.dumps(document)
    assert "Traceback" not in json.dumps(document)
    assert "secret-user" not in capsys.readouterr().out


@pytest.mark.parametrize("error", [SettingsError("Bad.", ["LARDER_STORE is missing"]), LarderError("LARDER_STORE")])
def test_details_that_the_caller_does_not_get_are_logged(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    ask(raising(error), event())
    record, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (record["level"], record["error"]) == ("ERROR", type(error).__name__)
    assert "LARDER_STORE" in record["message"]


def test_an_unexpected_error_is_logged_with_its_frames(capsys: pytest.CaptureFixture[str]) -> None:
    ask(raising(ZeroDivisionError("secret-user")), event())
    record, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert record["error"] == "ZeroDivisionError"
    assert any("in fail" in frame for frame in record["at"])


def test_an_unknown_route_is_a_404_in_the_same_form() -> None:
    status, document, _ = ask(named, event(path="/nowhere"))
    assert (status, document["error"]["code"]) == (404, "not_found")
    assert "/openapi.json" in document["error"]["message"]


def test_one_log_line_has_route_status_and_time_but_nothing_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    ask(named, event())
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["route"] == "POST /try/{name}"
    assert (record["model"], record["release"]) == ("pets", "r1")
    assert (record["status"], record["request"]) == (200, "request-1")
    assert record["ms"] >= 0
    assert not any(secret in line for secret in ("secret-user", "192.0.2.1", "one"))


@pytest.mark.parametrize(("model", "status"), [("one", 200), ("two", 403)])
def test_the_model_of_the_path_is_authorized_before_the_function_runs(model: str, status: int) -> None:
    asked: list[str] = []
    router = Router(lambda _: Caller("LK", (Scope("models:read", "one"),)))

    @router.post("/try/{model}", action="models:read")
    def answer(request: Request) -> Response[str]:
        asked.append(request.path_parameter("model"))
        return json_response({})

    assert router.handle(event(path=f"/try/{model}"), Context())["statusCode"] == status
    assert asked == ([model] if status == 200 else [])


@pytest.mark.parametrize(("scope", "status"), [("models:read", 200), ("classify", 403)])
def test_a_route_that_names_no_model_needs_its_action_with_any_model(scope: str, status: int) -> None:
    router = Router(lambda _: Caller("LK", (Scope(scope, "one"),)))
    router.post("/try", action="models:read")(lambda _: json_response({}))
    assert router.handle(event(path="/try"), Context())["statusCode"] == status


def test_a_public_route_asks_for_no_caller() -> None:
    def refuse(_: Request) -> Caller:
        raise Unauthorized("Send a key.")

    router = Router(refuse)
    router.post("/try/{name}", action=PUBLIC)(named)
    router.post("/keys/{name}", action="classify")(named)
    assert router.handle(event(), Context())["statusCode"] == 200
    refused = router.handle(event(path="/keys/one"), Context())
    assert (refused["statusCode"], refused["headers"]["www-authenticate"]) == (401, "Bearer")


def test_a_protocols_module_is_imported_at_its_first_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_protocol.py").write_text(
        "from larder.errors import NotFound\n"
        "from larder.web.responses import json_response\n"
        "def answer(request, service):\n"
        "    if request.header('x-fail'):\n"
        "        raise NotFound('Nothing here.')\n"
        "    return json_response({'service': service, 'action': request.action})\n"
        "def format_error(problem, request):\n"
        "    return json_response({'__type': type(problem.error).__name__, 'message': problem.message}, status=400)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    router = Router()
    router.lazy("POST", "/try/one", "toy_protocol:answer", "the service", action="classify")
    assert "toy_protocol" not in sys.modules
    answer = router.handle(event(), Context())
    assert json.loads(answer["body"]) == {"service": "the service", "action": "classify"}
    failed = router.handle({**event(), "headers": {"x-fail": "1"}}, Context())
    assert (failed["statusCode"], json.loads(failed["body"])) == (
        400,
        {"__type": "NotFound", "message": "Nothing here."},
    )


def test_lazy_routes_are_registered_at_the_first_request_without_another_route() -> None:
    router = Router()
    router.lazy("POST", "/try/{name}", "no_such_module:answer", None, action="classify")

    @router.get("/native/{name}", action="classify")
    def native(_: Request) -> Response[str]:
        return json_response({})

    def ask(method: str, path: str) -> int:
        call = {**event(), "rawPath": path, "requestContext": {"http": {"method": method, "path": path}}}
        status: int = router.handle(call, Context())["statusCode"]
        return status

    def patterns() -> int:
        return len(router.resolver._dynamic_routes)

    assert (ask("GET", "/native/a"), patterns()) == (200, 1)
    assert (ask("GET", "/nothing"), patterns()) == (404, 2)
    assert (ask("POST", "/try/a"), patterns()) == (500, 2), "its module does not exist"
    assert ask("GET", "/native/a") == 200


def test_an_error_format_that_fails_gets_the_native_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_protocol.py").write_text(
        "def answer(request, service):\n    raise KeyError('secret-user')\n"
        "def format_error(problem, request):\n    raise ValueError('secret-user')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    router = Router()
    router.lazy("POST", "/try/one", "broken_protocol:answer", None, action="classify")
    answer = router.handle(event(), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (500, "internal")
    assert "secret-user" not in answer["body"]


UUID = "0b0c7f1e-6f4d-4c52-9a0e-0d5a2b1b9a11"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT_ID = "1-67891233-abcdef012345678912345678"


@pytest.mark.parametrize(
    ("sent", "logged", "returned"),
    [
        ({}, None, None),
        ({"x-correlation-id": UUID, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, UUID, UUID),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, TRACE, None),
        ({"x-amzn-trace-id": f"Self=1-2-3;Root={ROOT_ID};Sampled=1"}, ROOT_ID, None),
        ({"x-correlation-id": "jane@example.org"}, None, None),
        ({"x-correlation-id": "a b\nc d e f g"}, None, None),
    ],
)
def test_a_correlation_id_is_logged_and_returned(
    sent: dict[str, str], logged: str | None, returned: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    request = event()
    _, _, headers = ask(named, {**request, "headers": {**request["headers"], **sent}})
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["correlation"] == logged
    assert headers.get("x-correlation-id") == returned
