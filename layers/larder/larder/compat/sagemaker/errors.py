"""The runtime's errors. What a container would answer to a body is a ModelError, with that answer inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from larder.compat.aws_errors import AwsProblem, Names
from larder.errors import (
    LarderError,
    MissingObject,
    NotReady,
    ReleaseError,
    RequestError,
    StoreError,
    TooManyRequests,
)
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, encode_json, json_response

_NAMES: Final[Names] = {
    LarderError: ("InternalFailure", 500),
    MissingObject: ("InternalDependencyException", 530),  # no retry helps, and boto3 tries none
    NotReady: ("ModelNotReadyException", 429),
    ReleaseError: ("ModelError", 424),
    RequestError: ("ValidationError", 400),
    StoreError: ("ServiceUnavailable", 503),
    TooManyRequests: ("ThrottlingException", 429),
}


class RefusedBody(RequestError):
    """A body that the model refuses.

    Attributes:
        refusal: The refusal.
    """

    status = 424

    def __init__(self, refusal: RequestError) -> None:
        super().__init__(str(refusal))
        self.refusal: Final = refusal


class NotAcceptable(RequestError):
    """The caller accepts none of the media types of the answer."""

    status = 406


@contextmanager
def of_the_body() -> Iterator[None]:
    """Raise RefusedBody in place of errors of a request."""
    try:
        yield
    except RequestError as error:
        raise RefusedBody(error) from error


def format_error(problem: Problem, _: Request) -> Response[str]:
    """The response to a problem, with the name of the exception in the header ``x-amzn-errortype``."""
    error = problem.error.refusal if isinstance(problem.error, RefusedBody) else problem.error
    refused = isinstance(problem.error, RefusedBody | ReleaseError)
    named = AwsProblem.of(problem, {**_NAMES, RefusedBody: _NAMES[ReleaseError]})
    document: dict[str, object] = {"Message": named.message}
    if refused:
        original = {"error": {"code": error.code, "message": named.message}}
        document = {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "Message": f'Received client error ({error.status}) from the model with message "{named.message}"',
            "OriginalStatusCode": error.status,
            "OriginalMessage": encode_json(original),
            "LogStreamArn": "",
        }
    return json_response(document, status=named.status, headers={**named.headers, "x-amzn-errortype": named.name})
