"""Metadata of items and profiles of users: one row per id, and typed columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from larder.errors import InvalidRequest
from larder.release.serving import CREATED
from larder_training.io.column_names import PLAIN_NAMES, ColumnNames
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.personalize_schema import SchemaField
from larder_training.io.tabular import (
    MAX_ID,
    Cell,
    TabularFile,
    check_numbers,
    collect,
    distinct_notices,
    scan,
    whole,
    with_decimal_points,
)
from larder_training.recommender.config.options import ColumnKind
from larder_training.recommender.data.columns.kinds import Column, ColumnFacts, typed
from larder_training.recommender.data.times import FORMS, LATEST, TIME_REMEDY, describe, find_format
from larder_training.reporting.progress import Progress

_FILE: Final = "\x00file"  # columns that no file has
_ROW: Final = "\x00row"
_WRITTEN: Final = "TIMESTAMP"
_NO_TYPES: Final[Mapping[str, ColumnKind]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """Metadata with one row per id.

    Attributes:
        ids: Sorted.
        columns: Type and values of each column, in the order of ``ids``.
        rows: Rows read.
        dropped: Rows without an id, or with one of more than 256 characters.
        duplicates: Rows with the id of an earlier row; they are dropped.
        notices: What was found while reading, in sentences.
        name: The name of the input in messages.
        facts: What was found about each column.
        odd: Some cells of number columns that are not numbers.
        left_out: Columns that are not read, and what they hold.
    """

    ids: list[str]
    columns: Mapping[str, Column]
    rows: int
    dropped: int
    duplicates: int
    notices: tuple[str, ...] = ()
    name: str = ""
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict)
    odd: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def read_metadata(
    source: InputSource,
    key: str,
    progress: Progress | None = None,
    types: Mapping[str, ColumnKind] = _NO_TYPES,
    *,
    names: ColumnNames = PLAIN_NAMES,
    time_format: str | None = None,
) -> MetadataTable:
    """Reads the metadata of items (``key`` ITEM_ID) or users (USER_ID), whose files name the key as ``names`` say.

    Args:
        source: The files.
        key: The column of the ids.
        progress: Where to report downloads.
        types: Stated types by column; the others are inferred.
        names: How the files name the key.
        time_format: Format of CREATION_TIMESTAMP as of ``datetime.strptime``; None: recognized.

    Raises:
        InvalidRequest: A file or a column is invalid, or no row has an id.
    """
    with open_input(source, progress) as files:
        scans = scan(files, (key,), names=names)
        scans = with_decimal_points(scans, [name for name in scans[0].names if name != key])
        scans, times = _with_times(scans, time_format)
        check_numbers(scans, names.fields)
        data = collect(scans, _numbered(scans))
    usable = data.filter(pl.col(key).is_not_null() & (pl.col(key).str.len_chars() <= MAX_ID))
    usable, written = _latest_first(usable)
    unique = usable.unique(key, keep="first", maintain_order=True).sort(key)
    if not unique.height:
        raise InvalidRequest(f"{files.name} has no row with a {key}. Give one row for each.")
    columns = [name for name in data.columns if name not in (key, _FILE, _ROW)]
    unusable = {**_unusable(columns), **written}
    types = {**_of_schema(names.fields), **types}
    read = {name: _column(unique, name, types.get(name), scans) for name in columns if name not in unusable}
    return MetadataTable(
        unique[key].to_list(),
        {name: (facts.kind, values) for name, (facts, values, _) in read.items()},
        data.height,
        data.height - usable.height,
        usable.height - unique.height,
        (*distinct_notices(scans), *times),
        files.name,
        {name: facts for name, (facts, _, _) in read.items()},
        {name: odd for name, (_, _, odd) in read.items() if odd},
        {**scans[0].left_out, **unusable},
    )


def _latest_first(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows so that the one that counts is the first of its id, and the column that says when a row was written.

    In the log of live events, an id has a row for each time that it was sent, with a TIMESTAMP: the latest counts. Rows
    without one, such as those of a catalogue, come after them in their order.
    """
    if _WRITTEN not in rows.columns:
        return rows, {}
    time = rows[_WRITTEN].cast(pl.Float64, strict=False)
    order = time.arg_sort(descending=True, nulls_last=True) if time.count() else None
    return (rows if order is None else rows[order]), {_WRITTEN: "when the row was written"} if time.count() else {}


def _of_schema(fields: Iterable[SchemaField]) -> dict[str, ColumnKind]:
    """The types that a schema states."""
    types: dict[str, ColumnKind] = {}
    for column in fields:
        if column.number:
            types[column.name] = "number"
        elif column.categorical or column.textual:
            types[column.name] = "categories" if column.categorical else "text"
    return types


def check_stated(types: Mapping[str, ColumnKind], tables: Iterable[MetadataTable | None]) -> None:
    """Raises InvalidRequest for a stated column that no table has."""
    known = [name for table in tables if table is not None for name in table.columns]
    for name in types:
        if name not in known:
            have = f"they have {', '.join(known)[:300]}" if known else "they have no columns"
            raise InvalidRequest(
                f"types: neither items nor users have a column {name!r:.80} ({have}): name one of these."
            )


def _numbered(scans: Sequence[TabularFile]) -> pl.LazyFrame:
    """The rows of all files, with the number of the file and of the row."""
    frames = (
        scanned.frame.with_row_index(_ROW, 1).with_columns(pl.lit(number, pl.UInt32).alias(_FILE))
        for number, scanned in enumerate(scans)
    )
    return pl.concat(frames)


def _with_times(scans: Sequence[TabularFile], time_format: str | None) -> tuple[list[TabularFile], list[str]]:
    """The files with CREATION_TIMESTAMP in epoch seconds, and sentences on how it was read if it was not in seconds."""
    if CREATED not in scans[0].names:
        return list(scans), []
    times = find_format(scans, time_format, column=CREATED, thorough=True)
    time, form = times.columns()
    found = collect(scans, whole(scans).select(time, form).drop_nulls())
    inside = found.filter(pl.col("time").is_between(0, LATEST))
    forms = np.bincount(inside["form"].to_numpy(), minlength=len(FORMS)).tolist()
    seconds = time.cast(pl.Int64, strict=False).cast(pl.String)
    read = pl.coalesce(seconds, CREATED).alias(CREATED)  # what is not a time is reported with its row
    changed = [replace(scanned, frame=scanned.frame.with_columns(read)) for scanned in scans]
    if not sum(forms[2:]):
        return changed, []
    first, last = (int(inside["time"].min() or 0), int(inside["time"].max() or 0))  # type: ignore[arg-type]  # numbers
    return changed, describe(forms, first, last, CREATED)


def _unusable(names: Sequence[str]) -> dict[str, str]:
    """Columns without a name, and columns whose name a column before them has (polars numbers these)."""
    unusable = {"": "values without a column name"} if "" in names else {}
    for name in names:
        first, numbered, count = name.rpartition("_duplicated_")
        if numbered and count.isdecimal() and first in names:
            unusable[name] = f"a further column named {first!r}"
    return unusable


def _column(
    data: pl.DataFrame, name: str, stated: ColumnKind | None, scans: Sequence[TabularFile]
) -> tuple[ColumnFacts, list[object], tuple[Cell, ...]]:
    """The facts, the values and the odd cells of a column."""
    texts = data[name]
    facts, values = typed(name, texts, "number" if name == CREATED and texts.count() else stated)
    odd = tuple(Cell(scans[data[_FILE][row]].file.name, data[_ROW][row], texts[row]) for row in facts.odd_rows)
    if facts.kind == "number" and odd and facts.missing == data.height:
        first = odd[0]
        what, remedy = ("time", TIME_REMEDY) if name == CREATED else ("number", "State another type.")
        raise InvalidRequest(
            f"{first.file}, column {name}, data row {first.row}: {first.value!r:.60} is not a {what}. {remedy}"
        )
    return facts, values, odd


def align(table: MetadataTable | None, ids: Sequence[str]) -> dict[str, Column]:
    """The columns in the order of ``ids``; None for ids that the table does not have."""
    if table is None:
        return {}
    row_of = {key: row for row, key in enumerate(table.ids)}
    rows = [row_of.get(key) for key in ids]
    return {
        name: (kind, [None if row is None else values[row] for row in rows])
        for name, (kind, values) in table.columns.items()
    }
