"""Reading CSV, Parquet and JSON lines as text, lazily, with errors that name the file, the column and the row.

Everything is read as text first: an id like 00123 stays what it is, and a number that is none is found by its row. What
Parquet holds typed becomes the text that a person would write: whole numbers without ``.0``, times as epoch seconds,
lists joined by ``|``, as Amazon Personalize does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputFile, InputFiles, Kind

MAX_ID: Final = 256  # what a request may ask for (larder.recommender.query)
_ROW: Final = "row number"
_WHOLE: Final = 2.0**53  # up to here a float is a whole number exactly
_INFERRED: Final = 1000  # lines of JSON that tell the columns of a log
_KINDS: Final[dict[Kind, tuple[str, str]]] = {
    "csv": ("CSV", "Write it as UTF-8 with one header line, commas, and quotes around cells that hold commas."),
    "parquet": ("Parquet", "Write it again."),
    "jsonl": ("JSON lines", "Write one object a line, with column names as keys."),
}


@dataclass(frozen=True, slots=True)
class TabularFile:
    """One file as a lazy frame of stripped texts, empty cells null."""

    file: InputFile
    frame: pl.LazyFrame
    names: tuple[str, ...]

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """Runs a query on this file's frame; raises InvalidRequest where the file turns out to be of another kind."""
        try:
            return query.collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.file, error) from error


def scan(files: InputFiles, required: Sequence[str], optional: Sequence[str] | None = None) -> list[TabularFile]:
    """The files with their ``required`` and ``optional`` columns (None: all that there are), the same for each file.

    A key that a line of JSON lacks is null there. Raises InvalidRequest where a file cannot be read, lacks a required
    column, or has other columns than the first.
    """
    found = [(file, _typed(file, whole=optional is None)) for file in files.files]
    names = _agreed(found, required, optional)
    return [TabularFile(file, _texts(file, frame, schema, names), tuple(names)) for file, (frame, schema) in found]


def whole(scans: Sequence[TabularFile]) -> pl.LazyFrame:
    """All files, one below the other."""
    return pl.concat([each.frame for each in scans])


def collect(scans: Sequence[TabularFile], query: pl.LazyFrame) -> pl.DataFrame:
    """Runs a query on the whole input in polars' streaming engine; what cannot be read is told by its file."""
    try:
        return query.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        for each in scans:
            each.collect(each.frame.select(pl.len(), pl.all().null_count().name.suffix(" null")))
        raise _unreadable(scans[0].file, error) from error


def check_numbers(scans: Sequence[TabularFile], column: str, remedy: str) -> None:
    """Raises InvalidRequest, naming the first row whose ``column`` holds a text that is no number."""
    wrong = pl.col(column).is_not_null() & number(column).is_null()
    for each in scans:
        found = each.collect(each.frame.with_row_index(_ROW, 1).filter(wrong).select(_ROW, column).head(1))
        if found.height:
            row, value = found.row(0)
            raise InvalidRequest(
                f"{each.file.name}, column {column}, data row {row}: {value!r:.60} is not a number. {remedy}"
            )


def number(column: str) -> pl.Expr:
    """The column as float64; null where it is no number."""
    return pl.col(column).cast(pl.Float64, strict=False)


def _typed(file: InputFile, *, whole: bool) -> tuple[pl.LazyFrame, pl.Schema]:
    """The file as it is written, and its columns."""
    if not file.path.is_file():
        raise InvalidRequest(f"{file.path} does not exist: give the path of a file.")
    try:
        match file.kind:
            case "csv":  # quote_char stays the default; a gzip file is recognised by its first bytes
                frame = pl.scan_csv(file.path, infer_schema=False)
            case "parquet":
                frame = pl.scan_parquet(file.path, hive_partitioning=False)
            case "jsonl":
                frame = pl.scan_ndjson(file.path, infer_schema_length=None if whole else _INFERRED)
        return frame, frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise _unreadable(file, error) from error


def _agreed(
    found: Sequence[tuple[InputFile, tuple[pl.LazyFrame, pl.Schema]]],
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> list[str]:
    """The columns that are read, of every file the same."""
    agreed: tuple[InputFile, list[str]] | None = None
    lines: list[str] = []
    for file, (_, schema) in found:
        missing = [name for name in required if name not in schema]
        if missing:
            raise InvalidRequest(
                f"{file.name} has no column {', '.join(missing)} (it has {', '.join(schema)[:200]}): "
                f"name the columns as Amazon Personalize does, {', '.join(required)}."
            )
        names = [name for name in schema if optional is None or name in (*required, *optional)]
        if file.kind == "jsonl":
            lines += [name for name in names if name not in lines]
            continue
        if agreed is None:
            agreed = (file, names)
        other = sorted(set(names) ^ set(agreed[1]))
        if other:
            raise InvalidRequest(
                f"{file.name} and {agreed[0].name} differ in the column {other[0]}: give all files of one input the "
                "same columns."
            )
    if agreed is None:
        return lines if optional is None else [*required, *optional]
    return [*agreed[1], *(name for name in lines if name not in agreed[1] and optional is None)]


def _texts(file: InputFile, frame: pl.LazyFrame, schema: pl.Schema, names: Sequence[str]) -> pl.LazyFrame:
    if file.kind == "jsonl":  # whatever a value is in the first lines, it may be of another type in the next
        simple = {name: kind if isinstance(kind, pl.List | pl.Struct) else pl.String() for name, kind in schema.items()}
        schema = pl.Schema({name: simple.get(name, pl.String()) for name in names})
        frame = pl.scan_ndjson(file.path, schema=schema)
    return frame.select(_text(file, name, schema.get(name)).alias(name) for name in names)


def _text(file: InputFile, name: str, kind: pl.DataType | None) -> pl.Expr:
    """A column of any type as stripped text, null where there is nothing."""
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
        column = pl.when(column.is_not_nan()).then(texts)  # what pandas writes for a missing number
    elif kind.is_nested() or isinstance(kind, pl.Binary | pl.Object | pl.Duration | pl.Time):
        raise InvalidRequest(f"{file.name}, column {name}: the type is {kind}. Give texts, numbers or times.")
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped.str.len_bytes() > 0).then(stripped)


def _unreadable(file: InputFile, error: Exception) -> InvalidRequest:
    name, remedy = _KINDS[file.kind]
    text = str(error).strip()
    first = text.splitlines()[0].rstrip(".")[:300] if text else type(error).__name__
    return InvalidRequest(f"{file.name} cannot be read as {name}: {first}. {remedy}")
