"""Sends HTTP requests over connections that are kept open."""

import contextlib
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from larder_client.errors import ConnectionFailed, TimedOut

_MAX_IDLE: Final = 16
# The errors of a connection that the server closed while it was idle.
_STALE: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, as the ``sign`` callable gets it.

    Attributes:
        method: ``GET`` or ``POST``.
        url: The whole URL, percent-encoded.
        headers: Header names in lower case, and their values.
        body: The body, or None.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The URL without its query string, which may contain a user's id or a signature."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    Attributes:
        status: The HTTP status.
        headers: Header names in lower case, and their values; of a repeated header, the last.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests over a pool of connections. Threads can share it; processes cannot.

    Proxies come from the environment, as in ``urllib.request`` (``https_proxy``, ``no_proxy``), and certificates as in
    ``ssl.create_default_context`` (``SSL_CERT_FILE``).
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        # Appending to a deque and popping from one are atomic, so threads need no lock.
        self._idle: dict[tuple[str, str], deque[HTTPConnection]] = {}

    def send(self, request: Request) -> Response:
        """Sends a request once and reads the complete answer, whatever its status.

        Raises ConnectionFailed if no complete answer arrives, and TimedOut if the server is silent for ``timeout``
        seconds while connecting, sending or reading.
        """
        try:
            return self._send(request)
        except TimeoutError as error:
            raise TimedOut(request.address, f"nothing for {self._timeout:g} s") from error
        except ssl.SSLCertVerificationError as error:  # a repetition would fail in the same way
            raise ConnectionFailed(request.address, str(error), retryable=False) from error
        except (OSError, HTTPException) as error:
            raise ConnectionFailed(request.address, str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Closes all idle connections. A later request opens a new one."""
        for idle in list(self._idle.values()):
            with contextlib.suppress(IndexError):
                while True:
                    idle.pop().close()

    def _send(self, request: Request) -> Response:
        url = urlsplit(request.url)
        idle = self._idle.setdefault((url.scheme, url.netloc), deque())
        with contextlib.suppress(IndexError):
            connection = idle.pop()
            # If the server has closed it, a new connection repeats the request: no request of this API changes data.
            with contextlib.suppress(*_STALE):
                return _exchange(connection, request, url, idle)
        return _exchange(self._connect(url), request, url, idle)

    def _connect(self, url: SplitResult) -> HTTPConnection:
        connection_class = HTTPSConnection if url.scheme == "https" else HTTPConnection
        proxy = _proxy(url)
        if proxy is None:
            return connection_class(url.hostname or "", url.port, timeout=self._timeout)
        connection = connection_class(proxy.hostname or "", proxy.port or 80, timeout=self._timeout)
        if url.scheme == "https":
            connection.set_tunnel(url.hostname or "", url.port, dict(_proxy_authorization(proxy)))
        return connection


def _exchange(connection: HTTPConnection, request: Request, url: SplitResult, idle: deque[HTTPConnection]) -> Response:
    """Sends over ``connection`` and reads the answer; then adds the connection to ``idle``, or closes it."""
    target, headers = _target(request, url)
    sent = False
    try:
        if connection.sock is None:
            connection.connect()
        # A server may refuse a large body before it has read all of it; its answer has the reason.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(request.method, target, request.body, headers)
            sent = True
        answer = connection.getresponse()
        response = Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    except BaseException:
        connection.close()
        raise
    if sent and not answer.will_close and len(idle) < _MAX_IDLE:
        idle.append(connection)
    else:
        connection.close()
    return response


def _target(request: Request, url: SplitResult) -> tuple[str, dict[str, str]]:
    """The target and headers of the request. A proxy for plain HTTP needs the whole URL and its own credentials."""
    proxy = _proxy(url) if url.scheme == "http" else None
    if proxy is not None:
        return request.url, {**request.headers, **_proxy_authorization(proxy)}
    return f"{url.path or '/'}{'?' if url.query else ''}{url.query}", dict(request.headers)


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy of the environment for ``url``, or None."""
    address = getproxies().get(url.scheme)
    if not address or proxy_bypass(url.netloc):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def _proxy_authorization(proxy: SplitResult) -> Mapping[str, str]:
    if proxy.username is None:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"proxy-authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
