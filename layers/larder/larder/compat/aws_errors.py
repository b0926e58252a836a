"""Errors in the form of AWS's services: the name of an exception that the caller's client has a class for."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from larder.errors import Forbidden, LarderError, Refusal, RequestError, Unauthorized
from larder.web.responses import Problem

Names: TypeAlias = Mapping[type[LarderError], tuple[str, int]]
"""The name and the HTTP status of a service's exception for each error; ``LarderError`` is for all others."""

# The names and statuses of the page "Common errors" of each service's API reference.
_REFUSALS: Final[Mapping[Refusal, str]] = {
    "missing": "MissingAuthenticationTokenException",
    "malformed": "IncompleteSignatureException",
    "unknown": "UnrecognizedClientException",
    "expired": "ExpiredTokenException",
    "signature": "InvalidSignatureException",
    "skewed": "InvalidSignatureException",  # as AWS answers to a date out of its window, except in S3
}
_REFUSED: Final = 403


class AwsError(RequestError):
    """An error that a service's own rules cause.

    Attributes:
        name: The name of the service's exception.
    """

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.name: Final = name
        self.status = status


@dataclass(frozen=True, slots=True)
class AwsProblem:
    """A problem as a service of AWS names it.

    Attributes:
        name: The name of the exception.
        status: The HTTP status.
        message: What is wrong and what to do.
        headers: The headers of every response of AWS, and ``retry-after`` where waiting helps.
    """

    name: str
    status: int
    message: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, problem: Problem, names: Names) -> "AwsProblem":
        """The problem by the names of one service."""
        name, status = _named(problem.error, names)
        headers = {} if isinstance(problem.error, Unauthorized) else problem.headers
        return cls(name, status, problem.message, {**request_headers(), **headers})


def request_headers() -> dict[str, str]:
    """The id by which clients of AWS know a response: boto3 has it as ``ResponseMetadata.RequestId``."""
    return {"x-amzn-requestid": str(uuid.uuid4())}


def _named(error: LarderError, names: Names) -> tuple[str, int]:
    if isinstance(error, AwsError):
        return error.name, error.status
    if isinstance(error, Unauthorized):
        return _REFUSALS[error.reason], _REFUSED
    if isinstance(error, Forbidden):
        return "AccessDeniedException", _REFUSED
    return next(names[kind] for kind in type(error).__mro__ if kind in names)
