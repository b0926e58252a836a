"""Reading CSV files as text, lazily, with errors that name the file, the column and the row.

Everything is read as text first: an id like 00123 stays what it is, and a number that is none is found by its row.
"""

from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Final

import polars as pl

from larder.errors import InvalidRequest

MAX_ID: Final = 256  # what a request may ask for (larder.recommender.query)
_ROW: Final = "row number"


def scan(path: Path, required: Sequence[str]) -> pl.LazyFrame:
    """A CSV file (``.csv``, ``.csv.gz``) as columns of stripped text, empty cells null.

    Raises InvalidRequest where the file is missing, empty or no CSV, or lacks a required column.
    """
    if not path.is_file():
        raise InvalidRequest(f"{path} is no file: give the path of a CSV file.")
    try:
        # quote_char stays the default; a gzip file is recognised by its first bytes.
        frame = pl.scan_csv(path, infer_schema=False)
        names = frame.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise InvalidRequest(f"{path.name} cannot be read as CSV: {_first_line(error)}. {_REMEDY}") from error
    missing = [name for name in required if name not in names]
    if missing:
        raise InvalidRequest(
            f"{path.name} has no column {', '.join(missing)} (it has {', '.join(names)[:200]}): "
            f"name the columns as Amazon Personalize does, {', '.join(required)}."
        )
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped.str.len_bytes() > 0).then(stripped))


_REMEDY: Final = "Write it as UTF-8 with one header line, commas, and quotes around cells that hold commas."


def collect(frame: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """Runs a query in polars' streaming engine; raises InvalidRequest where the file turns out to be no CSV."""
    try:
        return frame.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InvalidRequest(f"{path.name} cannot be read as CSV: {_first_line(error)}. {_REMEDY}") from error


def check_numbers(frame: pl.LazyFrame, path: Path, column: str, remedy: str) -> None:
    """Raises InvalidRequest, naming the first row whose ``column`` holds a text that is no number."""
    wrong = pl.col(column).is_not_null() & number(column).is_null()
    found = collect(frame.with_row_index(_ROW, 1).filter(wrong).select(_ROW, column).head(1), path)
    if found.height:
        row, value = found.row(0)
        raise InvalidRequest(f"{path.name}, column {column}, data row {row}: {value!r:.60} is no number. {remedy}")


def number(column: str) -> pl.Expr:
    """The column as float64; null where it is no number."""
    return pl.col(column).cast(pl.Float64, strict=False)


def fingerprint(path: Path) -> dict[str, object]:
    """What identifies an input file: its name, bytes and sha256."""
    with path.open("rb") as file:
        return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:300] if str(error).strip() else type(error).__name__
