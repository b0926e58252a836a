"""Lists in CSV with any separator."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import Final

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.columns import choose_columns
from larder_training.classifier.data.formats.entries import ImageList, ListOptions, ListText
from larder_training.classifier.data.formats.records import Record, read_records
from larder_training.io.separators import Separator, find_separator
from larder_training.reporting.counts import counted

_SAMPLE: Final = 2**16  # characters to find the separator in
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+(,\d+)?")
Rows = list[tuple[int, list[str]]]  # each row with the number of the line that it ends on


def read_csv(source: ListText, options: ListOptions) -> ImageList:
    """The entries of a CSV with a header; columns other than image, label and split are side information."""
    separator, header, rows = read_rows(source)
    columns = choose_columns(source.name, header, options.columns)
    records = [_record(header, line, cells) for line, cells in rows]
    notes = []
    chosen = columns.describe()
    if separator.sign != ",":
        records = _with_decimal_points(records, {columns.path, columns.label, columns.split})
        chosen = f"{chosen or 'columns'} separated by {separator.name}"
    if chosen:
        notes.append(f"{source.name}: {chosen}.")
    result = read_records(source.name, records, columns, source.part, options)
    return replace(result, notes=(*notes, *result.notes))


def read_rows(source: ListText) -> tuple[Separator, list[str], Rows]:
    """The separator, the header, and the rows below it with their lines; rows without content are left out.

    Raises:
        InvalidRequest: The text has no header, or a quote is wrong; the message names the line.
    """
    separator = find_separator(source.text[:_SAMPLE])
    rows = _parsed(source, separator)
    _, header = next(rows, (0, []))
    if not header:
        raise InvalidRequest(f"{source.name} is empty: its first line must name the columns, such as path,label.")
    return separator, [cell.strip() for cell in header], list(rows)


def _parsed(source: ListText, separator: Separator) -> Iterator[tuple[int, list[str]]]:
    file = StringIO(source.text, newline="")
    for _ in range(separator.skip):
        file.readline()
    reader = csv.reader(file, delimiter=separator.sign, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num + separator.skip, row
    except csv.Error as error:
        line = reader.line_num + separator.skip
        raise InvalidRequest(
            f"{source.name} line {line} is not CSV ({error}). Put quotes around whole cells only, and double each "
            "quote inside a cell."
        ) from error


def _record(header: Sequence[str], line: int, cells: Sequence[str]) -> Record:
    where = f"line {line}"
    values = dict(zip(header, cells, strict=False))
    if any(cell.strip() for cell in cells[len(header) :]):
        widths = f"The row has {counted(len(cells), 'cell')}, and the header has {len(header)}"
        return Record(where, values, f"{widths}. Put quotes around cells with separators.")
    return Record(where, values)


def _with_decimal_points(records: Sequence[Record], read: set[str | None]) -> list[Record]:
    """Numbers with a decimal comma get a point, in columns that have only such numbers."""
    names = {name for record in records for name in record.cells if name not in read}
    decimal = set()
    for name in names:
        texts = [text for record in records if (text := str(record.cells.get(name, "")).strip())]
        if any("," in text for text in texts) and all(_DECIMAL_COMMA.fullmatch(text) for text in texts):
            decimal.add(name)
    return [
        Record(
            record.where,
            {name: str(cell).replace(",", ".") if name in decimal else cell for name, cell in record.cells.items()},
            record.problem,
        )
        for record in records
    ]
