"""AWS's JSON 1.1 protocol: ``POST /`` with the operation in the header ``X-Amz-Target``.

The module of each service has ``API``: its operations and the names of its errors. It is imported at its first request.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, TypeAlias

from larder.compat.aws_errors import AwsError, AwsProblem, Names, request_headers
from larder.errors import Forbidden, LarderError, NotReady, RequestError, StoreError
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_APIS: Final = {
    "RekognitionService": "larder.compat.rekognition.api",
    "AmazonPersonalize": "larder.compat.personalize.control.api",
}
# A path of a service's own leads to the function that answers it, which cannot answer the others.
_ONLY: Final = {"/rekognition": "RekognitionService", "/personalize": "AmazonPersonalize"}
_NAMES: Final[Names] = {
    LarderError: ("InternalFailure", 500),
    StoreError: ("ServiceUnavailable", 503),
    NotReady: ("ServiceUnavailable", 503),
    RequestError: ("ValidationException", 400),
    Forbidden: ("AccessDeniedException", 403),
}

Document: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ModelResult:
    """The result of an operation that a release answered.

    Attributes:
        document: The result.
        model: The model.
        release: The release.
        headers: Further headers of the response.
    """

    document: Document
    model: str
    release: str
    headers: Mapping[str, str] = field(default_factory=dict)


Operation: TypeAlias = Callable[[Request, Any, Document], ModelResult | Document]
"""An operation: from the request, what its function answers with, and the parameters to the result."""


@dataclass(frozen=True, slots=True)
class JsonApi:
    """One service.

    Attributes:
        operations: The operations by name.
        names: The names of the service's errors.
        unknown: The error for an operation that is not among ``operations``; every operation must model it.
    """

    operations: Mapping[str, Operation]
    names: Names
    unknown: str


def answer(request: Request, service: object) -> Response[str]:
    """Call the operation that the request names."""
    api, name = _target(request)
    if api is None or name not in api.operations:
        raise _unknown(api, name, _services(request))
    result = api.operations[name](request, service, request.json())
    if not isinstance(result, ModelResult):
        return json_response(result, content_type=CONTENT_TYPE, headers=request_headers())
    headers = {**request_headers(), **result.headers}
    return json_response(
        result.document, model=result.model, release=result.release, content_type=CONTENT_TYPE, headers=headers
    )


def format_error(problem: Problem, request: Request) -> Response[str]:
    """The response to a problem: ``__type`` has the name of the exception."""
    api, _ = _target(request)
    named = AwsProblem.of(problem, _NAMES if api is None else api.names)
    document = {"__type": named.name, "message": named.message}
    return json_response(document, status=named.status, content_type=CONTENT_TYPE, headers=named.headers)


def _target(request: Request) -> tuple[JsonApi | None, str]:
    """The service and the operation of a request; no service if it is none of these."""
    prefix, _, name = request.header("x-amz-target").rpartition(".")
    if prefix not in _services(request):
        return None, name
    api: JsonApi = import_module(_APIS[prefix]).API
    return api, name


def _services(request: Request) -> Collection[str]:
    """The services that answer at the path of the request."""
    only = _ONLY.get(request.http.path)
    return _APIS if only is None else (only,)


def _unknown(api: JsonApi | None, name: str, services: Collection[str]) -> AwsError:
    if api is None:
        return AwsError(
            "UnknownOperationException",
            f"The header X-Amz-Target does not name a service here: use {' or '.join(services)} with an operation.",
        )
    known = ", ".join(sorted(api.operations))
    return AwsError(api.unknown, f"{name[:80]!r} is not an operation of this service: it has {known}.")
