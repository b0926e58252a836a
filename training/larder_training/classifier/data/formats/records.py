"""Lists with one image per row: the rows of a CSV, the objects of JSON lines or of a JSON array."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from larder_training.classifier.data.formats.columns import Columns, choose_columns
from larder_training.classifier.data.formats.entries import (
    SEVERAL,
    Box,
    ImageList,
    ListedImage,
    ListOptions,
    Part,
    Side,
    Unusable,
    distinct_labels,
    part_in_cell,
    part_named,
)
from larder_training.classifier.data.formats.parsed import Parsed, header_of

_CORNERS: Final = frozenset({"xmin", "ymin", "xmax", "ymax"})
_SIZE: Final = frozenset({"width", "height"})
_NAMES: Final = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Record:
    """One row.

    Attributes:
        where: Its place, such as "line 4".
        cells: The values by column: texts, or values of JSON.
        problem: What is wrong with the row as a whole; None if nothing is.
    """

    where: str
    cells: Mapping[str, object]
    problem: str | None = None


def read_records(
    name: str, records: Iterable[Record], columns: Columns, part: Part | None, options: ListOptions
) -> ImageList:
    """The entries of a table.

    Args:
        name: The list's name in messages.
        records: The rows.
        columns: Which columns to read; the others are side information.
        part: The part of all images, if the list's folder states one.
        options: Whether an image may have several labels, or none.

    Raises:
        InvalidRequest: A value of the split is unknown; the message names the row.
    """
    entries: list[ListedImage] = []
    unusable: list[Unusable] = []
    splits = not columns.split_is_certain
    rows = list(records)
    if columns.split and splits and any(_odd_split(row, columns.split) for row in rows):
        columns = replace(columns, split=None)  # a column named "set" or "fold" with other values
    for row in rows:
        path, labels = _text(row.cells.get(columns.path)), _labels(row.cells.get(columns.label))
        may_be_empty = options.multi_label and row.cells.get(columns.label) is not None
        problem = row.problem or _problem(path, labels, columns, may_be_empty=may_be_empty)
        if problem:
            unusable.append(Unusable(row.where, path, problem))
            continue
        box = _box(row.cells)
        side = _side(row, columns, without=_CORNERS | _SIZE if box else frozenset())
        entries.append(ListedImage(row.where, path, labels, part or _part(name, row, columns.split), side, box))
    return ImageList(tuple(_divided(entries, options)), tuple(unusable), doubt=columns.doubt)


def read_json_rows(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of rows such as ``{"file_name": "a.png", "label": "cat"}``; other fields are side information."""
    header = header_of(source.rows)
    columns = choose_columns(source.name, header, options.columns)
    records = [Record(row.where, row.fields) for row in source.rows]
    result = read_records(source.name, records, columns, source.part, options)
    chosen = columns.describe()
    return replace(result, notes=(f"{source.name}: {chosen}.",) if chosen else ())


def _problem(path: str, labels: Sequence[str], columns: Columns, *, may_be_empty: bool) -> str | None:
    if not path:
        return f"{columns.path} is empty. Fill it in."
    if not labels and not may_be_empty:
        return f"{columns.label} is empty. Fill it in, or remove the row."
    for column, text in ((columns.path, path), (columns.label, " ".join(labels))):
        if "\n" in text or "\r" in text:
            return f'{column} spans lines ({text[:_NAMES]!r}): a quote (") is not closed. Correct the quotes.'
    return None


def _divided(entries: Sequence[ListedImage], options: ListOptions) -> Iterable[ListedImage]:
    """Labels such as ``cat|dog`` are several labels if one of them is also a label of its own.

    They always are where an image may have several.
    """
    if options.multi_label:
        for entry in entries:
            yield replace(
                entry, labels=distinct_labels([piece for label in entry.labels for piece in options.split(label)])
            )
        return
    known = {label for entry in entries for label in entry.labels}
    for entry in entries:
        pieces = [piece for label in entry.labels for piece in label.split(SEVERAL)]
        if len(pieces) > len(entry.labels) and any(piece.strip() in known for piece in pieces):
            yield replace(entry, labels=distinct_labels(pieces))
        else:
            yield entry


def _odd_split(row: Record, column: str) -> bool:
    text = _text(row.cells.get(column))
    return bool(text) and part_named(text) is None


def _part(name: str, row: Record, column: str | None) -> Part | None:
    return part_in_cell(f"{name} {row.where}", column, _text(row.cells.get(column))) if column else None


def _labels(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return distinct_labels([_text(item) for item in values])


def _text(value: object) -> str:
    """A cell as text: numbers of JSON without ".0", nothing for null and nested values."""
    match value:
        case str():
            return value.strip()
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case {"path": str(path)}:  # an image of Hugging Face's datasets
            return path.strip()
    return ""


def _box(cells: Mapping[str, object]) -> Box | None:
    """The rectangle of a row with its corners, as of Pascal VOC's and TensorFlow's tables."""
    corners = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        try:
            corners.append(float(_text(cells.get(name))))
        except ValueError:
            return None
    left, top, right, bottom = corners
    return (left, top, right, bottom) if right > left and bottom > top else None


def _side(row: Record, columns: Columns, without: frozenset[str]) -> Side:
    read = {columns.path, columns.label, columns.split, "", *without}
    side: dict[str, str | float] = {}
    for column, value in row.cells.items():
        if column in read or isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        kept = value.strip() if isinstance(value, str) else value
        if kept != "":
            side[column] = kept
    return side
