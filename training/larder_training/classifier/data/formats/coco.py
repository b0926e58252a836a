"""COCO JSON: categories of whole images, or of boxes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import (
    Box,
    ImageList,
    ListedImage,
    ListOptions,
    Unusable,
    entries_of,
    without_background,
)
from larder_training.classifier.data.formats.parsed import Parsed

_WHOLE: Final = 0.999  # a box that covers this share of width and height is the whole image

Object = Mapping[str, object]


def is_coco(source: Parsed) -> bool:
    """Whether a document has COCO's lists of images and annotations."""
    document = source.document or {}
    return isinstance(document.get("images"), list) and isinstance(document.get("annotations"), list)


def read_coco(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of a COCO document: one for each image with categories, and one for each box.

    Where an image may have several labels, one without annotations is an entry without labels.

    Raises:
        InvalidRequest: An annotation names an image or a category that the document does not have.
    """
    document = source.document or {}
    categories = {_id(row, "id"): str(row.get("name") or "") for row in _objects(document, "categories")}
    annotations: defaultdict[object, list[Object]] = defaultdict(list)
    images = _objects(document, "images")
    known = {_id(row, "id") for row in images}
    for number, row in enumerate(_objects(document, "annotations"), 1):
        for kind, key, existing in (("image", "image_id", known), ("category", "category_id", categories)):
            if _id(row, key) not in existing:
                raise InvalidRequest(
                    f"{source.name} annotation {number} has {key} {row.get(key)!r}, but there is no such {kind}. "
                    "Export it again."
                )
        annotations[_id(row, "image_id")].append(row)
    return _entries(source, images, annotations, categories, options)


def _entries(
    source: Parsed,
    images: Sequence[Object],
    annotations: Mapping[object, Sequence[Object]],
    categories: Mapping[object, str],
    options: ListOptions,
) -> ImageList:
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for number, image in enumerate(images, 1):
        where, name = f"image {number}", str(image.get("file_name") or "").strip()
        found = [
            (categories[_id(row, "category_id")], _box(row, image)) for row in annotations.get(_id(image, "id"), ())
        ]
        if not name:
            unusable.append(Unusable(where, "", "It has no file_name. Export it again."))
            continue
        listed = ListedImage(where, name, (), source.part)
        labelled = [listed] if not found and options.multi_label else entries_of(listed, found)
        entries += labelled
        if not labelled:
            unusable.append(Unusable(where, name, "It has no annotation. Label it, or remove it."))
    return without_background(source.name, entries, unusable)


def _box(row: Object, image: Object) -> Box | None:
    """The rectangle of an annotation; None if it has none or covers the image."""
    values = row.get("bbox")
    if not isinstance(values, list) or len(values) != 4 or not all(isinstance(value, int | float) for value in values):
        return None
    left, top, width, height = map(float, values)
    sides = image.get("width"), image.get("height")
    if all(isinstance(side, int | float) for side in sides):
        shares = [length / float(str(side)) for length, side in zip((width, height), sides, strict=True) if side]
        if shares and min(shares) >= _WHOLE:
            return None
    return (left, top, left + width, top + height) if width > 0 and height > 0 else None


def _objects(document: Object, key: str) -> list[Object]:
    rows = document.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _id(row: Object, key: str) -> object:
    """An id as text: some tools write numbers in quotes."""
    value = row.get(key)
    return None if value is None else str(value)
