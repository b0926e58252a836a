"""Reads CSV, Parquet and JSON lines lazily as text. Errors name the file, the column and the row.

All cells are read as text: an id like 00123 does not change, and an invalid number can be reported with its row. Typed
columns of Parquet become plain text: whole numbers without ``.0``, times as epoch seconds, lists joined by ``|`` as in
Amazon Personalize.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.inputs import FileFormat, InputFile, InputFiles

MAX_ID: Final = 256  # characters, as in requests (larder.recommender.query)
_ROW: Final = "row number"
_WHOLE: Final = 2.0**53  # floats represent integers exactly up to here
_INFERRED: Final = 1000  # lines of JSON from which the columns of a log are inferred
_FORMATS: Final[dict[FileFormat, tuple[str, str]]] = {
    "csv": ("CSV", "Use UTF-8, one header line, commas, and quotes around cells with commas."),
    "parquet": ("Parquet", "Write the file again."),
    "jsonl": ("JSON lines", "Write one object per line, with column names as keys."),
}


@dataclass(frozen=True, slots=True)
class TabularFile:
    """A file as a lazy frame of stripped texts.

    Attributes:
        file: The file.
        frame: Its columns; empty cells are null.
        names: Names of the columns.
    """

    file: InputFile
    frame: pl.LazyFrame
    names: tuple[str, ...]

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """Runs a query on ``frame``. Raises InvalidRequest if the file does not have the format of its suffix."""
        try:
            return query.collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.file, error) from error


def scan(files: InputFiles, required: Sequence[str], optional: Sequence[str] | None = None) -> list[TabularFile]:
    """Opens the files with the same columns each. A missing key of a JSON line is null.

    Args:
        files: The files.
        required: Columns that every file must have.
        optional: Further columns to read; None: all.

    Raises:
        InvalidRequest: A file cannot be read, has no required column, or has other columns than the first file.
    """
    typed = [(file, _typed(file, whole=optional is None)) for file in files.files]
    names = _common_columns(typed, required, optional)
    return [TabularFile(file, _texts(file, frame, schema, names), tuple(names)) for file, (frame, schema) in typed]


def whole(scans: Sequence[TabularFile]) -> pl.LazyFrame:
    """The rows of all files."""
    return pl.concat([file.frame for file in scans])


def collect(scans: Sequence[TabularFile], query: pl.LazyFrame) -> pl.DataFrame:
    """Runs a query on all files in polars' streaming engine. Errors name the file that cannot be read."""
    try:
        return query.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        for file in scans:
            file.collect(file.frame.select(pl.len(), pl.all().null_count().name.suffix(" null")))
        raise _unreadable(scans[0].file, error) from error


def check_numbers(scans: Sequence[TabularFile], column: str, remedy: str) -> None:
    """Raises InvalidRequest for the first row whose ``column`` is not a number."""
    wrong = pl.col(column).is_not_null() & number(column).is_null()
    for scanned in scans:
        first = scanned.collect(scanned.frame.with_row_index(_ROW, 1).filter(wrong).select(_ROW, column).head(1))
        if first.height:
            row, value = first.row(0)
            raise InvalidRequest(
                f"{scanned.file.name}, column {column}, data row {row}: {value!r:.60} is not a number. {remedy}"
            )


def number(column: str) -> pl.Expr:
    """The column as float64; null if it is not a number."""
    return pl.col(column).cast(pl.Float64, strict=False)


def _typed(file: InputFile, *, whole: bool) -> tuple[pl.LazyFrame, pl.Schema]:
    """The file with its own types, and its schema."""
    if not file.path.is_file():
        raise InvalidRequest(f"{file.path} does not exist: give the path of a file.")
    try:
        match file.format:
            case "csv":  # polars recognizes gzip by the first bytes
                frame = pl.scan_csv(file.path, infer_schema=False)
            case "parquet":
                frame = pl.scan_parquet(file.path, hive_partitioning=False)
            case "jsonl":
                frame = pl.scan_ndjson(file.path, infer_schema_length=None if whole else _INFERRED)
        return frame, frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise _unreadable(file, error) from error


def _common_columns(
    typed: Sequence[tuple[InputFile, tuple[pl.LazyFrame, pl.Schema]]],
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> list[str]:
    """The columns to read, the same of every file."""
    first: tuple[InputFile, list[str]] | None = None
    lines: list[str] = []
    for file, (_, schema) in typed:
        missing = [name for name in required if name not in schema]
        if missing:
            raise InvalidRequest(
                f"{file.name} has no column {', '.join(missing)} (it has {', '.join(schema)[:200]}): "
                f"name the columns as in Amazon Personalize: {', '.join(required)}."
            )
        names = [name for name in schema if optional is None or name in (*required, *optional)]
        if file.format == "jsonl":
            lines += [name for name in names if name not in lines]
            continue
        if first is None:
            first = (file, names)
        other = sorted(set(names) ^ set(first[1]))
        if other:
            raise InvalidRequest(
                f"{file.name} and {first[0].name} differ in the column {other[0]}: give all files of one input the "
                "same columns."
            )
    if first is None:
        return lines if optional is None else [*required, *optional]
    return [*first[1], *(name for name in lines if name not in first[1] and optional is None)]


def _texts(file: InputFile, frame: pl.LazyFrame, schema: pl.Schema, names: Sequence[str]) -> pl.LazyFrame:
    if file.format == "jsonl":  # later lines may have other types than the first
        simple = {name: kind if isinstance(kind, pl.List | pl.Struct) else pl.String() for name, kind in schema.items()}
        schema = pl.Schema({name: simple.get(name, pl.String()) for name in names})
        frame = pl.scan_ndjson(file.path, schema=schema)
    return frame.select(_text(file, name, schema.get(name)).alias(name) for name in names)


def _text(file: InputFile, name: str, kind: pl.DataType | None) -> pl.Expr:
    """A column of any type as stripped text, null if empty."""
    column = pl.col(name)
    if kind is None or isinstance(kind, pl.Null):
        return pl.lit(None, pl.String)
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.String):
        column = column.list.join("|")
    elif isinstance(kind, pl.Date | pl.Datetime):
        column = column.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.String)
    elif kind.is_float():
        whole = (column == column.floor()) & (column.abs() < _WHOLE)
        texts = (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
        column = pl.when(column.is_not_nan()).then(texts)  # pandas writes NaN for a missing number
    elif kind.is_nested() or isinstance(kind, pl.Binary | pl.Object | pl.Duration | pl.Time):
        raise InvalidRequest(f"{file.name}, column {name}: the type is {kind}. Give texts, numbers or times.")
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped.str.len_bytes() > 0).then(stripped)


def _unreadable(file: InputFile, error: Exception) -> InvalidRequest:
    name, remedy = _FORMATS[file.format]
    text = str(error).strip()
    first = text.splitlines()[0].rstrip(".")[:300] if text else type(error).__name__
    return InvalidRequest(f"{file.name} cannot be read as {name}: {first}. {remedy}")
