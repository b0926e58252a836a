"""Larder's errors by the names of Personalize's exceptions, and the form that the runtime's clients read."""

from typing import Final

from larder.compat.aws_errors import AwsProblem, Names
from larder.errors import Conflict, LarderError, NotFound, NotReady, RequestError, StoreError, TooManyRequests
from larder.registry.stored_filters import FilterExists, TooManyFilters
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response

INVALID: Final = "InvalidInputException"
NOT_FOUND: Final = "ResourceNotFoundException"

NAMES: Final[Names] = {
    LarderError: ("InternalFailure", 500),
    StoreError: ("ServiceUnavailable", 503),
    Conflict: ("ServiceUnavailable", 503),  # clients try again
    RequestError: (INVALID, 400),
    NotFound: (NOT_FOUND, 404),
    NotReady: (NOT_FOUND, 404),  # no operation models a campaign that is not active
    TooManyRequests: ("ThrottlingException", 400),
}
CONTROL_NAMES: Final[Names] = {
    **NAMES,
    NotFound: (NOT_FOUND, 400),  # the status of every modelled error in AWS's JSON protocol
    NotReady: (NOT_FOUND, 400),
    FilterExists: ("ResourceAlreadyExistsException", 400),
    TooManyFilters: ("LimitExceededException", 400),
}


def runtime_error(problem: Problem, _: Request) -> Response[str]:
    """The response of AWS's REST JSON protocol: a header has the name of the exception, the body the message."""
    named = AwsProblem.of(problem, NAMES)
    headers = {**named.headers, "x-amzn-errortype": named.name}
    return json_response({"__type": named.name, "message": named.message}, status=named.status, headers=headers)
