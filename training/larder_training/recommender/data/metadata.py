"""Metadata of items and profiles of users. The type of each column is inferred and written to the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.release.serving import ColumnType, ProfileColumn
from larder_training.io.column_names import PLAIN_NAMES, ColumnNames
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import MAX_ID, collect, distinct_notices, number, scan, whole
from larder_training.reporting.progress import Progress

Column = tuple[ColumnType, Sequence[object]]
CREATED: Final = "CREATION_TIMESTAMP"
MAX_CATEGORIES: Final = 1000
_AGE_EDGES: Final = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0)
_BINS: Final = 4  # quantile bins of number columns other than AGE
MAX_PROFILE_CATEGORIES: Final = 200


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
    """

    ids: list[str]
    columns: Mapping[str, Column]
    rows: int
    dropped: int
    duplicates: int
    notices: tuple[str, ...] = ()


def read_metadata(
    source: InputSource, key: str, progress: Progress | None = None, *, names: ColumnNames = PLAIN_NAMES
) -> MetadataTable:
    """Reads the metadata of items (``key`` ITEM_ID) or users (USER_ID), whose files name the key as ``names`` say.

    Raises:
        InvalidRequest: A file or a column is invalid, or no row has an id.
    """
    with open_input(source, progress) as files:
        scans = scan(files, (key,), names=names)
        data = collect(scans, whole(scans))
    usable = data.filter(pl.col(key).is_not_null() & (pl.col(key).str.len_chars() <= MAX_ID))
    unique = usable.unique(key, keep="first", maintain_order=True).sort(key)
    if not unique.height:
        raise InvalidRequest(f"{files.name} has no row with a {key}. Give one row for each.")
    columns = {name: _column(unique, files.name, name) for name in data.columns if name != key}
    return MetadataTable(
        unique[key].to_list(),
        columns,
        data.height,
        data.height - usable.height,
        usable.height - unique.height,
        tuple(distinct_notices(scans)),
    )


def _column(data: pl.DataFrame, file: str, name: str) -> Column:
    """Infers the type: number if every value is one, category if values recur, otherwise text."""
    values = data[name]
    numbers = data.select(number(name))[name]
    present = values.drop_nulls()
    if present.len() and numbers.null_count() == values.null_count():
        return "number", numbers.fill_nan(None).set(numbers.is_infinite().fill_null(value=False), None).to_list()
    if name == CREATED and present.len():
        bad = data[name].filter(numbers.is_null() & values.is_not_null())[0]
        raise InvalidRequest(f"{file}, column {name}: {bad!r:.60} is not a number. Give epoch seconds.")
    distinct = present.n_unique()
    recurs = distinct <= MAX_CATEGORIES and distinct * 2 <= max(present.len(), 2)
    return "category" if recurs else "text", values.to_list()


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


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles of users.

    Attributes:
        users: Ids, sorted.
        values: Values of each column, in the order of ``users``.
        specification: How serving reads each column.
        labels: int32 ``[users]`` per column: bin or category; -1: missing.
    """

    users: Sequence[str]
    values: Mapping[str, Sequence[object]]
    specification: Mapping[str, ProfileColumn]
    labels: Mapping[str, NDArray[np.int32]]

    def profile(self, row: int) -> dict[str, str | float]:
        """The profile of one user, as in a request."""
        values = {name: column[row] for name, column in self.values.items()}
        return {name: value for name, value in values.items() if isinstance(value, str | float)}


def user_profiles(table: MetadataTable) -> Profiles:
    """Profiles of the columns that define segments: categories of at most 200 values, and binned numbers.

    The bins of AGE begin at 18, 25, 35, 45, 55 and 65. Other numbers have four quantile bins. Texts define no segments.
    """
    specification: dict[str, ProfileColumn] = {}
    labels = {}
    for name, (kind, values) in sorted(table.columns.items()):
        if kind == "number":
            numbers = np.array([np.nan if value is None else value for value in values], np.float64)
            edges = _edges(name, numbers)
            specification[name] = ProfileColumn("number", edges)
            bins = np.searchsorted(edges, numbers, side="right")
            labels[name] = np.where(np.isnan(numbers), -1, bins).astype(np.int32)
        elif kind == "category" and len(set(values)) <= MAX_PROFILE_CATEGORIES:
            specification[name] = ProfileColumn("category")
            codes = {value: code for code, value in enumerate(sorted({v for v in values if isinstance(v, str)}))}
            labels[name] = np.array(
                [codes.get(value, -1) if isinstance(value, str) else -1 for value in values], np.int32
            )
    values_of = {name: table.columns[name][1] for name in specification}
    return Profiles(table.ids, values_of, specification, labels)


def _edges(name: str, numbers: NDArray[np.float64]) -> tuple[float, ...]:
    if name == "AGE":
        return _AGE_EDGES
    quantiles = np.quantile(numbers[~np.isnan(numbers)], np.arange(1, _BINS) / _BINS, method="lower")
    return tuple(float(edge) for edge in np.unique(quantiles))
