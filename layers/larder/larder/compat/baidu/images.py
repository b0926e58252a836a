"""The recognisers of images. Every answer has the HTTP status 200; an error has ``error_code`` and ``error_msg``."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from larder.auth.request import query_pairs
from larder.compat.parameters import Parameters
from larder.errors import (
    Forbidden,
    InvalidRequest,
    LarderError,
    NotFound,
    NotReady,
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
    from larder.classifier.graph import Classifier, Label

    Service = ModelService[Classifier]


@dataclass(frozen=True, slots=True)
class _Recogniser:
    """How a recogniser answers.

    Attributes:
        name: The field that has the name of a label.
        number: How many labels it returns by default.
        score_as_text: Whether the score is a string.
    """

    name: str = "name"
    number: int = 5
    score_as_text: bool = False


_GENERAL: Final = "advanced_general"
# By the end of the path after image-classify/: those whose answer is a list of labels.
_RECOGNISERS: Final[Mapping[str, _Recogniser]] = {
    f"v2/{_GENERAL}": _Recogniser("keyword"),
    "v1/animal": _Recogniser(number=6, score_as_text=True),
    "v1/plant": _Recogniser(),
    "v1/flower": _Recogniser(),
    "v1/car": _Recogniser(),
    "v1/classify/ingredient": _Recogniser(),
}
_BASE: Final = "/rest/2.0/image-classify/"
_FIELDS: Final = frozenset({"image", "url", "top_num", "baike_num"})
_CUSTOM_FIELDS: Final = frozenset({"image", "url", "top_num", "threshold"})
_CUSTOM_NUMBER: Final = 6
_MOST: Final = 1000
_MESSAGES: Final = {
    2: "Service temporarily unavailable",
    3: "Unsupported openapi method",
    6: "No permission to access data",
    14: "IAM Certification failed",
    18: "Open api qps request limit reached",
    110: "Access token invalid or no longer valid",
    216100: "invalid param",
    216101: "not enough param",
    216200: "empty image",
    216201: "image format error",
    216202: "image size error",
    282000: "internal error",
}
# The first that fits. An access token that has expired is 110 too: its client gets a new one then, but not for 111.
_CODES: Final[Sequence[tuple[type[LarderError], int]]] = (
    (Unauthorized, 110),
    (Forbidden, 6),
    (TooManyRequests, 18),
    (NotFound, 3),
    (TooLarge, 216202),
    (UnsupportedMedia, 216201),
    (UnreadableImage, 216201),
    (RequestError, 216100),
    (NotReady, 2),
    (StoreError, 2),
    (ReleaseError, 2),
    (LarderError, 282000),
)
_SIGNED: Final = "bce-auth"


class _BaiduError(RequestError):
    """An error that has a code of its own.

    Attributes:
        number: Baidu's code.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number: Final = number


def recognise(request: Request, service: "Service") -> Response[str]:
    """The best labels of an image by a recogniser of Baidu's: its alias if it has one, else the default model."""
    path = request.http.path.removeprefix(_BASE)
    recogniser = _RECOGNISERS.get(path)
    if recogniser is None:
        raise NotFound(f"{path[:80]!r} is not answered here: use {', '.join(_RECOGNISERS)}.")
    kind = path.rpartition("/")[2]
    named = service.model_of(kind)
    model = service.default_model(request) if named == kind else named
    loaded = service.loaded(request, model)
    sent = _form(request)
    number = _whole(sent, "top_num", recogniser.number, low=1)
    described = _whole(sent, "baike_num", 0, low=0)
    found = loaded.value.classify(_image(sent), max_labels=number, min_confidence=0.0)
    request.note_classified(found)
    result = [_entry(label, recogniser, described=index < described) for index, label in enumerate(found.labels)]
    return _answer({"result_num": len(result), "result": result})


def classify(request: Request, service: "Service") -> Response[str]:
    """The labels of an image by a custom model, above their thresholds or that of the request."""
    loaded = service.loaded(request, service.model_of(request.path_parameter("name")))
    sent = request.json()
    parameters = Parameters(sent, _CUSTOM_FIELDS)
    number = parameters.integer("top_num", 1, _MOST, _CUSTOM_NUMBER)
    threshold = parameters.number("threshold", 0, 1)
    texts = {name: parameters.text(name) for name in ("image", "url") if name in parameters}
    found = loaded.value.classify(_image(texts), max_labels=number, min_confidence=threshold)
    request.note_classified(found)
    return _answer({"results": [{"name": label.name, "score": label.confidence} for label in found.labels]})


def format_error(problem: Problem, request: Request) -> Response[str]:
    """Baidu's form of an error, with its code and text, and what to do."""
    code = _code(problem.error)
    if code == 110 and request.header("authorization").startswith(_SIGNED):
        code = 14  # the client could get no token, and signs
    document = {"error_code": code, "error_msg": f"{_MESSAGES[code]}: {problem.message}", "log_id": _log_id()}
    headers = {name: value for name, value in problem.headers.items() if name != "www-authenticate"}
    return json_response(document, headers=headers)  # a challenge belongs to a 401


def _code(error: LarderError) -> int:
    if isinstance(error, _BaiduError):
        return error.number
    return next(code for kind, code in _CODES if isinstance(error, kind))


def _answer(document: Mapping[str, object]) -> Response[str]:
    return json_response({"log_id": _log_id(), **document})


def _log_id() -> int:
    return secrets.randbits(63)


def _entry(label: "Label", recogniser: _Recogniser, *, described: bool) -> dict[str, object]:
    score: object = str(label.confidence) if recogniser.score_as_text else label.confidence
    entry: dict[str, object] = {recogniser.name: label.name, "score": score}
    if recogniser.name == "keyword":
        entry["root"] = ""  # labels have no classes above them
    return {**entry, "baike_info": {}} if described else entry  # empty, as for what the encyclopedia lacks


def _form(request: Request) -> dict[str, str]:
    """The parameters of the form; raises InvalidRequest for one that is not known."""
    sent = dict(query_pairs(request.body().decode(errors="replace")))
    return {name: str(value) for name, value in Parameters(sent, _FIELDS).values.items()}


def _whole(sent: Mapping[str, str], name: str, default: int, *, low: int) -> int:
    text = sent.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= low):
        raise InvalidRequest(f"{name} is {text[:40]!r}: send a whole number from {low}.")
    return min(int(text), _MOST)


def _image(sent: Mapping[str, str]) -> bytes:
    """The bytes of ``image``."""
    if "image" not in sent:
        if "url" in sent:
            raise _BaiduError(
                216100, "url is not supported, since this service fetches nothing: send image, in base64."
            )
        raise _BaiduError(216101, "image is missing: send it in base64.")
    text = "".join(sent["image"].replace(" ", "+").split())  # a form that is not encoded for URLs loses each +
    if not text:
        raise _BaiduError(216200, "image is empty: send it in base64.")
    if text.startswith("data:"):
        raise _BaiduError(216201, "image is a data URL: send what follows the comma only.")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _BaiduError(216201, "image is not base64: send standard base64 with its padding.") from error
