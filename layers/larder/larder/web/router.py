"""From an HTTP event to a handler's function and back: routes, callers, errors, one log line per request."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Final, TypeVar

from larder.auth import Caller
from larder.errors import InvalidRequest, NotFound
from larder.release.routes import MODEL_HEADER, RELEASE_HEADER
from larder.runtime.cold_start import cold_start
from larder.runtime.metrics import PREDICTIONS, request_metrics, with_metrics
from larder.web.http_event import HttpEvent
from larder.web.request import Classified, Request, Served
from larder.web.resolver import APIGatewayHttpResolver, Response
from larder.web.responses import ErrorFormat, Problem, encode_json, error_response, write_log

PUBLIC: Final = ""
"""The action of a route that needs no key."""
_MODEL: Final = "{model}"
_CORRELATION_HEADER: Final = "x-correlation-id"
_CORRELATION: Final = re.compile(r"[0-9A-Za-z-]{8,64}")  # no "@" and no space: hardly anything that names a person
_TRACES: Final = (
    ("traceparent", re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")),  # W3C Trace Context
    ("x-amzn-trace-id", re.compile(r"(?:^|;)Root=([0-9a-f-]{35})")),  # AWS X-Ray's developer guide, "Tracing header"
)

Handler = Callable[[Request], Response[Any]]
Load = Callable[[], tuple[Handler, ErrorFormat]]
H = TypeVar("H", bound=Handler)


class Router:
    """The routes of one function. Errors become responses; a caller never sees a stack trace.

    Attributes:
        resolver: The resolver of Powertools that finds the route.
    """

    def __init__(self, authenticate: Callable[[Request], Caller] | None = None) -> None:
        """Make a router without routes.

        Args:
            authenticate: Finds out who sent a request; raises Unauthorized. None if every caller may do everything.
        """
        self.resolver: Final = APIGatewayHttpResolver()
        self.resolver.not_found(self._no_route)
        self.resolver.exception_handler(Exception)(self._fail)
        self._authenticate = authenticate
        self._http: HttpEvent | None = None
        self._id: str | None = None
        self._route: str | None = None
        self._request: Request | None = None
        self._lazy: list[tuple[str, str, str, Load]] = []

    def get(self, path: str, *, action: str, parameters: Collection[str] | None = None) -> Callable[[H], H]:
        """Register a function for GET ``path``; see :meth:`route`."""
        return self.route("GET", path, action=action, parameters=parameters)

    def post(
        self,
        path: str,
        *,
        action: str,
        parameters: Collection[str] | None = None,
        errors: ErrorFormat = error_response,
    ) -> Callable[[H], H]:
        """Register a function for POST ``path``; see :meth:`route`."""
        return self.route("POST", path, action=action, parameters=parameters, errors=errors)

    def route(
        self,
        method: str,
        path: str,
        *,
        action: str,
        parameters: Collection[str] | None = None,
        errors: ErrorFormat = error_response,
    ) -> Callable[[H], H]:
        """Register the function that is decorated.

        Args:
            method: The HTTP method.
            path: The path as the template has it; ``{name}`` is a parameter, ``{name+}`` takes the rest of the path.
            action: What the route does, as scopes of keys name it, with the model of the path if it has one; ``PUBLIC``
                for a route that needs no key.
            parameters: The query parameters that the route takes, others are a 400; None to leave that check to the
                function.
            errors: Makes the response of a problem.
        """

        def register(function: H) -> H:
            def checked(request: Request) -> Response[Any]:
                if action and _MODEL not in path:  # a list shows what the caller may see, but not to everyone
                    request.authorize()
                if parameters is not None:
                    request.check_parameters(parameters)
                return function(request)

            self._register(method, path, action, lambda: (checked, errors))
            return function

        return register

    def lazy(self, method: str, path: str, target: str, service: object, *, action: str) -> None:
        """Register a function of a protocol's module, which is imported at the first request.

        Args:
            method: The HTTP method.
            path: The path as the template has it.
            target: ``module:function``. The function takes the request and ``service``; the module's ``format_error``
                is its ErrorFormat.
            service: What the function answers with.
            action: What the route does. The function authorizes the model, once it knows it.
        """
        module, _, name = target.partition(":")

        def load() -> tuple[Handler, ErrorFormat]:
            loaded = import_module(module)
            function = getattr(loaded, name)
            return (lambda request: function(request, service)), loaded.format_error

        self._lazy.append((method, path, action, load))

    def add_lazy_routes(self) -> None:
        """Register the lazy routes: at the first request that has no other route, since compiling them takes time."""
        routes, self._lazy = self._lazy, []
        for method, path, action, load in routes:
            self._register(method, path, action, load)

    def _register(self, method: str, path: str, action: str, load: Load) -> None:
        # Powertools' own pattern of a parameter does not match every Unicode character.
        rule = re.sub(r"\{(\w+)\}", r"<\1>", re.sub(r"\{\w+\+\}", ".+", path))

        def call(**variables: str) -> Response[Any]:
            assert self._http is not None, "handle() has read the event"  # noqa: S101  # for the type checker
            self._route = f"{method} {path}"
            self._request = request = Request(self._http, variables, action=action, id=self._id)
            errors: ErrorFormat = error_response
            try:
                function, errors = load()
                if action and self._authenticate is not None:
                    request.caller = self._authenticate(request)
                if action and _MODEL in path:
                    request.authorize(request.path_parameter(_MODEL[1:-1]))
                return function(request)
            except Exception as error:  # noqa: BLE001  # a caller never sees a stack trace
                return errors(Problem.of(error), request)

        self.resolver.route(rule, method=method)(call)

    def handle(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Lambda's entry point: answer one event and write one JSON line about it.

        The line has route, model, release, status and milliseconds; ``arm`` says as what the caller's key chose the
        release while the model has a canary, ``canary`` or ``stable``, and is null if it chose none. If it is not, the
        line also has the time in milliseconds since 1970. Of a classified image it has whether it is ``unknown``, its
        first label and the number of its labels. ``cold`` has the milliseconds of each phase of the cold start for a
        process's first request, else it is null. ``correlation`` is the id by which callers find the request. The line
        of a prediction is its metrics too (docs/reference/metrics.md). No path, query string, address or body is
        logged: nothing that identifies a user.
        """
        begun = time.perf_counter()
        self._route = self._request = None
        self._id = getattr(context, "aws_request_id", None)
        response = self._respond(event, context)
        served = self._served()
        headers, seconds = response.get("headers") or {}, time.perf_counter() - begun
        record = {
            "level": "INFO",
            "route": self._route,
            "model": headers.get(MODEL_HEADER) or (served.model if served else None),
            "release": headers.get(RELEASE_HEADER) or (served.release if served else None),
            "arm": served.arm if served else None,
            "status": response["statusCode"],
            "ms": round(1000 * seconds, 3),
            "cold": cold_start.answered(seconds),
            "request": self._id,
            "correlation": _correlation(self._http.headers) if self._http else None,
            **({"time": int(1000 * time.time())} if served and served.arm else {}),
            **(_of_image(served.labels) if served and served.labels else {}),
        }
        write_log(self._with_metrics(record, served))
        if self._http is None:
            return response
        if _CORRELATION.fullmatch(sent := self._http.headers.get(_CORRELATION_HEADER, "")):
            response["headers"] = {**headers, _CORRELATION_HEADER: sent}
        return self._http.response(response)

    def _with_metrics(self, record: dict[str, Any], served: Served | None) -> dict[str, Any]:
        """The line with its metrics, if it is of a prediction for a caller.

        A request that names a release is none: the rollout and the heartbeat name one, and a stack without callers
        would pay for their metrics.
        """
        request = self._request
        if request is None or request.action not in PREDICTIONS or request.release is not None:
            return record
        labels = served.labels if served else None
        classified = {} if labels is None else _image_metrics(labels)
        return with_metrics(record, request_metrics(record["status"], record["ms"], record["cold"], classified))

    def _served(self) -> Served | None:
        return None if self._request is None else self._request.served

    def _respond(self, event: object, context: object) -> dict[str, Any]:
        """The response, in format 2.0."""
        self._http = None
        try:
            http = HttpEvent.read(event)
        except InvalidRequest as error:
            return _refusal(error)
        self._http = http
        routed = {
            "version": "2.0",
            "rawPath": http.path,
            "requestContext": {"http": {"method": http.method, "path": http.path}, "stage": "$default"},
        }
        response = self.resolver.resolve(routed, context)  # type: ignore[arg-type]  # Powertools wants its own class
        if self._lazy and self._route is None:
            self.add_lazy_routes()
            response = self.resolver.resolve(routed, context)  # type: ignore[arg-type]  # as above
        return response

    def _no_route(self, _: Exception) -> Response[str]:
        return self._fail(NotFound("No such route: check the URL; GET /openapi.json lists all routes."))

    def _fail(self, error: Exception) -> Response[str]:
        """The native response to an error outside a route, and to one of a protocol's error format."""
        assert self._http is not None, "handle() has read the event"  # noqa: S101  # for the type checker
        return error_response(Problem.of(error), Request(self._http, {}))


def _correlation(headers: Mapping[str, str]) -> str | None:
    """The caller's ``x-correlation-id``, or the id of the trace of which the request is a part; None without either."""
    if _CORRELATION.fullmatch(sent := headers.get(_CORRELATION_HEADER, "")):
        return sent
    for name, pattern in _TRACES:
        if found := pattern.search(headers.get(name, "")):
            return found[1]
    return None


def _of_image(labels: Classified) -> dict[str, object]:
    return {"unknown": labels.unknown, "label": labels.first, "labels": len(labels.labels)}


def _image_metrics(labels: Classified) -> dict[str, float]:
    return {
        "Unknown": int(labels.unknown),
        "DecodeTime": round(1000 * labels.decode_seconds, 3),
        "InferenceTime": round(1000 * labels.inference_seconds, 3),
    }


def _refusal(error: InvalidRequest) -> dict[str, Any]:
    """The response to an event that is not an HTTP request."""
    problem = Problem.of(error)
    document = {"error": {"code": problem.code, "message": problem.message}}
    headers = {"Content-Type": "application/json"}
    return {"statusCode": problem.status, "headers": headers, "body": encode_json(document), "isBase64Encoded": False}
