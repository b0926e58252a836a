"""The errors of the client.

::

    ClientError
    ├── APIError                     the service answered with an error status
    │   ├── BadRequest          400  an invalid name, parameter, field or body
    │   ├── Unauthorized        401  the key is missing or not accepted
    │   ├── Forbidden           403  the key lacks a scope, or the request is not signed
    │   ├── NotFound            404  an unknown model, release, item, file, object or route
    │   ├── TooLarge            413  more bytes or pixels than one request or answer can carry
    │   ├── UnsupportedMedia    415  the body is not an image of a supported format
    │   ├── Unprocessable       422  an image that does not decode, or a release that must not be served
    │   ├── TooManyRequests     429  the service is throttling                                     retryable
    │   └── ServerError         5xx  the service failed                              502 and 504 are retryable
    │       └── Unavailable     503  nothing is live yet, or the object store did not answer       retryable
    ├── ConnectionFailed             no connection, or it broke before the complete answer arrived    retryable
    ├── TimedOut                     no answer within the time limit                               retryable
    └── UnexpectedAnswer             an answer that does not come from a Larder service

``retryable`` is true if the same request may succeed a moment later. The client has then already repeated it, within
the limits of :class:`larder_client.Retry`. A 503 with the code ``not_ready`` is not repeated: a rollout has to end
first. An error with another status is an :class:`APIError` itself.

A wrong argument that is found before anything is sent raises ``ValueError`` or ``TypeError``. A local file that cannot
be read or written raises ``OSError``.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import ClassVar, Final

__all__ = [
    "APIError",
    "BadRequest",
    "ClientError",
    "ConnectionFailed",
    "Forbidden",
    "NotFound",
    "ServerError",
    "TimedOut",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Unprocessable",
    "UnsupportedMedia",
]

_RETRYABLE: Final = frozenset({429, 502, 503, 504})


class ClientError(Exception):
    """The base class of all errors of the client.

    Attributes:
        retryable: Whether the same request may succeed a moment later.
    """

    retryable = False


class APIError(ClientError):
    """The service, or the gateway in front of it, answered with an error status.

    Attributes:
        status: The HTTP status.
        code: The service's stable name of the error, such as ``not_found``. None if the gateway answered, which has no
            such name.
        message: What is wrong and what to do.
        retry_after: The seconds that the service asks to wait (``Retry-After``), or None.
    """

    status: int
    code: str | None
    message: str
    retry_after: float | None
    advice: ClassVar = "see the service's log"

    def __init__(self, status: int, code: str | None, message: str, retry_after: float | None = None) -> None:
        super().__init__(status, code, message, retry_after)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.retryable = status in _RETRYABLE and code != "not_ready"

    def __str__(self) -> str:
        return self.message


class BadRequest(APIError):
    """400: an invalid name, parameter, field or body."""

    advice = "check the request"


class Unauthorized(APIError):
    """401: the key is missing or not accepted."""

    advice = "pass a valid key to Client"


class Forbidden(APIError):
    """403: the key lacks a scope; or, without a code, the request is not signed, or the signer may not send it."""

    advice = "it accepts signed requests only; pass sign to Client, and allow the caller execute-api:Invoke"


class NotFound(APIError):
    """404: an unknown model, release, item, file or object, or, without a code, an unknown route."""

    advice = "it has no such route; check the URL that Client got"


class TooLarge(APIError):
    """413: more bytes or pixels than one request or answer can carry."""

    advice = "a request carries an image of at most 4.7 MB; scale it down, or store it and call classify_object"


class UnsupportedMedia(APIError):
    """415: the body is not an image of a supported format."""

    advice = "send a JPEG, PNG, WebP, GIF, HEIC or AVIF image"


class Unprocessable(APIError):
    """422: an image that does not decode, or a release that must not be served."""

    advice = "send another image, or ask another release"


class TooManyRequests(APIError):
    """429: the service is throttling."""

    advice = "wait, then try again"


class ServerError(APIError):
    """5xx: the service failed."""

    advice = "try again, and see the service's log if it goes on"


class Unavailable(ServerError):
    """503: nothing of the model is live yet (``not_ready``), or the object store or a worker did not answer."""

    advice = "try again"


class _NoAnswer(ClientError):
    """No complete answer arrived.

    Attributes:
        url: The URL of the request, without its query string, which may contain a user's id.
        reason: What went wrong, in a few words.
        retryable: Whether the same request may succeed a moment later.
    """

    url: str
    reason: str
    advice: ClassVar[str]

    def __init__(self, url: str, reason: str, *, retryable: bool = True) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.retryable = retryable

    def __str__(self) -> str:
        return f"No answer from {self.url} ({self.reason}): {self.advice}."


class ConnectionFailed(_NoAnswer):
    """The connection could not be made, or broke before the complete answer arrived."""

    advice = "check the URL, and that the service runs"


class TimedOut(_NoAnswer):
    """No answer within the client's ``timeout``."""

    advice = "try again, or pass a longer timeout to Client"


class UnexpectedAnswer(ClientError):
    """An answer that does not come from a Larder service, or comes from a version that this client does not know.

    Attributes:
        url: The URL of the request, without its query string.
        reason: What is unexpected about it.
    """

    url: str
    reason: str

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        advice = "check the URL, or upgrade the client"
        return f"{self.url} does not answer as a Larder service does ({self.reason}): {advice}."


_BY_STATUS: Final[Mapping[int, type[APIError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    413: TooLarge,
    415: UnsupportedMedia,
    422: Unprocessable,
    429: TooManyRequests,
    503: Unavailable,
}


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error for an answer with ``status``: with the message of the service, or with the status and advice."""
    error_class = _BY_STATUS.get(status, ServerError if status >= 500 else APIError)
    retry_after = _seconds(headers.get("retry-after"))
    try:
        error = json.loads(body)["error"]
        return error_class(status, str(error["code"]), str(error["message"]), retry_after)
    except (ValueError, KeyError, TypeError):
        message = f"The service answered {_phrase(status)}: {error_class.advice}."
        return error_class(status, None, message, retry_after)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:  # not a registered status
        return str(status)


def _seconds(header: str | None) -> float | None:
    """The seconds of ``Retry-After``, a number or a date (RFC 9110, section 10.2.3); None for anything else."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": UTC without a statement about the sender's zone
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
