"""Requests to one service: its URL, credentials, repetition, and exceptions for error statuses."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from larder_client.errors import UnexpectedAnswer, api_error
from larder_client.retry import Retry
from larder_client.transport import Request, Response, Transport

T = TypeVar("T")
Sign: TypeAlias = Callable[[Request], Mapping[str, str]]
_AGENT: Final = {"user-agent": "larder-client", "accept": "*/*"}


class Session:
    """Sends requests to the service at ``url``. The arguments are those of :class:`larder_client.Client`."""

    def __init__(self, url: str, key: str | None, timeout: float, retry: Retry, sign: Sign | None) -> None:
        self.url = _service_url(url)
        self._headers = {**_AGENT, **headers_of({"x-api-key": key})}
        self._retry = retry
        self._sign = sign
        self._transport = Transport(timeout)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def ask(
        self,
        read: Callable[[Mapping[str, Any]], T],
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> T:
        """Sends a request to ``target``, a path and its query string, and returns ``read`` of the JSON answer.

        Raises ClientError.
        """
        response = self.send(method, target, headers, body)
        address = f"{self.url}{target}".partition("?")[0]
        if response.status not in (200, 202):  # 202: accepted, and a later answer says what became of it
            moved = f" to {response.headers['location']}" if "location" in response.headers else ""
            raise UnexpectedAnswer(address, f"status {response.status}{moved}")
        try:
            return read(_object(response.body))
        except KeyError as error:
            raise UnexpectedAnswer(address, f"{error.args[0]} is missing") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise UnexpectedAnswer(address, str(error)) from error

    def post(
        self,
        read: Callable[[Mapping[str, Any]], T],
        target: str,
        headers: Mapping[str, str],
        document: Mapping[str, object],
        method: str = "POST",
    ) -> T:
        """Calls :meth:`ask` with JSON. Raises ValueError for a value that JSON does not have, such as NaN."""
        body = json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        return self.ask(read, method, target, {**headers, "content-type": "application/json"}, body)

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        """Sends a request with the caller's credentials; raises ClientError for a status of 400 or more."""
        request = Request(method, f"{self.url}{target}", {**self._headers, **(headers or {})}, body)
        return self._retry.call(lambda: self._attempt(self._signed(request)))

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        """Sends a GET to another server, without the caller's credentials."""
        request = Request("GET", url, {**_AGENT, **headers})
        return self._retry.call(lambda: self._attempt(request))

    def put(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Sends a PUT to another server, without the caller's credentials."""
        request = Request("PUT", url, {**_AGENT, **headers}, body)
        return self._retry.call(lambda: self._attempt(request))

    def _signed(self, request: Request) -> Request:
        """Each attempt has its own signature, because a signature contains the time."""
        if self._sign is None:
            return request
        return Request(request.method, request.url, {**request.headers, **self._sign(request)}, request.body)

    def _attempt(self, request: Request) -> Response:
        response = self._transport.send(request)
        if response.status >= 400:
            raise api_error(response.status, response.headers, response.body)
        return response


def headers_of(headers: Mapping[str, str | None]) -> dict[str, str]:
    """The headers that have a value. Raises ValueError for a value that is not printable ASCII."""
    present = {name: value for name, value in headers.items() if value is not None}
    for name, value in present.items():
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"The value for the header {name} has characters other than printable ASCII: encode it.")
    return present


def _service_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"The URL is {url!r}: it must begin with http:// or https:// and name a host.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("The URL of a service has no user, query or fragment: leave them out.")
    return url.rstrip("/")


def _object(body: bytes) -> Mapping[str, Any]:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise TypeError("not a JSON object")
    return document
