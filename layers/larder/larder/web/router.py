"""From an API Gateway HTTP API event to a handler's function and back: bodies, JSON, errors, one log line a request.

The event is payload format 2.0. API Gateway passes a body as text only for ``text/*`` and a few ``application/*``
types, everything else as base64, so a body is only ever read through :func:`body`.
"""

import base64
import binascii
import json
import re
import sys
import time
import traceback
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from larder.errors import InvalidRequest, LarderError
from larder.release.manifest import Manifest
from larder.runtime.cold_start import cold_start
from larder.web.resolver import APIGatewayHttpResolver, Response

RELEASE_HEADER: Final = "x-larder-release"
MODEL_HEADER: Final = "x-larder-model"
KEY_HEADER: Final = "x-larder-key"
_JSON: Final = "application/json"
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def router() -> APIGatewayHttpResolver:
    """A resolver that answers every error in Larder's form and shows no stack trace to anybody."""
    app = APIGatewayHttpResolver()

    def refused(error: LarderError) -> Response[str]:
        message = str(error)
        if error.status >= 500 and error.status != 503:  # what a caller cannot mend is told to the log, not to him
            _write({"level": "ERROR", "error": type(error).__name__, "message": message})
            message = "Larder failed; its log says why."
        return reply({"error": {"code": error.code, "message": message}}, status=error.status)

    def failed(error: Exception) -> Response[str]:
        # The frames and the type, but not the text: an exception's text may quote what the caller sent.
        _write({"level": "ERROR", "error": type(error).__name__, "at": traceback.format_tb(error.__traceback__)})
        message = "Larder failed; its log says why. Try again."
        return reply({"error": {"code": "internal", "message": message}}, status=500)

    def missing(_: Exception) -> Response[str]:
        message = "No such route; GET /openapi.json lists them all."
        return reply({"error": {"code": "not_found", "message": message}}, status=404)

    app.exception_handler(LarderError)(refused)
    app.exception_handler(Exception)(failed)
    app.not_found(missing)
    return app


def body(app: APIGatewayHttpResolver) -> bytes:
    """The request's raw body; raises InvalidRequest where its base64 is broken."""
    event = app.current_event.raw_event
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return cast("str", text).encode()
    return decode_base64(text, "the body")


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 (RFC 4648, section 4), white space allowed; raises InvalidRequest naming ``what``."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{what} is not base64: send standard base64 with its padding.") from error


def json_body(app: APIGatewayHttpResolver) -> dict[str, object]:
    """The body as a JSON object; raises InvalidRequest for anything else, NaN and Infinity among it."""
    try:
        text = body(app).decode("utf-8-sig")  # strictly, as json.loads would not: no half of a surrogate pair passes
        document = json.loads(text, parse_constant=_no_constant)
        if _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # raises for a half, which no answer could quote
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON: send one JSON object in UTF-8, without NaN or Infinity.") from error
    if not isinstance(document, dict):
        raise InvalidRequest("The body is not a JSON object: send {...}.")
    return document


def _no_constant(name: str) -> object:
    raise ValueError(name)


def query(app: APIGatewayHttpResolver) -> Mapping[str, str]:
    """The query string's parameters; one that is given twice has its values joined by commas, as API Gateway does."""
    return app.current_event.raw_event.get("queryStringParameters") or {}


def path_parameter(app: APIGatewayHttpResolver, name: str, routed: str) -> str:
    """A path parameter as API Gateway decoded it; ``routed`` is what the router cut out of the raw path."""
    return cast("str", (app.current_event.raw_event.get("pathParameters") or {}).get(name, routed))


def content_type(app: APIGatewayHttpResolver) -> str:
    """The media type of the body in lower case, without parameters; empty where none is stated."""
    return _header(app, "content-type").split(";")[0].strip().lower()


def requested_release(app: APIGatewayHttpResolver) -> str | None:
    """The release that the caller asked for by name, if any."""
    return _header(app, RELEASE_HEADER) or None


def caller_key(app: APIGatewayHttpResolver) -> str | None:
    """What picks canary or stable for this caller, the same each time, if he sent any."""
    return _header(app, KEY_HEADER) or None


def _header(app: APIGatewayHttpResolver, name: str) -> str:
    headers: Mapping[str, str] = app.current_event.raw_event.get("headers") or {}
    if name in headers:  # API Gateway writes names in lower case
        return headers[name]
    spelt = (each for each in headers if len(each) == len(name) and each.lower() == name)
    return next((headers[each] for each in spelt), "")  # `sam local` passes them on as they come


def allow_only(given: Collection[str], allowed: Collection[str], what: str) -> None:
    """Raises InvalidRequest naming the first of ``given`` that is none of ``allowed``: a typing error is told, not
    ignored. ``what`` is "parameter" or "field".
    """
    for name in given:
        if name not in allowed:
            known = f"use {', '.join(sorted(allowed))}" if allowed else f"this route takes no {what}s"
            raise InvalidRequest(f"{name[:80]!r} is no {what} here: {known}.")


def reply(
    document: object, *, status: int = 200, manifest: Manifest | None = None, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """A JSON answer. With ``manifest``, headers say which release of which model gave it."""
    told = {MODEL_HEADER: manifest.model, RELEASE_HEADER: manifest.release} if manifest else {}
    return Response(status, content_type=_JSON, body=_encode(document), headers={**told, **(headers or {})})


def logged(app: APIGatewayHttpResolver, event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one event and writes one JSON line about it: route, model, release, status, milliseconds.

    ``cold`` holds the milliseconds of each phase of the cold start in the line of a process's first answer, and is null
    in all others. The line holds no path, no query string, no address and no body: nothing that identifies a user.
    """
    begun = time.perf_counter()
    answer = app.resolve(event, context)  # type: ignore[arg-type]  # powertools wants its own context class
    headers, seconds = answer.get("headers") or {}, time.perf_counter() - begun
    _write(
        {
            "level": "INFO",
            "route": event.get("routeKey"),
            "model": headers.get(MODEL_HEADER),
            "release": headers.get(RELEASE_HEADER),
            "status": answer["statusCode"],
            "ms": round(1000 * seconds, 3),
            "cold": cold_start.answered(seconds),
            "request": getattr(context, "aws_request_id", None),
        }
    )
    return answer


def _write(record: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
