"""CSV and JSON files as other programs write them, made readable: UTF-8, one row per line, nothing out of place."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.csv_rows import LeftOut, well_formed, write_rows
from larder_training.io.json_rows import mixed_columns, write_as_texts, write_objects
from larder_training.io.separators import find_separator
from larder_training.io.text_encoding import as_utf8, decoded_blocks, detect_encoding
from larder_training.reporting.counts import counted

_MOSTLY: Final = 2  # a file of which more than one row in two is left out is refused


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text file that polars can read.

    Attributes:
        path: The file itself, or a corrected copy.
        separator: The character between the cells of CSV.
        skip: Lines before the header.
        left_out: Rows that cannot be read.
        notices: What was found, in sentences.
        schema: Of JSON: the types of the columns over all lines, once a reader needed them.
    """

    path: Path
    separator: str = ","
    skip: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    notices: tuple[str, ...] = ()
    schema: pl.Schema | None = None


def text_table(path: Path, name: str, kind: Literal["csv", "jsonl"], folder: Path) -> TextTable:
    """Checks a file, and writes a corrected copy to ``folder`` if it is not UTF-8 or has irregular rows.

    Args:
        path: The file, plain or gzip.
        name: Its name in messages.
        kind: Its format.
        folder: For the copy, which the caller deletes.

    Raises:
        InvalidRequest: It is empty, damaged, not text, or most of its rows are irregular.
    """
    if not path.stat().st_size:
        raise InvalidRequest(f"{name} is empty (0 bytes): write or copy it again.")
    utf8, encoding = as_utf8(path, name, folder)
    note = encoding.describe(name)
    notices = () if note is None else (note,)
    copy = folder / f"{sum(1 for _ in folder.iterdir())}-{path.name.removesuffix('.gz')}"
    if kind == "jsonl":
        if _objects_per_line(utf8):
            return TextTable(utf8, notices=notices)
        with copy.open("w", encoding="utf-8", errors="replace", newline="") as file:
            left_out = write_objects(decoded_blocks(path, name, encoding), file)
        left_out = _mostly_kept(left_out, name, "Write one JSON object per line, with column names as keys.")
        return TextTable(copy, left_out=left_out, notices=notices)
    separator = find_separator(next(decoded_blocks(path, name, encoding), ""))
    texts = _without_lines(decoded_blocks(path, name, encoding), separator.skip)
    if well_formed(texts, separator.sign):
        return TextTable(utf8, separator.sign, separator.skip, notices=notices)
    texts = _without_lines(decoded_blocks(path, name, encoding), separator.skip)
    with copy.open("w", encoding="utf-8", errors="replace", newline="") as file:
        left_out = write_rows(texts, separator.sign, file, separator.skip)
    remedy = "Give every row as many cells as the header has, with quotes around cells that contain separators."
    return TextTable(copy, separator.sign, 0, _mostly_kept(left_out, name, remedy), notices)


def with_mixed_as_texts(table: TextTable, name: str, folder: Path) -> TextTable:
    """The table itself, or a copy in ``folder`` with texts in the columns that mix lists with other values.

    Args:
        table: JSON with one object per line.
        name: The file's name in messages.
        folder: For the copy, which the caller deletes.
    """
    encoding = detect_encoding(table.path, name)
    columns = mixed_columns(decoded_blocks(table.path, name, encoding))
    if not columns:
        return table
    copy = folder / f"{sum(1 for _ in folder.iterdir())}-texts.jsonl"
    with copy.open("w", encoding="utf-8", errors="replace", newline="") as file:
        write_as_texts(decoded_blocks(table.path, name, encoding), columns, file)
    verb = "mixes" if len(columns) == 1 else "mix"
    note = f"{name}: {', '.join(columns)} {verb} lists with other values; all are read as texts, lists joined by |."
    return replace(table, path=copy, notices=(*table.notices, note))


def _without_lines(texts: Iterator[str], lines: int) -> Iterator[str]:
    """The blocks without the first lines."""
    yield next(texts, "").split("\n", lines)[-1]
    yield from texts


def _objects_per_line(path: Path) -> bool:
    """Whether polars can parse every line."""
    column = pl.scan_ndjson(path, schema={"": pl.String}).select(pl.col("").null_count())
    try:
        column.collect(engine="streaming")
    except pl.exceptions.PolarsError:
        return False
    return True


def _mostly_kept(left_out: LeftOut, name: str, remedy: str) -> LeftOut:
    if left_out.count * _MOSTLY > left_out.count + left_out.rows:
        raise InvalidRequest(
            f"{name}: {left_out.count:,} of {counted(left_out.count + left_out.rows, 'row')} cannot be read; "
            f"{left_out.example}. {remedy}"
        )
    return left_out
