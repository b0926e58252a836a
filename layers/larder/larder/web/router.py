"""From an API Gateway event to a handler's function and back: routes, errors as JSON, one log line per request."""

import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from larder.errors import LarderError
from larder.release.routes import MODEL_HEADER, RELEASE_HEADER
from larder.runtime.cold_start import cold_start
from larder.web.request import Request
from larder.web.resolver import APIGatewayHttpResolver, Response

_JSON: Final = "application/json"
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

H = TypeVar("H", bound=Callable[[Request], Response[Any]])


class Router:
    """The routes of one function. Errors become JSON responses; a caller never sees a stack trace.

    Attributes:
        resolver: The resolver of Powertools that finds the route.
    """

    def __init__(self) -> None:
        self.resolver: Final = APIGatewayHttpResolver()
        self.resolver.exception_handler(LarderError)(_error_response)
        self.resolver.exception_handler(Exception)(_crash_response)
        self.resolver.not_found(_no_route)

    def get(self, path: str, *, parameters: Collection[str] | None = None) -> Callable[[H], H]:
        """Register a function for GET ``path``; see :meth:`route`."""
        return self.route("GET", path, parameters=parameters)

    def post(self, path: str, *, parameters: Collection[str] | None = None) -> Callable[[H], H]:
        """Register a function for POST ``path``; see :meth:`route`."""
        return self.route("POST", path, parameters=parameters)

    def route(self, method: str, path: str, *, parameters: Collection[str] | None = None) -> Callable[[H], H]:
        """Register the function that is decorated.

        Args:
            method: The HTTP method.
            path: The path as the template has it; ``{name}`` is a parameter, ``{name+}`` takes the rest of the path.
            parameters: The query parameters that the route takes, others are a 400; None to leave that check to the
                function.
        """
        # Powertools' own pattern of a parameter does not match every Unicode character.
        rule = re.sub(r"\{(\w+)\}", r"<\1>", re.sub(r"\{\w+\+\}", ".+", path))

        def register(function: H) -> H:
            def call(**variables: str) -> Response[Any]:
                request = Request(self.resolver.current_event.raw_event, variables)
                if parameters is not None:
                    request.check_parameters(parameters)
                return function(request)

            self.resolver.route(rule, method=method)(call)
            return function

        return register

    def handle(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Lambda's entry point: answer one event and write one JSON line about it.

        The line has route, model, release, status and milliseconds. ``cold`` has the milliseconds of each phase of the
        cold start for a process's first request, else it is null. No path, query string, address or body is logged:
        nothing that identifies a user.
        """
        begun = time.perf_counter()
        response = self.resolver.resolve(event, context)  # type: ignore[arg-type]  # Powertools wants its own class
        headers, seconds = response.get("headers") or {}, time.perf_counter() - begun
        _log(
            {
                "level": "INFO",
                "route": event.get("routeKey"),
                "model": headers.get(MODEL_HEADER),
                "release": headers.get(RELEASE_HEADER),
                "status": response["statusCode"],
                "ms": round(1000 * seconds, 3),
                "cold": cold_start.answered(seconds),
                "request": getattr(context, "aws_request_id", None),
            }
        )
        return response


def json_response(
    document: object, *, status: int = 200, model: str | None = None, release: str | None = None
) -> Response[str]:
    """A JSON response; its headers name the model and the release that it is about."""
    return Response(status, content_type=_JSON, body=_encode(document), headers=release_headers(model, release))


def release_headers(model: str | None, release: str | None) -> dict[str, str | list[str]]:
    """The headers that name a model and a release."""
    headers = {MODEL_HEADER: model, RELEASE_HEADER: release}
    return {name: value for name, value in headers.items() if value}


def _error_response(error: LarderError) -> Response[str]:
    message = str(error)
    if error.status >= 500 and error.status != 503:  # details that the caller cannot act on go to the log
        _log({"level": "ERROR", "error": type(error).__name__, "message": message})
        message = "Larder failed; its log says why."
    return json_response({"error": {"code": error.code, "message": message}}, status=error.status)


def _crash_response(error: Exception) -> Response[str]:
    # The type and the frames, not the text: an exception's text may quote what the caller sent.
    _log({"level": "ERROR", "error": type(error).__name__, "at": traceback.format_tb(error.__traceback__)})
    message = "Larder failed; its log says why. Try again."
    return json_response({"error": {"code": "internal", "message": message}}, status=500)


def _no_route(_: Exception) -> Response[str]:
    message = "No such route: check the URL; GET /openapi.json lists all routes."
    return json_response({"error": {"code": "not_found", "message": message}}, status=404)


def _log(record: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
