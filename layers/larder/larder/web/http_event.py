"""The events of Lambda's HTTP front doors, read into one form; and responses in the form that each of them takes.

Sources: in the API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs" (payload formats 2.0
and 1.0) and "Input format of a Lambda function for proxy integration"; in the Lambda developer guide, "Request and
response payloads" of function URLs, which is format 2.0; in the guide of Application Load Balancers, "Lambda functions
as targets": paths and query strings arrive as they were sent, not decoded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote, unquote_plus

from larder.errors import InvalidRequest

FrontDoor = Literal["http-api", "rest-api", "load-balancer"]
"""The form of an event and its response: format 2.0 (function URLs too), format 1.0, or that of a load balancer."""

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_NO_REQUEST: Final = (
    "The event is not an HTTP request: call this function through an HTTP or REST API of API Gateway, a function URL "
    "or an Application Load Balancer."
)


@dataclass(frozen=True, slots=True)
class HttpEvent:
    """One HTTP request as Lambda passes it.

    Attributes:
        front_door: The form of the event.
        method: The HTTP method, in upper case.
        path: The path without the stage.
        sent_path: The path with the stage, which the caller signs.
        raw_query: The query string, percent-encoded; as it was sent where the front door passes it on.
        query: The query parameters, decoded; values of a repeated parameter are joined with commas.
        path_parameters: The parameters of the path that the front door decoded.
        headers: The headers, by lower-case name; values of a repeated header are joined with commas.
        body: The body, as text or base64.
        is_base64: Whether ``body`` is base64.
        authorizer: What an authorizer of the front door added; callers cannot set it.
        multi_value: Whether the response must have ``multiValueHeaders``.
    """

    front_door: FrontDoor
    method: str
    path: str
    sent_path: str
    raw_query: str
    query: Mapping[str, str]
    path_parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    is_base64: bool
    authorizer: Mapping[str, Any]
    multi_value: bool = False

    @classmethod
    def read(cls, event: object) -> "HttpEvent":
        """Read an event; raises InvalidRequest if it is not an HTTP request."""
        try:
            if isinstance(event, dict) and isinstance(context := event.get("requestContext"), dict):
                if isinstance(context.get("http"), dict):
                    return _format_2(event, context)
                if "httpMethod" in event:
                    return _format_1(event, context)
        except (AttributeError, KeyError, TypeError) as error:
            raise InvalidRequest(_NO_REQUEST) from error
        raise InvalidRequest(_NO_REQUEST)

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        """A response of format 2.0 in the form that the front door takes."""
        if self.front_door == "http-api":
            return response
        headers: Mapping[str, str] = response.get("headers") or {}
        answer = {name: value for name, value in response.items() if name not in ("headers", "cookies")}
        if self.front_door == "load-balancer":
            status = response["statusCode"]
            answer["statusDescription"] = f"{status} {_PHRASES.get(status, 'Error')}"
        if self.multi_value:
            return {**answer, "multiValueHeaders": {name: [value] for name, value in headers.items()}}
        return {**answer, "headers": dict(headers)}


def _format_2(event: dict[str, Any], context: dict[str, Any]) -> HttpEvent:
    http = context["http"]
    sent_path = event.get("rawPath") or http.get("path") or "/"
    return HttpEvent(
        front_door="http-api",
        method=http["method"].upper(),
        path=_without_stage(sent_path, context.get("stage")),
        sent_path=sent_path,
        raw_query=event.get("rawQueryString") or "",
        query=event.get("queryStringParameters") or {},
        headers=_lower(event.get("headers") or {}),
        **_rest(event, context),
    )


def _format_1(event: dict[str, Any], context: dict[str, Any]) -> HttpEvent:
    """Format 1.0, and the events of load balancers, which have the same fields but do not decode them."""
    balanced = "elb" in context
    multi_headers = event.get("multiValueHeaders")
    sent = list(_pairs(event))
    decode: Callable[[str], str] = unquote_plus if balanced else str
    encode: Callable[[str], str] = str if balanced else lambda text: quote(text, safe="-_.~")
    headers = event.get("headers") if multi_headers is None else _joined(multi_headers)
    return HttpEvent(
        front_door="load-balancer" if balanced else "rest-api",
        method=event["httpMethod"].upper(),
        path=event["path"],
        sent_path=event["path"] if balanced else context.get("path") or event["path"],
        raw_query="&".join(f"{encode(name)}={encode(value)}" for name, value in sent),
        query=_joined_pairs((decode(name), decode(value)) for name, value in sent),
        headers=_lower(headers or {}),
        multi_value=multi_headers is not None,
        **_rest(event, context),
    )


def _rest(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The fields that every form has alike."""
    return {
        "path_parameters": event.get("pathParameters") or {},
        "body": event.get("body") or "",
        "is_base64": bool(event.get("isBase64Encoded")),
        "authorizer": context.get("authorizer") or {},
    }


def _without_stage(path: str, stage: str | None) -> str:
    prefix = f"/{stage}"
    if stage in (None, "$default") or not (path == prefix or path.startswith(f"{prefix}/")):
        return path
    return path[len(prefix) :] or "/"


def _pairs(event: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The names and values of the query string, repeated ones in order."""
    several = event.get("multiValueQueryStringParameters")
    if several is not None:
        return [(name, value) for name, values in several.items() for value in values]
    return list((event.get("queryStringParameters") or {}).items())


def _joined(several: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {name: ",".join(values) for name, values in several.items()}


def _joined_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _lower(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers by lower-case name; API Gateway's HTTP APIs and function URLs pass them so already."""
    if all(name == name.lower() for name in headers):
        return headers
    return {name.lower(): value for name, value in headers.items()}
