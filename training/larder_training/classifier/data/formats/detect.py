"""Finds the format of a list by its content, and reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats import coco, cvat, ground_truth, label_studio
from larder_training.classifier.data.formats.columns import has_columns
from larder_training.classifier.data.formats.delimited import read_csv, read_rows
from larder_training.classifier.data.formats.entries import ImageList, ListOptions, ListText
from larder_training.classifier.data.formats.one_hot import is_one_hot, read_one_hot
from larder_training.classifier.data.formats.parsed import Parsed, Syntax, parse
from larder_training.classifier.data.formats.records import header_of, read_json_rows


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


def _flat_csv(source: Parsed, _options: ListOptions) -> bool:
    return label_studio.is_flat(read_rows(source.source)[1])


def _one_hot(source: Parsed, options: ListOptions) -> bool:
    _, header, rows = read_rows(source.source)
    return not has_columns(header, options.columns) and is_one_hot(source.name, header, rows, options)


FORMATS: Final = (  # the first that fits is read
    ListFormat("CVAT XML", "xml", lambda source, _: cvat.is_cvat(source), cvat.read_cvat),
    ListFormat("COCO JSON", "document", lambda source, _: coco.is_coco(source), coco.read_coco),
    ListFormat("Ground Truth", "rows", lambda source, _: ground_truth.is_manifest(source), ground_truth.read_manifest),
    ListFormat("Label Studio", "rows", lambda source, _: label_studio.is_tasks(source), label_studio.read_tasks),
    ListFormat(
        "Label Studio",
        "rows",
        lambda source, _: label_studio.is_flat(header_of(source.rows)),
        label_studio.read_flat_json,
    ),
    ListFormat("JSON", "rows", _always, read_json_rows),
    ListFormat("Label Studio", "delimited", _flat_csv, label_studio.read_flat_csv),
    ListFormat("one column for each class", "delimited", _one_hot, read_one_hot),
    ListFormat("CSV", "delimited", _always, lambda source, options: read_csv(source.source, options)),
)


def read_list(source: ListText, options: ListOptions) -> ImageList:
    """Reads a list in any of the formats.

    Raises:
        InvalidRequest: The list has another format or is invalid; the message names the line.
    """
    parsed = parse(source)
    syntaxes = {parsed.syntax} | ({"document"} if parsed.document is not None else set())
    if parsed.syntax == "document":
        syntaxes.add("rows")  # one object over several lines may also be the only row
    for known in FORMATS:
        if known.syntax in syntaxes and known.fits(parsed, options):
            return known.read(parsed, options)
    raise InvalidRequest(
        f"{source.name} has no format that Larder reads: give CSV, a Ground Truth manifest, COCO JSON, or an export of "
        "Label Studio or CVAT ('CVAT for images')."
    )
