"""Responses: JSON documents, and errors in the form of each protocol."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from larder.errors import LarderError
from larder.release.routes import MODEL_HEADER, RELEASE_HEADER
from larder.web.request import Request
from larder.web.resolver import Response

_JSON: Final = "application/json"
encode_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Problem:
    """What a caller learns of an error.

    Attributes:
        error: The error, by whose type a protocol chooses the name of its own error.
        status: The HTTP status of native routes.
        code: The code of native routes.
        message: What is wrong and what to do. It holds no details that the caller cannot act on.
        headers: Headers of the response, such as ``retry-after``.
    """

    error: LarderError
    status: int
    code: str
    message: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, error: Exception) -> "Problem":
        """The problem that an exception is; writes what the caller does not learn to the log."""
        if not isinstance(error, LarderError):
            # The type and the frames, not the text: an exception's text may quote what the caller sent.
            write_log({"level": "ERROR", "error": type(error).__name__, "at": traceback.format_tb(error.__traceback__)})
            return cls(LarderError(), 500, LarderError.code, "Larder failed; its log says why. Try again.", {})
        message = str(error)
        if error.status >= 500 and error.status != 503:
            write_log({"level": "ERROR", "error": type(error).__name__, "message": message})
            message = "Larder failed; its log says why."
        return cls(error, error.status, error.code, message, error.headers)


ErrorFormat: TypeAlias = "Callable[[Problem, Request], Response[Any]]"
"""Makes a protocol's response of a problem with a request."""


def error_response(problem: Problem, _: Request) -> Response[str]:
    """The response of native routes to a problem."""
    document = {"error": {"code": problem.code, "message": problem.message}}
    return json_response(document, status=problem.status, headers=problem.headers)


def json_response(
    document: object,
    *,
    status: int = 200,
    model: str | None = None,
    release: str | None = None,
    headers: Mapping[str, str] | None = None,
    content_type: str = _JSON,
) -> Response[str]:
    """A JSON response; its headers name the model and the release that it is about."""
    names = {**release_headers(model, release), **(headers or {})}
    return Response(status, content_type=content_type, body=encode_json(document), headers=names)


def release_headers(model: str | None, release: str | None) -> dict[str, str | list[str]]:
    """The headers that name a model and a release."""
    headers = {MODEL_HEADER: model, RELEASE_HEADER: release}
    return {name: value for name, value in headers.items() if value}


def write_log(record: Mapping[str, object]) -> None:
    """Write one JSON line to the log."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
