"""Alibaba Cloud's image recognition (``imagerecog``): TaggingImage and RecognizeScene, in the RPC style.

Fields are those of PyPI's ``alibabacloud-imagerecog20190930``. Errors have Alibaba Cloud's form: Code, Message and
RequestId.
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from larder.compat.parameters import query_and_form
from larder.compat.stored_images import read_address
from larder.errors import (
    Forbidden,
    InvalidRequest,
    LarderError,
    NotFound,
    NotReady,
    Refusal,
    ReleaseError,
    RequestError,
    StoreError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    UnreadableImage,
    UnsupportedMedia,
)
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier

_ACTION_HEADER: Final = "x-acs-action"
_VERSION_HEADER: Final = "x-acs-version"
_ACTIONS: Final = ("TaggingImage", "RecognizeScene")
_VERSION: Final = "2019-09-30"
_URL: Final = "ImageURL"
_REFUSALS: Final[Mapping[Refusal, tuple[str, int]]] = {
    "missing": ("MissingAccessKeyId", 400),
    "malformed": ("IncompleteSignature", 400),
    "unknown": ("InvalidAccessKeyId.NotFound", 404),
    "expired": ("InvalidAccessKeyId.Inactive", 400),
    "signature": ("SignatureDoesNotMatch", 400),
    "skewed": ("InvalidTimeStamp.Expired", 400),
}
# The first that fits: the code and the HTTP status.
_CODES: Final[tuple[tuple[type[LarderError], tuple[str, int]], ...]] = (
    (Forbidden, ("NoPermission", 403)),
    (TooManyRequests, ("Throttling.User", 400)),  # its client retries by this code
    (TooLarge, ("InvalidFile.Size", 400)),
    (UnsupportedMedia, ("InvalidFile.Content", 400)),
    (UnreadableImage, ("InvalidFile.Content", 400)),
    (NotFound, ("InvalidModel.NotFound", 404)),
    (RequestError, ("InvalidParameter", 400)),
    (NotReady, ("ServiceUnavailable", 503)),
    (StoreError, ("ServiceUnavailable", 503)),
    (ReleaseError, ("ServiceUnavailable", 503)),
    (LarderError, ("InternalError", 500)),
)


class _AlibabaError(RequestError):
    """An error that has a code of its own.

    Attributes:
        name: Alibaba Cloud's code.
    """

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.name: Final = name
        self.status = status


def is_called(request: Request) -> bool:
    """Whether a request to ``/`` is one of this service: it names an action in a header, or as a parameter."""
    if request.header(_ACTION_HEADER):
        return True
    try:
        return "Action" in query_and_form(request)
    except InvalidRequest:  # the body cannot be read, which is for the protocol to report
        return False


def answer(request: Request, service: "ModelService[Classifier]") -> Response[str]:
    """The labels of an image above their thresholds, by the alias of the action, else by the default model."""
    values = query_and_form(request)
    action = request.header(_ACTION_HEADER) or values.get("Action", "")
    if action not in _ACTIONS:
        raise _AlibabaError(
            "InvalidAction.NotFound", f"{action[:80]!r} is not an action here: use {' or '.join(_ACTIONS)}.", 404
        )
    version = request.header(_VERSION_HEADER) or values.get("Version", "")
    if version != _VERSION:
        raise _AlibabaError("InvalidVersion", f"The version is {version[:40]!r}: use {_VERSION}.")
    named = service.model_of(action)
    loaded = service.loaded(request, service.default_model(request) if named == action else named)
    found = loaded.value.classify(_image(values, service))
    request.note_classified(found)
    tags = [{"Confidence": round(100 * label.confidence, 4), "Value": label.name} for label in found.labels]
    return json_response({"RequestId": _request_id(), "Data": {"Tags": tags}})


def format_error(problem: Problem, request: Request) -> Response[str]:
    """Alibaba Cloud's form of an error."""
    code, status = _code(problem.error)
    document = {
        "RequestId": _request_id(),
        "HostId": request.header("host"),
        "Code": code,
        "Message": problem.message,
    }
    headers = {name: value for name, value in problem.headers.items() if name != "www-authenticate"}
    return json_response(document, status=status, headers=headers)


def _code(error: LarderError) -> tuple[str, int]:
    if isinstance(error, _AlibabaError):
        return error.name, error.status
    if isinstance(error, Unauthorized):
        return _REFUSALS[error.reason]
    return next(named for kind, named in _CODES if isinstance(error, kind))


def _image(values: Mapping[str, str], service: "ModelService[Classifier]") -> bytes:
    url = values.get(_URL, "")
    if not url:
        raise _AlibabaError(
            f"Missing{_URL}", f"{_URL} is missing: send the address of an image in the service's bucket."
        )
    try:
        return read_address(service.store, url)
    except NotFound as error:
        raise _AlibabaError("InvalidFile.Download", str(error)) from error
    except InvalidRequest as error:
        raise _AlibabaError("InvalidFile.URL", str(error)) from error


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
