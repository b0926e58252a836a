"""Reads CSV, Parquet and JSON lines lazily as text. Errors name the file, the column and the row.

Names of columns are found by ``larder_training.io.column_names``.

All cells are read as text: an id like 00123 does not change, and an invalid number can be reported with its row. Typed
columns of Parquet become plain text: whole numbers without ``.0``, times as epoch seconds, lists joined by ``|`` as in
Amazon Personalize. Of an input that is read whole, columns of objects and the like are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.column_names import PLAIN_NAMES, ColumnNames, describe
from larder_training.io.csv_rows import LeftOut
from larder_training.io.inputs import FileFormat, InputFile, InputFiles
from larder_training.io.personalize_schema import SchemaField
from larder_training.io.text_tables import TextTable, text_table, with_mixed_as_texts
from larder_training.reporting.counts import counted

MAX_ID: Final = 256  # characters, as in requests (larder.recommender.query)
_WHOLE: Final = 2.0**53  # floats represent integers exactly up to here
_DECIMAL: Final = r"^[+-]?\d+,\d+$"
_THOUSAND: Final = r"^[+-]?[1-9]\d{0,2},\d{3}$"  # 1,234 may be a number of thousands
_GROUPED: Final = r"^[+-]?\d[\d.]*,[\d.,]*$"  # digits with commas and points in any order
_ROW: Final = "\x00row"  # a column that no file has
_FIRST_LINES: Final = 1000  # lines of JSON from which the columns of a log are inferred
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
        unreadable: Rows that are not in ``frame``.
        notices: What was found while opening the file, in sentences.
        left_out: Columns of any file of the input that cannot be texts, and what they hold, such as ``objects``.
        commas: Whether a comma may be part of a cell without quotes: in CSV with another separator.
    """

    file: InputFile
    frame: pl.LazyFrame
    names: tuple[str, ...]
    unreadable: LeftOut = field(default_factory=LeftOut)
    notices: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    commas: bool = False

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """Runs a query on ``frame``. Raises InvalidRequest if the file does not have the format of its suffix."""
        try:
            return query.collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.file, error) from error


def scan(
    files: InputFiles, required: Sequence[str], optional: Sequence[str] | None = None, names: ColumnNames = PLAIN_NAMES
) -> list[TabularFile]:
    """Opens the files with the same columns each. A missing key of a JSON line is null.

    Args:
        files: The files.
        required: Columns that every file must have.
        optional: Further columns to read; None: all that can be texts.
        names: How the files name these columns.

    Raises:
        InvalidRequest: A file cannot be read, has no required column, or has other columns than the first file; or a
            named column cannot be a text.
    """
    opened = [_opened(files, file, required, optional, names) for file in files.files]
    left_out = {} if optional is not None else _nested(opened)
    common = [name for name in _common_columns(opened, required, optional) if name in required or name not in left_out]
    return [
        TabularFile(
            table.file,
            _texts(table, common),
            tuple(common),
            table.text.left_out,
            table.notices,
            left_out,
            table.file.format == "csv" and table.text.separator != ",",
        )
        for table in opened
    ]


def distinct_notices(scans: Sequence[TabularFile]) -> list[str]:
    """What was found while opening the files; what holds for several is said of the first."""
    notices: dict[str, str] = {}
    for scanned in scans:
        for notice in scanned.notices:
            notices.setdefault(notice.replace(scanned.file.name, ""), notice)
    return list(notices.values())


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


def with_decimal_points(scans: Sequence[TabularFile], columns: Iterable[str]) -> list[TabularFile]:
    """The files with points in place of decimal commas, in these columns of CSV with another separator than commas.

    A column has decimal commas if it has cells like ``2,55``, none like ``2.55``, and mostly numbers. Thousands are not
    guessed: cells like ``1.234,50`` or ``1,234,567``, or no other cells than those like ``1,234``, stay as they are.
    """
    names = [name for name in columns if name in scans[0].names]
    possible = [scanned for scanned in scans if scanned.commas]
    if not possible or not names:
        return list(scans)
    surveys = (_survey_of_commas(name).alias(name) for name in names)
    survey = collect(possible, whole(possible).select(surveys)).row(0, named=True)
    pointed = [name for name in names if survey[name]]
    if not pointed:
        return list(scans)
    cells = [
        pl.when(_like(name, _DECIMAL)).then(_pointed(name)).otherwise(pl.col(name)).alias(name) for name in pointed
    ]
    note = f"{possible[0].file.name}: numbers like 2,55 in {', '.join(pointed)} are read with a decimal comma."
    return [
        replace(scanned, frame=scanned.frame.with_columns(cells), notices=(*scanned.notices, note))
        if scanned.commas
        else scanned
        for scanned in scans
    ]


def _survey_of_commas(name: str) -> pl.Expr:
    """Whether a column has decimal commas."""
    decimal = _like(name, _DECIMAL)
    plain = number(name).is_not_null()
    other = _like(name, _GROUPED) & ~decimal
    return (
        ((decimal & ~_like(name, _THOUSAND)).sum() > 0)
        & ~other.any()
        & ~(plain & _like(name, r"\.")).any()
        & ((decimal | plain).sum() * 2 > pl.col(name).count())
    )


def _like(name: str, pattern: str) -> pl.Expr:
    return pl.col(name).str.contains(pattern).fill_null(value=False)


def _pointed(name: str) -> pl.Expr:
    return pl.col(name).str.replace(",", ".", literal=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of an input.

    Attributes:
        file: The name of the file.
        row: The data row in the file, from 1.
        value: The text; None: empty.
    """

    file: str
    row: int
    value: str | None


def first_cells(scans: Sequence[TabularFile], wanted: Mapping[str, tuple[str, pl.Expr]]) -> dict[str, Cell]:
    """The first cell of each kind that is in the files, by its kind; ``wanted`` has its column and which rows fit."""
    found: dict[str, Cell] = {}
    for scanned in scans:
        cells = [
            pl.struct(row=_ROW, value=column).filter(fits).first().alias(kind)
            for kind, (column, fits) in wanted.items()
            if kind not in found
        ]
        if not cells:
            break
        firsts = scanned.collect(scanned.frame.with_row_index(_ROW, 1).select(cells)).row(0, named=True)
        found |= {kind: Cell(scanned.file.name, **first) for kind, first in firsts.items() if first is not None}
    return found


def check_numbers(scans: Sequence[TabularFile], fields: Iterable[SchemaField]) -> None:
    """Raises InvalidRequest for the first cell that is not a number in a column that a schema says to be one."""
    names = [column.name for column in fields if column.number and column.name in scans[0].names]
    wrong = first_cells(scans, {name: (name, pl.col(name).is_not_null() & number(name).is_null()) for name in names})
    for name in names:
        if (cell := wrong.get(name)) is not None:
            raise InvalidRequest(
                f"{cell.file}, column {name}, data row {cell.row}: {cell.value!r:.60} is not a number, as the schema "
                "says. Correct the cell or the schema."
            )


def number(column: str) -> pl.Expr:
    """The column as float64; null if it is not a number."""
    return pl.col(column).cast(pl.Float64, strict=False)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file with its own types.

    Attributes:
        file: The file.
        text: The readable copy of CSV and JSON; of Parquet, the file.
        frame: Its columns under their own names.
        schema: Types of these columns.
        sources: The file's name of each column, by the name that it is read under.
        notices: Its encoding, names that differ, and rows that are left out.
    """

    file: InputFile
    text: TextTable
    frame: pl.LazyFrame
    schema: pl.Schema
    sources: Mapping[str, str]
    notices: tuple[str, ...]


def _opened(
    files: InputFiles, file: InputFile, required: Sequence[str], optional: Sequence[str] | None, names: ColumnNames
) -> _Opened:
    if not file.path.is_file():
        raise InvalidRequest(f"{file.path} does not exist: give the path of a file.")
    text = _text_table(files, file)
    try:
        match file.format:
            case "csv":  # polars recognizes gzip by the first bytes
                frame = pl.scan_csv(
                    text.path, separator=text.separator, skip_rows=text.skip, infer_schema=False, glob=False
                )
            case "parquet":
                frame = pl.scan_parquet(file.path, hive_partitioning=False, glob=False)
            case "jsonl":
                text, schema = _json_types(files, file, text, required, optional, names)
                frame = pl.scan_ndjson(text.path, schema=schema)
        schema = frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error
    header = {_clean(name): name for name in schema}
    found = names.find(file.name, list(header), required, optional)
    sources = {column: header[name] for column, name in found.items()}
    if optional is None:
        read = set(sources.values())
        sources |= {name: own for name, own in header.items() if own not in read and name not in sources}
    notices = [*text.notices]
    if (names_differ := describe(file.name, found)) is not None:
        notices.append(names_differ)
    if text.left_out.count:
        notices.append(
            f"{file.name}: {counted(text.left_out.count, 'row')} cannot be read and "
            f"{'is' if text.left_out.count == 1 else 'are'} left out; {text.left_out.example}."
        )
    return _Opened(file, text, frame, schema, sources, tuple(notices))


def _json_types(
    files: InputFiles,
    file: InputFile,
    text: TextTable,
    required: Sequence[str],
    optional: Sequence[str] | None,
    names: ColumnNames,
) -> tuple[TextTable, pl.Schema]:
    """A file of JSON lines, or a copy of it if they mix lists with other values, and the types of its columns.

    The columns of a log are those of its first lines. All lines are read, once, if these lack a column: the purchases
    that have an EVENT_VALUE may come late.
    """
    if optional is not None:
        if text.schema is not None:
            return text, text.schema
        wanted = [column for column in (*required, *optional) if names.stated.get(column) != ""]
        schema = _inferred(text, _FIRST_LINES)
        if schema is not None and names.has(list(schema), wanted):
            return text, schema
    schema = _inferred(text)
    if schema is None or (optional is None and _has_lists_as_texts(text, schema)):
        text = with_mixed_as_texts(text, file.name, files.scratch)
        schema = pl.scan_ndjson(text.path, infer_schema_length=None).collect_schema()
    files.checked[file.path] = text = replace(text, schema=schema)
    return text, schema


def _inferred(text: TextTable, lines: int | None = None) -> pl.Schema | None:
    """The types of the columns in the first lines, or in all; None if they mix types that no column can have."""
    try:
        return pl.scan_ndjson(text.path, infer_schema_length=lines).collect_schema()
    except pl.exceptions.PolarsError:
        return None


def _has_lists_as_texts(text: TextTable, schema: pl.Schema) -> bool:
    """Whether a column of texts has what polars makes of a list among texts."""
    texts = [name for name, kind in schema.items() if kind == pl.String]
    if not texts:
        return False
    lists = (pl.col(name).str.starts_with("[").any() for name in texts)
    frame = pl.scan_ndjson(text.path, schema=dict.fromkeys(texts, pl.String())).select(lists)
    return any(frame.collect(engine="streaming").row(0))


def _text_table(files: InputFiles, file: InputFile) -> TextTable:
    """The readable copy of CSV and JSON, made once."""
    if file.format == "parquet":
        if not file.path.stat().st_size:
            raise InvalidRequest(f"{file.name} is empty (0 bytes): write or copy it again.")
        return TextTable(file.path)
    table: TextTable | None = files.checked.get(file.path)
    if table is None:
        table = files.checked[file.path] = text_table(file.path, file.name, file.format, files.scratch)
    return table


def _clean(name: str) -> str:
    """A name without the blanks around it, and without a byte order mark."""
    return name.strip("\ufeff \t\r\n\xa0")


def _common_columns(opened: Sequence[_Opened], required: Sequence[str], optional: Sequence[str] | None) -> list[str]:
    """The columns to read, the same of every file."""
    first: tuple[InputFile, list[str]] | None = None
    lines: list[str] = []
    for table in opened:
        names = list(table.sources)
        if table.file.format == "jsonl":
            lines += [name for name in names if name not in lines]
            continue
        if first is None:
            first = (table.file, names)
        other = sorted(set(names) ^ set(first[1]))
        if other:
            raise InvalidRequest(
                f"{table.file.name} and {first[0].name} differ in the column {other[0]}: give all files of one input "
                "the same columns."
            )
    if first is None:
        return lines if optional is None else [*required, *optional]
    return [*first[1], *(name for name in lines if name not in first[1])]


def _texts(table: _Opened, names: Sequence[str]) -> pl.LazyFrame:
    frame, schema = table.frame, table.schema
    own = {name: table.sources.get(name, name) for name in names}
    if table.file.format == "jsonl":  # later lines may have other types than the first
        simple = {name: kind if isinstance(kind, pl.List | pl.Struct) else pl.String() for name, kind in schema.items()}
        schema = pl.Schema({name: simple.get(name, pl.String()) for name in own.values()})
        frame = pl.scan_ndjson(table.text.path, schema=schema)
    return frame.select(_text(table.file, own[name], schema.get(own[name])).alias(name) for name in names)


def _text(file: InputFile, name: str, kind: pl.DataType | None) -> pl.Expr:
    """A column of any type as stripped text, null if empty."""
    column = pl.col(name)
    if kind is None or isinstance(kind, pl.Null):
        return pl.lit(None, pl.String)
    if (content := _content(kind)) is not None:
        raise InvalidRequest(f"{file.name}, column {name}: it holds {content}. Give texts, numbers or times.")
    if isinstance(kind, pl.List | pl.Array):
        texts = column.cast(pl.List(kind.inner)).list.eval(pl.element().cast(pl.String))
        column = texts.list.join("|")
    elif isinstance(kind, pl.Date | pl.Datetime):
        column = column.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.String)
    elif kind.is_float():
        whole = (column == column.floor()) & (column.abs() < _WHOLE)
        texts = (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
        column = pl.when(column.is_not_nan()).then(texts)  # pandas writes NaN for a missing number
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped.str.len_bytes() > 0).then(stripped)


def _nested(opened: Iterable[_Opened]) -> dict[str, str]:
    """The columns that cannot be texts, and what they hold."""
    kinds = ((name, _content(table.schema[own])) for table in opened for name, own in table.sources.items())
    return {name: content for name, content in kinds if content is not None}


def _content(kind: pl.DataType) -> str | None:
    """What a column holds that cannot be a text, or None if it can."""
    if isinstance(kind, pl.List | pl.Array):
        inner = kind.inner() if isinstance(kind.inner, type) else kind.inner
        content = "lists" if inner.is_nested() and not isinstance(inner, pl.Struct) else _content(inner)
        return None if content is None else f"lists of {content}"
    if isinstance(kind, pl.Struct):
        return "objects"
    return {pl.Binary: "bytes", pl.Object: "objects of Python", pl.Duration: "durations"}.get(type(kind))


def _unreadable(file: InputFile, error: Exception) -> InvalidRequest:
    name, remedy = _FORMATS[file.format]
    text = str(error).strip()
    first = text.splitlines()[0].rstrip(".")[:300] if text else type(error).__name__
    return InvalidRequest(f"{file.name} cannot be read as {name}: {first}. {remedy}")
