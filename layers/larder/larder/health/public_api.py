"""The HTTP API as a caller reaches it: by its public URL."""

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from larder.errors import FunctionUnavailable
from larder.health.access import Access, Outgoing
from larder.release.manifest import Manifest
from larder.release.routes import MODEL_ROUTES, RELEASE_HEADER

SECONDS: Final = 15.0  # a cold start included
_MAX_BYTES: Final = 6 * 2**20  # of an answer: Lambda's limit
_REFUSED: Final = (401, 403)


class Answer(NamedTuple):
    """An answer.

    Attributes:
        document: Its JSON.
        milliseconds: How long it took.
    """

    document: Mapping[str, Any]
    milliseconds: float


class PublicApi:
    """The API at one URL. Thread-safe."""

    def __init__(self, url: str, access: Access, seconds: float = SECONDS) -> None:
        """Use the API at ``url``, whose path, if any, comes before those of its routes.

        Args:
            url: Its URL.
            access: How it lets requests in.
            seconds: How long an answer may take.
        """
        parts = urlsplit(url)
        self._secure, self._host, self._prefix = parts.scheme == "https", parts.netloc, parts.path.rstrip("/")
        self._access = access
        self._seconds = seconds

    def health(self) -> Answer:
        """The answer of ``GET /health``; raises FunctionUnavailable with a sentence for any other than success."""
        return self._send("GET", "/health", "", {}, b"")

    def ask(self, manifest: Manifest, request: bytes) -> Answer:
        """The answer of a release to a golden request; raises as ``health``."""
        path = MODEL_ROUTES[manifest.kind].format(model=manifest.model)
        query = "min_confidence=0" if manifest.kind == "classifier" else ""
        as_json = request.startswith(b"{")  # no image starts with this
        headers = {
            "content-type": "application/json" if as_json else "application/octet-stream",
            RELEASE_HEADER: manifest.release,
        }
        return self._send("POST", path, query, headers, request)

    def _send(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        request = Outgoing(method, f"{self._prefix}{path}", query, {**headers, "host": self._host}, body)
        sent = {**request.headers, **self._access(request)}
        target = f"{request.path}?{query}" if query else request.path
        connect = HTTPSConnection if self._secure else HTTPConnection
        begun = time.perf_counter()
        connection = connect(self._host, timeout=self._seconds)
        try:
            connection.request(method, target, body or None, sent)
            response = connection.getresponse()
            data = response.read(_MAX_BYTES)
        except TimeoutError as error:
            raise FunctionUnavailable(f"The API did not answer within {self._seconds:.0f} s.") from error
        except (OSError, HTTPException) as error:
            raise FunctionUnavailable(f"The API could not be reached ({type(error).__name__}).") from error
        finally:
            connection.close()
        return Answer(_document(response, data), 1000 * (time.perf_counter() - begun))


def _document(response: HTTPResponse, data: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FunctionUnavailable(f"The API gave status {response.status} and no JSON object.")
    if response.status == 200:
        return document
    error = document.get("error")  # API Gateway's own answers have only a message
    message = str((error if isinstance(error, dict) else document).get("message", "no message"))[:300]
    refused = " (the heartbeat's key or role may not call)" if response.status in _REFUSED else ""
    raise FunctionUnavailable(f"The API gave status {response.status}{refused}: {message}")
