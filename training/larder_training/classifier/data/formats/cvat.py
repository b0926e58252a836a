"""CVAT's XML for images: ``<tag>`` labels an image, ``<box>`` and ``<polygon>`` a part of it."""

from typing import Final
from xml.etree.ElementTree import Element

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import (
    Box,
    ImageList,
    ListedImage,
    ListOptions,
    Unusable,
    entries_of,
    part_named,
    without_background,
)
from larder_training.classifier.data.formats.parsed import Parsed

_SHAPES: Final = ("box", "polygon")


def is_cvat(source: Parsed) -> bool:
    """Whether an XML document is CVAT's."""
    return source.xml is not None and source.xml.tag == "annotations"


def read_cvat(source: Parsed, _options: ListOptions) -> ImageList:
    """The entries of CVAT's XML: one for each image with tags, and one for each box.

    Raises:
        InvalidRequest: The document is of a video, or a box has no numbers.
    """
    root = source.xml
    if root is None or (root.find("track") is not None and root.find("image") is None):
        raise InvalidRequest(f"{source.name} has the tracks of a video: export it as 'CVAT for images'.")
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    for image in root.iter("image"):
        name = image.get("name", "").strip()
        where, part = f"image {image.get('id', name)}", source.part or part_named(image.get("subset", ""))
        tags: list[tuple[str, Box | None]] = [(tag.get("label", ""), None) for tag in image.iter("tag")]
        shapes = [
            (shape.get("label", ""), _rectangle(source, where, shape)) for kind in _SHAPES for shape in image.iter(kind)
        ]
        found = entries_of(ListedImage(where, name, (), part), [*tags, *shapes])
        entries += found
        if not found:
            unusable.append(Unusable(where, name, "It has no tag. Label it, or remove it."))
    return without_background(source.name, entries, unusable)


def _rectangle(source: Parsed, where: str, shape: Element) -> Box:
    try:
        if shape.tag == "box":
            return (
                float(shape.get("xtl", "")),
                float(shape.get("ytl", "")),
                float(shape.get("xbr", "")),
                float(shape.get("ybr", "")),
            )
        points = [tuple(map(float, point.split(","))) for point in shape.get("points", "").split(";")]
        across, down = [point[0] for point in points], [point[1] for point in points]
        return min(across), min(down), max(across), max(down)
    except (ValueError, IndexError) as error:
        raise InvalidRequest(f"{source.name} {where}: a {shape.tag} has no valid corners. Export it again.") from error
