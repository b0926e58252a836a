"""DetectCustomLabels and DetectLabels."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from larder.compat.aws_errors import AwsError
from larder.compat.aws_json import ModelResult
from larder.compat.parameters import Parameters
from larder.compat.rekognition.names import check_exists, version_of
from larder.compat.stored_images import read_image
from larder.errors import InvalidRequest, NotFound
from larder.host.release_cache import LoadedRelease
from larder.store import Store
from larder.web.model_service import ModelService
from larder.web.request import Request

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier, Label, Labels

_UNKNOWN: Final = "x-larder-unknown"
_MAX_RESULTS: Final = 1000
_DEFAULT_CONFIDENCE: Final = 55.0  # DetectLabels' own default; DetectCustomLabels has the labels' thresholds
_GENERAL: Final = "GENERAL_LABELS"
_CATEGORIES: Final = ("LabelCategoryInclusionFilters", "LabelCategoryExclusionFilters")
_FILTERS: Final = ("LabelInclusionFilters", "LabelExclusionFilters")
_MAX_FILTERS: Final = 100

Document = Mapping[str, object]


def detect_custom_labels(request: Request, service: "ModelService[Classifier]", values: Document) -> ModelResult:
    """The labels of an image by the model of a project version.

    Without MinConfidence, each label has its own threshold; with 0, all labels are returned.
    """
    parameters = Parameters(values, ("ProjectVersionArn", "Image", "MaxResults", "MinConfidence"))
    version = version_of(parameters.text("ProjectVersionArn"), service.model_of)
    most = parameters.integer("MaxResults", 0, 2**31 - 1, _MAX_RESULTS)
    confidence = parameters.number("MinConfidence", 0, 100)
    request.authorize(version.model)
    check_exists(version.model)
    loaded = service.loaded(request, version.model, release=version.release)
    found = _classify(request, loaded, _image(parameters, service.store), confidence)
    labels = [{"Name": label.name, "Confidence": _percent(label)} for label in found.labels[:most]]
    return _result(loaded, found, {"CustomLabels": labels})


def detect_labels(request: Request, service: "ModelService[Classifier]", values: Document) -> ModelResult:
    """The labels of an image by the default model.

    MinConfidence is 55 by default. Labels have no parents, aliases, categories or boxes.
    """
    parameters = Parameters(values, ("Image", "MaxLabels", "MinConfidence", "Features", "Settings"))
    most = parameters.integer("MaxLabels", 0, 2**31 - 1, _MAX_RESULTS)
    confidence = parameters.number("MinConfidence", 0, 100, _DEFAULT_CONFIDENCE)
    included, excluded = _filters(parameters)
    _check_features(parameters)
    loaded = service.loaded(request, service.default_model(request))
    _check_known(included, loaded.value.serving.labels)
    found = _classify(request, loaded, _image(parameters, service.store), confidence)
    labels = [
        _general(label)
        for label in found.labels
        if (not included or label.name.casefold() in included) and label.name.casefold() not in excluded
    ]
    return _result(loaded, found, {"Labels": labels[:most], "LabelModelVersion": loaded.manifest.release})


def _classify(
    request: Request, loaded: "LoadedRelease[Classifier]", image: bytes, confidence: float | None
) -> "Labels":
    found = loaded.value.classify(image, min_confidence=None if confidence is None else confidence / 100)
    request.note_classified(found)
    return found


def _result(loaded: "LoadedRelease[Classifier]", found: "Labels", document: Document) -> ModelResult:
    """The result; a header says what Rekognition has no field for: whether the image is unlike the training images."""
    unknown = {_UNKNOWN: str(found.unknown).lower()}
    return ModelResult(document, loaded.manifest.model, loaded.manifest.release, unknown)


def _image(parameters: Parameters, store: Store) -> bytes:
    """The image of ``Image.Bytes`` or ``Image.S3Object``."""
    image = parameters.child("Image", ("Bytes", "S3Object"))
    if ("Bytes" in image) == ("S3Object" in image):
        raise InvalidRequest("Image has neither or both of Bytes and S3Object: send one of them.")
    if "Bytes" in image:
        try:
            return base64.b64decode(image.text("Bytes"), validate=True)
        except ValueError as error:
            raise image.wrong("Bytes", "the image in base64") from error
    stored = image.child("S3Object", ("Bucket", "Name", "Version"))
    if "Version" in stored:
        raise AwsError("InvalidS3ObjectException", "Image.S3Object.Version is not supported: leave it out.")
    try:
        return read_image(store, stored.text("Bucket"), stored.text("Name"))
    except (InvalidRequest, NotFound) as error:
        raise AwsError("InvalidS3ObjectException", f"Image.S3Object: {error}") from error


def _filters(parameters: Parameters) -> tuple[frozenset[str], frozenset[str]]:
    """The labels that are included and excluded, in lower case."""
    settings = parameters.child("Settings", ("GeneralLabels", "ImageProperties"))
    if "ImageProperties" in settings:
        raise InvalidRequest("Settings.ImageProperties is not supported: this service returns labels only.")
    general = settings.child("GeneralLabels", (*_FILTERS, *_CATEGORIES))
    for name in _CATEGORIES:
        if general.texts(name, _MAX_FILTERS):
            raise InvalidRequest(f"Settings.GeneralLabels.{name}: labels have no categories here; filter by labels.")
    included, excluded = (frozenset(text.casefold() for text in general.texts(name, _MAX_FILTERS)) for name in _FILTERS)
    return included, excluded


def _check_features(parameters: Parameters) -> None:
    for feature in parameters.texts("Features", 2):
        if feature != _GENERAL:
            raise InvalidRequest(f"Features has {feature[:40]!r}: only {_GENERAL} is supported, which is the default.")


def _check_known(included: frozenset[str], labels: Sequence[str]) -> None:
    """Raise InvalidRequest if no label could ever pass the filter: an answer without labels would hide that."""
    if included and not included & {label.casefold() for label in labels}:
        raise InvalidRequest(
            "Settings.GeneralLabels.LabelInclusionFilters has no label of this model, whose labels are "
            f"{', '.join(labels[:20])}{' ...' if len(labels) > 20 else ''}."
        )


def _general(label: "Label") -> Document:
    nothing: list[object] = []
    return {
        "Name": label.name,
        "Confidence": _percent(label),
        "Instances": nothing,
        "Parents": nothing,
        "Aliases": nothing,
        "Categories": nothing,
    }


def _percent(label: "Label") -> float:
    return round(100 * label.confidence, 4)
