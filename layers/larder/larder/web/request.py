"""The request that a handler gets: parameters, headers, body and caller of an HTTP event."""

import base64
import json
import re
from collections.abc import Collection, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from urllib.parse import unquote

from larder.auth import ANYONE, Caller
from larder.auth.api_keys import is_credential
from larder.errors import InvalidRequest
from larder.release.json_fields import reject_constant
from larder.release.pointer import Arm
from larder.release.routes import KEY_HEADER, RELEASE_HEADER
from larder.web.http_event import HttpEvent

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGER: Final = re.compile(r"[0-9]{1,9}")


class Classified(Protocol):
    """The answer to one image, as ``larder.classifier.graph.Labels``, which this module cannot import: it loads numpy.

    Attributes:
        labels: The labels above their thresholds, best first.
        first: The name of the best label; None without one.
        unknown: Whether the image was unlike the training images.
        decode_seconds: The time to decode the image.
        inference_seconds: The time to run the graph.
    """

    @property
    def labels(self) -> Sized: ...  # noqa: D102  # documented above
    @property
    def first(self) -> str | None: ...  # noqa: D102  # documented above
    @property
    def unknown(self) -> bool: ...  # noqa: D102  # documented above
    @property
    def decode_seconds(self) -> float: ...  # noqa: D102  # documented above
    @property
    def inference_seconds(self) -> float: ...  # noqa: D102  # documented above


@dataclass(frozen=True, slots=True)
class Served:
    """The release that answers a request.

    Attributes:
        model: The model.
        release: The release.
        arm: As what the caller's key chose it while the model has a canary; None if nothing was chosen.
        labels: The answer to one image; None if none was classified.
    """

    model: str
    release: str
    arm: Arm | None = None
    labels: Classified | None = None


class Request:
    """One request. Every reader raises InvalidRequest if the caller sent something else.

    Attributes:
        http: The event, in one form for all front doors.
        method: The HTTP method, in upper case.
        query: The query parameters without those that identify the caller, such as ``key``. The values of a repeated
            parameter are joined with commas.
        action: What the route does, as scopes of keys name it; empty for a public route.
        caller: Who sent the request.
        served: What answers the request, for the log; None before it is known.
        id: The id of the invocation; None outside Lambda.
    """

    def __init__(
        self,
        http: HttpEvent,
        variables: Mapping[str, str],
        *,
        action: str = "",
        caller: Caller | None = None,
        id: str | None = None,  # noqa: A002  # the attribute's name
    ) -> None:
        """Wrap an event.

        Args:
            http: The event.
            variables: The path parameters as the router cut them out of the path; those of the event, which API
                Gateway has decoded, take precedence.
            action: What the route does.
            caller: Who sent the request; None for a caller who may do everything.
            id: The id of the invocation.
        """
        self.http: Final = http
        self.method: Final = http.method
        self.query: Final = {name: value for name, value in http.query.items() if not is_credential(name)}
        self.action: Final = action
        self.caller: Caller = caller or ANYONE
        self.served: Served | None = None
        self.id: Final = id
        self._variables = variables

    @classmethod
    def of(cls, event: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> "Request":
        """The request of an event; raises InvalidRequest if it is not an HTTP request."""
        return cls(HttpEvent.read(event), variables or {})

    def note_served(self, model: str, release: str, arm: Arm | None) -> None:
        """Note which release answers, for the log."""
        self.served = Served(model, release, arm)

    def note_classified(self, labels: Classified) -> None:
        """Note the answer to one image, for the log, its metrics and the watch of a canary."""
        if self.served is not None:
            self.served = replace(self.served, labels=labels)

    def authorize(self, model: str | None = None) -> None:
        """Raise Forbidden unless the caller may do what the route does, with ``model`` if one is named."""
        self.caller.check(self.action, model)

    def path_parameter(self, name: str) -> str:
        """A parameter of the path, decoded."""
        decoded = self.http.path_parameters
        if name in decoded:
            return decoded[name]
        try:
            return unquote(self._variables[name])  # some front doors do not decode paths
        except KeyError as error:
            raise InvalidRequest(f"The event has no path parameter {name!r}: call this function by its API.") from error

    def header(self, name: str) -> str:
        """The header with this lower-case name; empty if it was not sent."""
        return self.http.headers.get(name, "")

    @property
    def path(self) -> str:
        """The path as the caller signed it, with the stage; decoded if the front door decodes paths."""
        return self.http.sent_path

    @property
    def raw_query(self) -> str:
        """The query string, percent-encoded."""
        return self.http.raw_query

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name; values of a repeated header are joined with commas."""
        return self.http.headers

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
        """The body; one that AWS's clients stream in chunks is put together."""
        raw = self.raw_body()
        if "x-amz-content-sha256" in self.headers:
            from larder.auth.signatures.chunks import is_chunked, read_chunks

            return read_chunks(self.headers, raw).content if is_chunked(self.headers) else raw
        return raw

    def raw_body(self) -> bytes:
        """The body as it was sent. API Gateway passes text for a few media types, and everything else as base64."""
        body = self.http.body
        if not self.http.is_base64:
            return body.encode()
        try:
            return base64.b64decode("".join(body.split()), validate=True)
        except ValueError as error:
            raise InvalidRequest("The body is not base64: send standard base64 with its padding.") from error

    def json(self) -> dict[str, object]:
        """The body as a JSON object; NaN and Infinity are not JSON."""
        return read_json(self.body())

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


def read_json(data: bytes) -> dict[str, object]:
    """A JSON object in UTF-8; NaN and Infinity are not JSON. Raises InvalidRequest."""
    try:
        text = data.decode("utf-8-sig")  # strict, unlike json.loads: no half of a surrogate pair passes
        document = json.loads(text, parse_constant=reject_constant)
        if _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # raises for half a pair, which no response can hold
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON: send one JSON object in UTF-8, without NaN or Infinity.") from error
    if not isinstance(document, dict):
        raise InvalidRequest("The body is not a JSON object: send {...}.")
    return document


def check_fields(document: Mapping[str, object], allowed: Collection[str]) -> None:
    """Raise InvalidRequest for a field of a JSON body that is not ``allowed``."""
    _check_names(document, allowed, "field")


def _check_names(names: Collection[str], allowed: Collection[str], what: str) -> None:
    for name in names:
        if name not in allowed:
            remedy = f"use {', '.join(sorted(allowed))}" if allowed else f"this route takes no {what}s"
            raise InvalidRequest(f"{name[:80]!r} is not a {what} here: {remedy}.")
