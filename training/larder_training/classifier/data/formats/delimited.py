"""Lists in CSV with any separator."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from larder_training.classifier.data.formats.columns import choose_columns
from larder_training.classifier.data.formats.entries import ImageList, ListOptions
from larder_training.classifier.data.formats.parsed import Parsed
from larder_training.classifier.data.formats.records import Record, read_records
from larder_training.reporting.counts import counted

_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+(,\d+)?")


def read_csv(source: Parsed, options: ListOptions) -> ImageList:
    """The entries of a CSV with a header; columns other than image, label and split are side information."""
    table = source.table
    columns = choose_columns(source.name, table.header, options.columns)
    records = [_record(table.header, line, cells) for line, cells in table.rows]
    notes = []
    chosen = columns.describe()
    if table.separator.sign != ",":
        records = _with_decimal_points(records, {columns.path, columns.label, columns.split})
        chosen = f"{chosen or 'columns'} separated by {table.separator.name}"
    if chosen:
        notes.append(f"{source.name}: {chosen}.")
    result = read_records(source.name, records, columns, source.part, options)
    return replace(result, notes=(*notes, *result.notes))


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
