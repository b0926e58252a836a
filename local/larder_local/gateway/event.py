"""HTTP to events and back: payload format 2.0 of API Gateway's HTTP APIs.

Follows "Create AWS Lambda proxy integrations for HTTP APIs" in the API Gateway developer guide. Where the guide says
nothing, this module follows the observed behaviour of AWS:

- The path arrives percent-decoded, the query string does not.
- A body is text for ``text/*`` and three application types only. Any other body, also one without a Content-Type, is
  base64.
- A failed handler is 500. (REST APIs return 502, which here means that the worker's process was lost.)
- A response without a ``Content-Type`` is plain text.
"""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import parse_qsl, unquote

from larder_local.gateway.cloudformation import ACCOUNT
from larder_local.gateway.routes import DEFAULT, Route

MAX_BODY: Final = 10 * 2**20  # API Gateway's payload limit
MAX_EVENT: Final = 6_291_456  # bytes of the event's JSON, Lambda's limit
MAX_ANSWER: Final = 6_291_556  # bytes of the handler's JSON; Lambda's own error message has this number
_TEXT_TYPES: Final = ("application/json", "application/xml", "application/javascript")
# Headers of one connection, not of the request: a gateway does not forward them.
_HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)
# The code and the message of each error of the gateway itself, in the form of the functions' errors.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request", "The connection ended before the whole body arrived: send the request again."),
    404: ("not_found", "No such route: check the URL; GET /openapi.json lists all routes."),
    408: ("unanswered", "The body did not arrive in time: send it again, or a smaller one."),
    413: (
        "too_large",
        (
            f"The request is too large: a function takes {MAX_EVENT} bytes (6 MiB), or about 4.7 MB of image, since "
            'base64 makes 4 bytes of 3. Scale the image down, or store it under uploads/ and send {"object": '
            '"uploads/..."}; split a list of ids into several requests.'
        ),
    ),
    500: ("internal", "The function failed or timed out; its log says why. Try again."),
    502: ("unanswered", "The worker that handled this request ended before it answered: send it again."),
    503: ("unanswered", "All workers are busy, or the function did not answer in time: send the request again."),
}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, as received.

    Attributes:
        method: In upper case.
        path: Still percent-encoded.
        query: The query string, still percent-encoded.
        headers: Names and values, in order.
        body: The bytes, without a transfer encoding.
        address: The caller's IP address.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    address: str


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response: status, headers and body."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def failure(status: int) -> HttpResponse:
    """An error of the gateway itself. API Gateway has the same statuses, but sends ``{"message": ...}``."""
    code, message = _ERRORS[status]
    body = json.dumps({"error": {"code": code, "message": message}}, separators=(",", ":"))
    return HttpResponse(status, (("content-type", "application/json"),), body.encode())


def new_request_id() -> str:
    """A random id in the form of API Gateway's."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def encode(
    call: HttpRequest, route: Route, variables: Mapping[str, str], request_id: str, now: float | None = None
) -> bytes:
    """The JSON of the event, in UTF-8. ``now`` is in seconds since the epoch."""
    now = time.time() if now is None else now
    headers, cookies = _headers(call)
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": unquote(call.path),
        "rawQueryString": call.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": _query(call.query)} if call.query else {}),
        "requestContext": _context(call, route, headers, request_id, now),
        **({"pathParameters": dict(variables)} if variables else {}),
        **_body(call.body, headers.get("content-type", "")),
    }
    # Bytes of a header that are not UTF-8 arrive as lone surrogates, which cannot be encoded.
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _headers(call: HttpRequest) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in call.headers:
        lower = name.lower()
        if lower == "cookie":
            cookies.extend(part.strip() for part in value.split(";") if part.strip())
        elif lower not in _HOP_BY_HOP:
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    if call.body:
        headers["content-length"] = str(len(call.body))
    headers["x-forwarded-for"] = ", ".join(filter(None, (headers.get("x-forwarded-for"), call.address)))
    headers["x-forwarded-proto"] = "http"
    headers["x-forwarded-port"] = headers.get("host", "").rpartition(":")[2] or "80"
    return headers, cookies


def _query(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _context(
    call: HttpRequest, route: Route, headers: Mapping[str, str], request_id: str, now: float
) -> dict[str, object]:
    utc = time.gmtime(now)
    return {
        "accountId": ACCOUNT,
        "apiId": "local",
        "domainName": headers.get("host", "localhost").partition(":")[0],
        "domainPrefix": "local",
        "http": {
            "method": call.method,
            "path": unquote(call.path),
            "protocol": "HTTP/1.1",
            "sourceIp": call.address,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": route.key,
        "stage": DEFAULT,
        "time": f"{utc.tm_mday:02}/{_MONTHS[utc.tm_mon - 1]}/{time.strftime('%Y:%H:%M:%S +0000', utc)}",
        "timeEpoch": int(now * 1000),
    }


def _body(body: bytes, content_type: str) -> dict[str, object]:
    if not body:
        return {"isBase64Encoded": False}
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT_TYPES:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # a compressed or wrongly labelled body: base64 keeps its bytes
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def decode(payload: bytes) -> HttpResponse:
    """The HTTP response for a handler's JSON; JSON that does not follow the format becomes 500, as on AWS."""
    try:
        answer = json.loads(payload)
        if not isinstance(answer, dict) or "statusCode" not in answer:
            text = answer.encode() if isinstance(answer, str) else payload
            return HttpResponse(200, (("content-type", "application/json"),), text)
        return _proxied(answer)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return failure(500)


def _proxied(answer: Mapping[str, object]) -> HttpResponse:
    status, text = int(cast("int", answer["statusCode"])), answer.get("body")
    if not 200 <= status <= 599 or not isinstance(text, str | None):
        raise ValueError(status)
    headers = [
        (name.lower(), str(value)) for name, value in cast("dict[str, object]", answer.get("headers") or {}).items()
    ]
    headers = [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name != "content-length"]
    headers.extend(("set-cookie", str(cookie)) for cookie in cast("list[str]", answer.get("cookies") or []))
    if any("\r" in part or "\n" in part for header in headers for part in header):
        raise ValueError("a header has a line break")
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return HttpResponse(status, headers, _decoded(text or "", encoded=bool(answer.get("isBase64Encoded"))))


def _decoded(text: str, *, encoded: bool) -> bytes:
    if not encoded:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("the body is not base64") from error
