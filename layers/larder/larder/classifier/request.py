"""A classification request: an image, sent or stored, side information and options."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from larder.errors import InvalidRequest, MissingObject, NotFound, TooLarge, UnsupportedMedia
from larder.store import Store

MAX_SENT: Final = 6 * 2**20 * 3 // 4  # Lambda takes events of 6 MiB, and base64 makes 4 bytes of 3
MAX_STORED: Final = 20_000_000
OPTIONS: Final = frozenset({"max_labels", "min_confidence"})
FIELDS: Final = OPTIONS | {"image", "object", "side"}

_MAX_LABELS: Final = 1000
_JSON: Final = "application/json"
# Letters of any script, but no character that is special in a URL, a shell or a file system; no segment of dots.
_UPLOAD = re.compile(r"(?=.{9,250}$)uploads(/(?!\.+(/|$))[\w .()+,=@!'&~-]+)+")
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")
_DECIMAL: Final = re.compile(r"-?[0-9]{0,20}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?")
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class ClassificationRequest:
    """A classification request.

    Attributes:
        sent: The bytes of the image, or None if ``key`` names it.
        key: The key of the image in the store, or None if it was sent.
        max_labels: The maximum number of labels, or None for all.
        min_confidence: The threshold of all labels, or None for those of the release.
        side: Side information: JSON values by column, which the release's columns will check.
    """

    sent: bytes | None
    key: str | None
    max_labels: int | None
    min_confidence: float | None
    side: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def from_body(cls, media_type: str, data: bytes, query: Mapping[str, str]) -> "ClassificationRequest":
        """Read a request whose body is the image.

        ``media_type`` must be an image's or unspecific; the content decides the format. Raises UnsupportedMedia,
        TooLarge, or InvalidRequest for an invalid option.
        """
        if media_type not in {"", "application/octet-stream"} and not media_type.startswith("image/"):
            raise UnsupportedMedia(
                f"A body of type {media_type[:80]!r} is not supported: send image/jpeg, image/png, image/webp, "
                f"image/gif, image/heic or image/avif, or {_JSON}."
            )
        return cls(_sent(data), None, *_options(_read_options(query)))

    @classmethod
    def from_json(cls, document: Mapping[str, object], query: Mapping[str, str]) -> "ClassificationRequest":
        """Read a request in JSON: ``image`` (base64) or ``object`` (a key under uploads/), ``side`` and options.

        Raises InvalidRequest or TooLarge.
        """
        options = (*_options({**_read_options(query), **document}), _side(document.get("side")))
        match document.get("image"), document.get("object"):
            case str(text), None:
                return cls(_sent(_decoded(text)), None, *options)
            case None, str(key) if _UPLOAD.fullmatch(key):
                return cls(None, key, *options)
            case None, str(key):
                raise InvalidRequest(
                    f"object is {key[:80]!r}: use a key under uploads/ of letters, digits, spaces and any of "
                    "()+,=@!'&~_-./ with at most 250 characters, such as uploads/cat.jpg."
                )
        raise InvalidRequest('Send one image as a string: either "image" in base64, or "object", a key under uploads/.')

    def image(self, store: Store) -> bytes:
        """The bytes of the image; a stored image is read now, after a check of its size.

        Raises NotFound or TooLarge.
        """
        if self.key is None:
            return self.sent or b""
        try:
            size = store.size(self.key)
            if size > MAX_STORED:
                raise TooLarge(f"{self.key!r} has {size} bytes; the limit is {MAX_STORED}: scale it down.")
            return store.get(self.key).data
        except MissingObject as error:
            raise NotFound(f"The store has no object {self.key!r}: upload it first.") from error


def _side(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest('side is not a JSON object: send columns and values, such as {"PLACE": "Berlin"}.')
    return cast("Mapping[str, object]", value)


def _sent(data: bytes) -> bytes:
    if len(data) > MAX_SENT:
        raise TooLarge(
            f"This image has {len(data)} bytes; the limit of a request is {MAX_SENT}: scale it down, or store it "
            'under uploads/ and send {"object": "uploads/..."}.'
        )
    return data


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise InvalidRequest("image is not base64: send standard base64 with its padding.") from error


def _read_options(query: Mapping[str, str]) -> Mapping[str, object]:
    """The options of a query string as JSON values; other text is refused later."""
    return {name: _parse_number(text) if name in OPTIONS else text for name, text in query.items()}


def _parse_number(text: str) -> object:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _options(values: Mapping[str, object]) -> tuple[int | None, float | None]:
    return _number(values, "max_labels", int, 1, _MAX_LABELS), _number(values, "min_confidence", float, 0.0, 1.0)


def _number(values: Mapping[str, object], name: str, kind: type[N], low: N, high: N) -> N | None:
    """A JSON number within the bounds, which NaN never is; text that looks like a number is refused."""
    if name not in values:
        return None
    value = values[name]
    if isinstance(value, (int, kind)) and not isinstance(value, bool) and low <= value <= high:
        return kind(value)
    expected = {int: "a whole number", float: "a number"}[kind]
    raise InvalidRequest(f"{name} is {value!r:.40}: use {expected} from {low:g} to {high:g}.")
