"""Finds the format of a list by its content, and reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats import coco, cvat, ground_truth, label_studio
from larder_training.classifier.data.formats.delimited import read_csv
from larder_training.classifier.data.formats.entries import ImageList, ListOptions, ListText
from larder_training.classifier.data.formats.one_hot import is_one_hot, read_one_hot
from larder_training.classifier.data.formats.parsed import Parsed, Syntax, header_of, parse
from larder_training.classifier.data.formats.records import read_json_rows


@dataclass(frozen=True, slots=True)
class ListFormat:
    """A format of lists.

    Attributes:
        name: Its name in messages.
        syntax: Its syntax.
        fits: Whether a list of this syntax has this format.
        read: Reads it.
    """

    name: str
    syntax: Syntax
    fits: Callable[[Parsed, ListOptions], bool]
    read: Callable[[Parsed, ListOptions], ImageList]


def _always(_source: Parsed, _options: ListOptions) -> bool:
    return True


FORMATS: Final = (  # the first that fits is read
    ListFormat("CVAT XML", "xml", lambda source, _: cvat.is_cvat(source), cvat.read_cvat),
    ListFormat("COCO JSON", "rows", lambda source, _: coco.is_coco(source), coco.read_coco),
    ListFormat("Ground Truth", "rows", lambda source, _: ground_truth.is_manifest(source), ground_truth.read_manifest),
    ListFormat("Label Studio", "rows", lambda source, _: label_studio.is_tasks(source), label_studio.read_tasks),
    ListFormat(
        "Label Studio",
        "rows",
        lambda source, _: label_studio.is_flat(header_of(source.rows)),
        label_studio.read_flat_json,
    ),
    ListFormat("JSON", "rows", _always, read_json_rows),
    ListFormat(
        "Label Studio",
        "delimited",
        lambda source, _: label_studio.is_flat(source.table.header),
        label_studio.read_flat_csv,
    ),
    ListFormat("one column for each class", "delimited", is_one_hot, read_one_hot),
    ListFormat("CSV", "delimited", _always, read_csv),
)


def read_list(source: ListText, options: ListOptions) -> ImageList:
    """Reads a list in any of the formats.

    Raises:
        InvalidRequest: The list has another format or is invalid; the message names the line.
    """
    parsed = parse(source)
    for known in FORMATS:
        if known.syntax == parsed.syntax and known.fits(parsed, options):
            return known.read(parsed, options)
    raise InvalidRequest(
        f"{source.name} has no format that Larder reads: give CSV, a Ground Truth manifest, COCO JSON, or an export of "
        "Label Studio or CVAT ('CVAT for images')."
    )
