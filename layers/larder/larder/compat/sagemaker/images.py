"""Bodies with images: an image itself, JSON with one image as native routes take it, or a form with several."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from larder.classifier.request import FIELDS, ClassificationRequest
from larder.compat.sagemaker.forms import has_form, read_rows
from larder.errors import InvalidRequest, RequestError, UnsupportedMedia
from larder.store import Store
from larder.web.request import Request, check_fields

if TYPE_CHECKING:
    from larder.classifier.graph import Classifier, Labels
    from larder.host.release_cache import LoadedRelease

_JSON: Final = "application/json"
_UNSPECIFIC: Final = ("", "application/octet-stream")
_IMAGE: Final = "application/x-image"  # of SageMaker's own image classifier
_OPTIONS: Final = ("max_labels", "min_confidence")
_FORMS: Final = 'an image in base64, {"b64": "..."}, or an object with the column "image" and side information'

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a body.

    Attributes:
        requests: One request for each image.
        several: Whether the body has a form with several, so that the answer is a list of predictions.
    """

    requests: Sequence[ClassificationRequest]
    several: bool

    @classmethod
    def of(cls, request: Request) -> "Images":
        """Read a body; raises InvalidRequest, UnsupportedMedia or TooLarge."""
        media_type, body = request.media_type, request.body()
        if media_type == _JSON or (media_type in _UNSPECIFIC and body.lstrip()[:1] == b"{"):
            return _read_json(request.json())
        if media_type == "text/csv":
            raise UnsupportedMedia(
                "A CSV of features is not supported: this model takes images. Send one as image/jpeg or image/png, or "
                f"several in base64 as {_JSON}."
            )
        plain = "" if media_type == _IMAGE else media_type
        return cls((ClassificationRequest.from_body(plain, body, {}),), several=False)


def classify(request: Request, loaded: "LoadedRelease[Classifier]", images: Images, store: Store) -> Document:
    """The answer: labels as native routes return them, or a list of these as ``predictions``."""
    if not images.several:
        found = _classify(loaded, images.requests[0], store)
        request.note_classified(found)
        return {"model": loaded.manifest.model, "release": loaded.manifest.release, **_document(found)}
    predictions = []
    for index, image in enumerate(images.requests):
        with _numbered(index):
            predictions.append(_document(_classify(loaded, image, store)))
    return {"predictions": predictions}


def _classify(loaded: "LoadedRelease[Classifier]", request: ClassificationRequest, store: Store) -> "Labels":
    return loaded.value.classify(
        request.image(store),
        side=request.side,
        max_labels=request.max_labels,
        min_confidence=request.min_confidence,
    )


def _document(found: "Labels") -> Document:
    labels = [{"name": label.name, "confidence": label.confidence} for label in found.labels]
    return {"labels": labels, "unknown": found.unknown}


def _read_json(document: Document) -> Images:
    if not has_form(document):
        check_fields(document, FIELDS)
        return Images((ClassificationRequest.from_json(document, {}),), several=False)
    rows, options = read_rows(document)
    check_fields(options, _OPTIONS)
    requests = []
    for index, row in enumerate(rows):
        with _numbered(index):
            requests.append(ClassificationRequest.from_json({**_row(row), **options}, {}))
    return Images(requests, several=True)


def _row(row: object) -> Document:
    """An input as the body of a native route: columns other than the image are side information."""
    columns = cast("Document", row) if isinstance(row, dict) else {"image": row}
    # The only column of a data frame is the image, whatever its name.
    names = [name for name in ("image", "object") if name in columns] or (list(columns) if len(columns) == 1 else [])
    value = columns[names[0]] if names else None
    if isinstance(value, dict) and set(value) == {"b64"}:
        value = value["b64"]
    if len(names) != 1 or not isinstance(value, str):
        raise InvalidRequest(f"It is not an image: send {_FORMS}.")
    side: object = {name: other for name, other in columns.items() if name not in names}
    if isinstance(side, dict) and set(side) == {"side"}:
        side = side["side"]
    return {"object" if names == ["object"] else "image": value, **({"side": side} if side else {})}


@contextmanager
def _numbered(index: int) -> Iterator[None]:
    """Say in an error of an input which one it is, from 0."""
    try:
        yield
    except RequestError as error:
        raise type(error)(f"Input {index}: {error}") from error
