"""Connections to one endpoint, which are kept: a new one takes two round trips and the processor's time for TLS."""

import re
import ssl
import time
from collections import deque
from collections.abc import Mapping
from functools import cache
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from larder.errors import StoreError

_LOOPBACK: Final = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_KEPT_SECONDS: Final = (
    20.0  # the services close connections that are idle longer, and Lambda may have frozen in between
)
_KEPT: Final = 16


@cache
def _tls() -> ssl.SSLContext:
    """The certificates of this machine; reading them takes about 20 ms."""
    return ssl.create_default_context()


class Connections:
    """Kept connections to an endpoint. Thread-safe: a thread has a connection for itself while it uses it.

    Attributes:
        host: The header ``Host``.
    """

    def __init__(self, endpoint: str) -> None:
        """Name the endpoint; raises StoreError unless it is an HTTPS URL, or an HTTP URL of this machine."""
        url = urlsplit(endpoint)
        self._secure = url.scheme == "https"
        self._name = url.hostname or ""
        if not self._name or not (self._secure or (url.scheme == "http" and _LOOPBACK.fullmatch(self._name))):
            raise StoreError(f"{endpoint[:80]!r} is not an endpoint of AWS: use https://, or http://localhost.")
        self._port = url.port or (443 if self._secure else 80)
        self.host: Final = url.netloc
        self._idle: deque[tuple[HTTPConnection, float]] = deque()

    def prepare(self, seconds: float) -> None:
        """Open a connection and keep it; raises StoreError."""
        try:
            self._keep(self._connected(time.monotonic() + seconds))
        except OSError as error:
            raise self._unreachable(error) from error

    def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> tuple[int, bytes]:
        """The status and body of the response to a POST.

        A request on a kept connection that the service has closed is sent again on another one.

        Args:
            body: The body.
            headers: All headers but the length.
            deadline: The time on the monotonic clock at which to give up.

        Raises:
            StoreError: no response before the deadline.
        """
        while True:
            kept = self._take()
            connection = kept
            try:
                connection = connection or self._connected(deadline)
                return self._exchange(connection, body, headers, deadline)
            except (HTTPException, OSError) as error:
                if connection is not None:
                    connection.close()
                if kept is None or isinstance(error, TimeoutError):
                    raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop()[0].close()

    def __del__(self) -> None:
        if hasattr(self, "_idle"):  # missing if the endpoint was refused
            self.close()

    def _exchange(
        self, connection: HTTPConnection, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, bytes]:
        connection.sock.settimeout(_left(deadline))
        connection.request("POST", "/", body, headers)
        connection.sock.settimeout(_left(deadline))
        response = connection.getresponse()
        if connection.sock is not None:  # None if the service ends the connection with this response
            connection.sock.settimeout(_left(deadline))
        data = response.read()
        if not response.will_close:
            self._keep(connection)
        return response.status, data

    def _connected(self, deadline: float) -> HTTPConnection:
        connection = HTTPConnection(self._name, self._port, timeout=_left(deadline))
        connection.connect()
        if self._secure:
            connection.sock.settimeout(_left(deadline))
            try:
                connection.sock = _tls().wrap_socket(connection.sock, server_hostname=self._name)
            except BaseException:
                connection.close()
                raise
        return connection

    def _take(self) -> HTTPConnection | None:
        """The connection that was used last, None if there is none that the service has not closed by now."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < _KEPT_SECONDS:
                return connection
            connection.close()

    def _keep(self, connection: HTTPConnection) -> None:
        if len(self._idle) < _KEPT:
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()

    def _unreachable(self, error: Exception) -> StoreError:
        reason = "no response in time" if isinstance(error, TimeoutError) else type(error).__name__
        return StoreError(f"{self._name} is not available ({reason}): send the request again.")


def _left(deadline: float) -> float:
    """The seconds until the deadline; raises TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
