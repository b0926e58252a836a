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
    distinct_labels,
    part_named,
)
from larder_training.classifier.data.formats.parsed import Parsed
from larder_training.reporting.counts import counted

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
    empty = 0
    for image in root.iter("image"):
        name = image.get("name", "").strip()
        where, part = f"image {image.get('id', name)}", source.part or part_named(image.get("subset", ""))
        labels = distinct_labels([tag.get("label", "") for tag in image.iter("tag")])
        shapes = [
            (shape.get("label", ""), _rectangle(source, where, shape)) for kind in _SHAPES for shape in image.iter(kind)
        ]
        if labels:
            entries.append(ListedImage(where, name, labels, part))
        entries += [
            ListedImage(where, name, distinct_labels([label]), part, box=box) for label, box in shapes if label.strip()
        ]
        if not labels and not shapes:
            empty += 1
            unusable.append(Unusable(where, name, "It has no tag. Label it, or remove it."))
    if any(entry.box for entry in entries):  # images of background are ordinary in lists of boxes
        note = (f"{source.name}: {counted(empty, 'image')} without a box not used.",) if empty else ()
        return ImageList(tuple(entries), (), note)
    return ImageList(tuple(entries), tuple(unusable))


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
