"""The request that a handler gets: parameters, headers and body of an API Gateway HTTP API event."""

import base64
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from larder.errors import InvalidRequest
from larder.release.json_fields import reject_constant
from larder.release.routes import KEY_HEADER, RELEASE_HEADER

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGER: Final = re.compile(r"[0-9]{1,9}")


class Request:
    """One request. Every reader raises InvalidRequest if the caller sent something else.

    Attributes:
        method: The HTTP method, in upper case.
        query: The query parameters. API Gateway joins the values of a repeated parameter with commas.
    """

    def __init__(self, event: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        """Wrap an event of payload format 2.0.

        Args:
            event: The event.
            variables: The path parameters as the router cut them out of the path; those of the event, which API
                Gateway has decoded, take precedence.
        """
        self.method: Final[str] = event["requestContext"]["http"]["method"].upper()
        self.query: Final[Mapping[str, str]] = event.get("queryStringParameters") or {}
        self._path: Mapping[str, str] = {**variables, **(event.get("pathParameters") or {})}
        self._headers: Mapping[str, str] = event.get("headers") or {}
        self._body: str = event.get("body") or ""
        self._is_base64 = bool(event.get("isBase64Encoded"))

    def path_parameter(self, name: str) -> str:
        """A parameter of the path, decoded."""
        try:
            return self._path[name]
        except KeyError as error:
            raise InvalidRequest(f"The event has no path parameter {name!r}: call this function by its API.") from error

    def header(self, name: str) -> str:
        """The header with this lower-case name; empty if it was not sent."""
        if name in self._headers:  # API Gateway writes names in lower case
            return self._headers[name]
        same = (other for other in self._headers if len(other) == len(name) and other.lower() == name)
        return next((self._headers[other] for other in same), "")  # `sam local` leaves names as they were sent

    @property
    def media_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty if none is stated."""
        return self.header("content-type").split(";")[0].strip().lower()

    @property
    def release(self) -> str | None:
        """The release that the caller names, or None for the live one."""
        return self.header(RELEASE_HEADER) or None

    @property
    def caller_key(self) -> str | None:
        """The stable value that chooses canary or stable for this caller, or None if it was not sent."""
        return self.header(KEY_HEADER) or None

    def body(self) -> bytes:
        """The raw body. API Gateway passes text only for a few media types, and everything else as base64."""
        if not self._is_base64:
            return self._body.encode()
        try:
            return base64.b64decode("".join(self._body.split()), validate=True)
        except ValueError as error:
            raise InvalidRequest("The body is not base64: send standard base64 with its padding.") from error

    def json(self) -> dict[str, object]:
        """The body as a JSON object; NaN and Infinity are not JSON."""
        try:
            text = self.body().decode("utf-8-sig")  # strict, unlike json.loads: no half of a surrogate pair passes
            document = json.loads(text, parse_constant=reject_constant)
            if _SURROGATE.search(text):
                json.dumps(document, ensure_ascii=False).encode()  # raises for half a pair, which no response can hold
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                "The body is not JSON: send one JSON object in UTF-8, without NaN or Infinity."
            ) from error
        if not isinstance(document, dict):
            raise InvalidRequest("The body is not a JSON object: send {...}.")
        return document

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A query parameter that is a whole number from ``low`` to ``high``; ``default`` if it was not sent."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (_INTEGER.fullmatch(text) and low <= int(text) <= high):
            raise InvalidRequest(f"{name} is {text[:20]!r}: send a whole number from {low} to {high}.")
        return int(text)

    def check_parameters(self, allowed: Collection[str]) -> None:
        """Raise InvalidRequest for a query parameter that is not ``allowed``, so that no typing error is ignored."""
        _check_names(self.query, allowed, "parameter")


def check_fields(document: Mapping[str, object], allowed: Collection[str]) -> None:
    """Raise InvalidRequest for a field of a JSON body that is not ``allowed``."""
    _check_names(document, allowed, "field")


def _check_names(names: Collection[str], allowed: Collection[str], what: str) -> None:
    for name in names:
        if name not in allowed:
            remedy = f"use {', '.join(sorted(allowed))}" if allowed else f"this route takes no {what}s"
            raise InvalidRequest(f"{name[:80]!r} is not a {what} here: {remedy}.")
