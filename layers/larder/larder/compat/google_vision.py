"""Google Cloud Vision: ``images:annotate`` with LABEL_DETECTION, as the client library sends it over REST.

Field names, numbers of enums and codes are those of ``google/cloud/vision/v1/image_annotator.proto`` and
``google/rpc/code.proto``. JSON names may be in camel or snake case, as protocol buffers' JSON allows.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from larder.compat.parameters import Parameters
from larder.compat.stored_images import read_address
from larder.errors import InvalidRequest, NotFound, NotReady, ReleaseError, RequestError
from larder.host.release_cache import LoadedRelease
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier

    Service = ModelService[Classifier]

METHOD: Final = "images:annotate"
MAX_IMAGES: Final = 16
_DEFAULT_RESULTS: Final = 10
_MAX_RESULTS: Final = 1000
_BUILTIN: Final = ("", "builtin/stable", "builtin/latest")
_LABELS: Final = "LABEL_DETECTION"
_FEATURES: Final = {
    0: "TYPE_UNSPECIFIED",
    1: "FACE_DETECTION",
    2: "LANDMARK_DETECTION",
    3: "LOGO_DETECTION",
    4: _LABELS,
    5: "TEXT_DETECTION",
    6: "SAFE_SEARCH_DETECTION",
    7: "IMAGE_PROPERTIES",
    9: "CROP_HINTS",
    10: "WEB_DETECTION",
    11: "DOCUMENT_TEXT_DETECTION",
    12: "PRODUCT_SEARCH",
    19: "OBJECT_LOCALIZATION",
}
# By HTTP status: the name of Google's code, and its number.
_CODES: Final[Mapping[int, tuple[str, int]]] = {
    400: ("INVALID_ARGUMENT", 3),
    401: ("UNAUTHENTICATED", 16),
    403: ("PERMISSION_DENIED", 7),
    404: ("NOT_FOUND", 5),
    429: ("RESOURCE_EXHAUSTED", 8),
    500: ("INTERNAL", 13),
    503: ("UNAVAILABLE", 14),
}
_UNIMPLEMENTED: Final = 12
_INVALID: Final = frozenset({413, 415, 422})  # Google has 400 for these
# Parameters of every API of Google that change no answer here; $alt and alt ask for JSON.
_QUERY: Final = frozenset({"$alt", "alt", "prettyPrint", "$prettyPrint", "quotaUser", "$.xgafv", "$httpHeaders"})
_SNAKE = re.compile(r"_([a-z])")
_DEPTH: Final = 6  # requests, an entry, image, source, imageUri; no further, however deep a document is


@dataclass(frozen=True, slots=True)
class _ImageRequest:
    """What one entry of a batch asks for.

    Attributes:
        content: The bytes of the image, or None if ``uri`` names it.
        uri: The address of the image, or empty.
        labels: For each LABEL_DETECTION, its model, empty for the default one, and how many labels it wants.
        unsupported: The names of other features.
    """

    content: bytes | None
    uri: str
    labels: Sequence[tuple[str, int]]
    unsupported: Sequence[str]


def annotate(request: Request, service: "Service") -> Response[str]:
    """Label up to 16 images; what is wrong with one image is an error of that image alone."""
    method = request.path_parameter("method")
    if method != METHOD:
        raise NotFound(f"{method[:80]!r} is not a method of this service: use POST /v1/{METHOD}.")
    request.authorize()  # also a batch without LABEL_DETECTION, which needs no model
    request.check_parameters(_QUERY)
    if not request.query.get("$alt", request.query.get("alt", "json")).startswith("json"):
        raise InvalidRequest("alt is not json: this service answers in JSON only.")
    images = _read(_camel_case(request.json()))
    names = {name for image in images for name, _ in image.labels}
    loaded = {name: _load(request, service, name) for name in names}
    return json_response({"responses": [_annotated(image, loaded, service) for image in images]})


def format_error(problem: Problem, _: Request) -> Response[str]:
    """Google's form of an error."""
    status = NotReady.status if isinstance(problem.error, ReleaseError) else _http_status(problem.status)
    document = {"error": {"code": status, "message": problem.message, "status": _CODES[status][0]}}
    return json_response(document, status=status, headers=problem.headers)


def _http_status(status: int) -> int:
    if status in _CODES:
        return status
    return 400 if status in _INVALID else 500


def _load(request: Request, service: "Service", name: str) -> "LoadedRelease[Classifier]":
    model = service.default_model(request) if name in _BUILTIN else service.model_of(name)
    return service.loaded(request, model)


def _annotated(
    image: _ImageRequest, loaded: "Mapping[str, LoadedRelease[Classifier]]", service: "Service"
) -> dict[str, object]:
    answer: dict[str, object] = {}
    try:
        labels = _labels(image, loaded, service) if image.labels else []
        if labels:
            answer["labelAnnotations"] = labels
    except RequestError as error:
        return {"error": _status(error)}
    if image.unsupported:
        message = f"{', '.join(image.unsupported)}: not supported; this service answers {_LABELS} only."
        answer["error"] = {"code": _UNIMPLEMENTED, "message": message}
    return answer


def _labels(
    image: _ImageRequest, loaded: "Mapping[str, LoadedRelease[Classifier]]", service: "Service"
) -> list[dict[str, object]]:
    data = image.content if image.content is not None else read_address(service.store, image.uri)
    return [
        {"description": label.name, "score": label.confidence, "topicality": label.confidence}
        for name, most in image.labels
        for label in loaded[name].value.classify(data, max_labels=most).labels
    ]


def _status(error: RequestError) -> dict[str, object]:
    return {"code": _CODES[_http_status(error.status)][1], "message": str(error)}


def _read(document: Mapping[str, object]) -> list[_ImageRequest]:
    """The entries of the batch; raises InvalidRequest."""
    parameters = Parameters(document, ("requests", "parent", "labels"))
    entries = parameters.values.get("requests")
    if not isinstance(entries, list) or not entries:
        raise InvalidRequest("requests is missing or empty: send 1 to 16 images with their features.")
    if len(entries) > MAX_IMAGES:
        raise InvalidRequest(f"requests has {len(entries)} images: send at most {MAX_IMAGES}.")
    return [_read_entry(entry, f"requests[{index}].") for index, entry in enumerate(entries)]


def _read_entry(entry: object, path: str) -> _ImageRequest:
    parameters = Parameters(_object(entry, path), ("image", "features", "imageContext"), path)
    image = parameters.child("image", ("content", "source"))
    source = image.child("source", ("gcsImageUri", "imageUri"))
    features = parameters.values.get("features")
    if not image.values or not isinstance(features, list) or not features:
        raise InvalidRequest(f"{path[:-1]}: the request must specify image and features.")
    read = [_read_feature(feature, f"{path}features[{index}].") for index, feature in enumerate(features)]
    uri = source.text("imageUri", "") or source.text("gcsImageUri", "")
    if "content" not in image and not uri:
        raise InvalidRequest(f"{path}image has neither content nor the URI of a source: send one of them.")
    return _ImageRequest(
        content=_decoded(image) if "content" in image else None,  # content takes precedence, as in Google's service
        uri=uri,
        labels=[(model, most) for name, model, most in read if name == _LABELS],
        unsupported=[name for name, _, _ in read if name != _LABELS],
    )


def _read_feature(feature: object, path: str) -> tuple[str, str, int]:
    """The name of a feature, its model, and how many results it wants."""
    parameters = Parameters(_object(feature, path), ("type", "maxResults", "model"), path)
    kind: Any = parameters.values.get("type", 0)
    name = kind if isinstance(kind, str) else _FEATURES.get(kind) if type(kind) is int else None
    if name is None or name not in _FEATURES.values():
        raise parameters.wrong("type", f"{_LABELS} or 4")
    most = parameters.integer("maxResults", 0, 2**31 - 1, 0) or _DEFAULT_RESULTS
    model = parameters.text("model", "")
    return name, "" if model in _BUILTIN else model, min(most, _MAX_RESULTS)


def _decoded(image: Parameters) -> bytes:
    """The bytes of ``content``: Base64 of either alphabet, with or without padding, as protocol buffers read it."""
    text = "".join(image.text("content").split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise image.wrong("content", "the image in base64") from error


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path[:-1]} is not an object: send names and values.")
    return value


def _camel_case(value: Any, depth: int = _DEPTH) -> Any:  # noqa: ANN401  # any JSON
    """The document with its names in camel case, as far down as the request goes."""
    if not depth:
        return value
    if isinstance(value, dict):
        return {_SNAKE.sub(lambda match: match[1].upper(), k): _camel_case(v, depth - 1) for k, v in value.items()}
    return [_camel_case(entry, depth - 1) for entry in value] if isinstance(value, list) else value
