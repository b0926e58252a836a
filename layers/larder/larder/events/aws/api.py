"""Calls of AWS's JSON protocol 1.0, signed here: boto3 would add 500 ms to a cold start.

Each caller's operation may be sent twice with the effect of once, so that a call whose connection breaks is sent again.
"""

import json
import os
import random
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from larder.auth.signatures.signing import SigningScope, amz_date, authorization
from larder.errors import StoreError
from larder.events.aws.connections import Connections
from larder.events.aws.credentials import CredentialSource

_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BACKOFF_SECONDS: Final = 0.05
_RETRIED: Final = frozenset(
    (
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
    )
)
_ADVICE: Final = {
    "AccessDenied": "allow the operation in the policy of the function's role",
    "AccessDeniedException": "allow the operation in the policy of the function's role",
    "ExpiredTokenException": "renew the credentials",
    "InvalidSignatureException": "check the secret key and this machine's clock",
    "QueueDoesNotExist": "check LARDER_EVENTS_QUEUE and the region",
    "ResourceNotFoundException": "check the table in LARDER_EVENTS_STORE and the region",
    "UnrecognizedClientException": "check the AWS_ variables",
}


class AwsRefusal(StoreError):
    """AWS refused a call.

    Attributes:
        error: The name of AWS's error, such as ``ThrottlingException``.
    """

    def __init__(self, service: str, operation: str, error: str) -> None:
        advice = _ADVICE.get(error, "send the request again later")
        super().__init__(f"{service} refused {operation} ({error}): {advice}.")
        self.error = error


class _Request(NamedTuple):
    """A request as it is signed; see ``larder.auth.request.SignedRequest``."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    path: str = "/"
    raw_query: str = ""

    def raw_body(self) -> bytes:
        return self.body


class AwsApi:
    """One service of AWS in one region. Thread-safe."""

    def __init__(
        self, target: str, scope: SigningScope, connections: Connections, credentials: CredentialSource
    ) -> None:
        """Name the service.

        Args:
            target: The prefix of its operations in ``X-Amz-Target``, such as ``DynamoDB_20120810``.
            scope: Its region, and its name in signatures.
            connections: The connections to its endpoint.
            credentials: Who calls.
        """
        self._target = target
        self._scope = scope
        self._connections = connections
        self._credentials = credentials

    @classmethod
    def open(cls, service: str, target: str, *, endpoint: str = "", region: str = "") -> "AwsApi":
        """The service; raises StoreError if the environment names no region. Connects at the first call.

        Args:
            service: Its name in signatures and host names, such as ``dynamodb``.
            target: See the class.
            endpoint: Where it is, unless ``AWS_ENDPOINT_URL_<SERVICE>`` or ``AWS_ENDPOINT_URL`` names a place; if
                empty, AWS's own endpoint in the region.
            region: Its region; if empty, that of ``AWS_REGION`` or ``AWS_DEFAULT_REGION``.
        """
        environment = os.environ
        region = region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
        if not _REGION.fullmatch(region):
            raise StoreError(f"AWS_REGION is {region[:40]!r}: set it to a region, such as eu-central-1.")
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        named = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get("AWS_ENDPOINT_URL")
        connections = Connections(named or endpoint or f"https://{service}.{region}.{suffix}")
        return cls(target, SigningScope(region, service), connections, CredentialSource(environment))

    @property
    def host(self) -> str:
        """The host and port of its endpoint."""
        return self._connections.host

    def connect(self) -> None:
        """Open a connection for the next call, which then does not wait for TLS; raises StoreError."""
        self._connections.prepare(seconds=3.0)

    def close(self) -> None:
        """Close its connections; another call opens new ones."""
        self._connections.close()

    def call(self, operation: str, document: object, *, seconds: float, again: bool = True) -> dict[str, Any]:
        """The response of an operation.

        Args:
            operation: Its name, such as ``GetItem``.
            document: Its input, as JSON.
            seconds: The time for connecting, sending and receiving, with all attempts. The look-up of the endpoint's
                name is not bounded.
            again: Whether to send it again while AWS throttles or fails.

        Raises:
            AwsRefusal: AWS refused.
            StoreError: it did not respond in time.
        """
        body = json.dumps(document, separators=(",", ":")).encode()
        deadline = time.monotonic() + seconds
        pause = _BACKOFF_SECONDS
        while True:
            status, data = self._connections.post(body, self._headers(operation, body), deadline)
            if status == 200:
                return _parsed(data, self._scope.service)
            error = _error_name(data, status)
            wait = random.uniform(pause / 2, pause)  # noqa: S311  # so that callers do not return together
            retried = again and (status >= 500 or error in _RETRIED)
            if not retried or time.monotonic() + wait >= deadline:
                raise AwsRefusal(self._scope.service, operation, error)
            time.sleep(wait)
            pause *= 2

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        credentials = self._credentials.get()
        headers = {
            "content-type": _CONTENT_TYPE,
            "host": self._connections.host,
            "x-amz-date": amz_date(time.time()),
            "x-amz-target": f"{self._target}.{operation}",
        }
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        signed = authorization(_Request(headers, body), self._scope, credentials.key_id, credentials.secret)
        return {**headers, "authorization": signed}


def _parsed(data: bytes, service: str) -> dict[str, Any]:
    try:
        document = json.loads(data or b"{}")
    except ValueError as error:
        raise StoreError(f"{service} returned no JSON: check AWS_ENDPOINT_URL.") from error
    if not isinstance(document, dict):
        raise StoreError(f"{service} returned another document than an object: check AWS_ENDPOINT_URL.")
    return document


def _error_name(data: bytes, status: int) -> str:
    """The name of AWS's error, without its namespace; ``HTTP <status>`` if the response has none."""
    try:
        name = str(json.loads(data)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}"
    return name.rpartition(".")[2] or f"HTTP {status}"
