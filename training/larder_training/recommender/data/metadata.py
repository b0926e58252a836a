"""Metadata of items and profiles of users: each column's type is inferred, and said in the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.release.serving import ColumnType, ProfileColumn
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import MAX_ID, collect, number, scan, whole
from larder_training.reporting.progress import Progress

Column = tuple[ColumnType, Sequence[object]]
CREATED: Final = "CREATION_TIMESTAMP"
MAX_CATEGORIES: Final = 1000
_AGE_EDGES: Final = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0)
_BINS: Final = 4  # of a number column of users other than AGE: quarters
MAX_PROFILE_CATEGORIES: Final = 200


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """A metadata file: ids in ascending order, one row an id, and its typed columns; ``dropped`` counts rows without
    an id or with one that is too long, ``duplicates`` later rows of an id that was there already (the first stays).
    """

    ids: list[str]
    columns: Mapping[str, Column]
    rows: int
    dropped: int
    duplicates: int


def read_metadata(given: InputSource, key: str, progress: Progress | None = None) -> MetadataTable:
    """Reads items (``key`` ITEM_ID) or users (USER_ID); raises InvalidRequest where a file or a column is wrong."""
    with open_input(given, progress) as files:
        scans = scan(files, (key,))
        data = collect(scans, whole(scans))
    usable = data.filter(pl.col(key).is_not_null() & (pl.col(key).str.len_chars() <= MAX_ID))
    unique = usable.unique(key, keep="first", maintain_order=True).sort(key)
    if not unique.height:
        raise InvalidRequest(f"{files.name} holds no row with a {key}: give one row for each.")
    columns = {name: _column(unique, files.name, name) for name in data.columns if name != key}
    return MetadataTable(
        unique[key].to_list(), columns, data.height, data.height - usable.height, usable.height - unique.height
    )


def _column(data: pl.DataFrame, file: str, name: str) -> Column:
    """A number where every value is one; a category where values recur; a text otherwise."""
    values = data[name]
    numbers = data.select(number(name))[name]
    given = values.drop_nulls()
    if given.len() and numbers.null_count() == values.null_count():
        return "number", numbers.fill_nan(None).set(numbers.is_infinite().fill_null(value=False), None).to_list()
    if name == CREATED and given.len():
        bad = data[name].filter(numbers.is_null() & values.is_not_null())[0]
        raise InvalidRequest(f"{file}, column {name}: {bad!r:.60} is no number. Give epoch seconds.")
    different = given.n_unique()
    recurs = different <= MAX_CATEGORIES and different * 2 <= max(given.len(), 2)
    return "category" if recurs else "text", values.to_list()


def align(table: MetadataTable | None, ids: Sequence[str]) -> dict[str, Column]:
    """The table's columns for ``ids``, None where the table has no such id."""
    if table is None:
        return {}
    place = {key: row for row, key in enumerate(table.ids)}
    rows = [place.get(key) for key in ids]
    return {
        name: (kind, [None if row is None else values[row] for row in rows])
        for name, (kind, values) in table.columns.items()
    }


@dataclass(frozen=True, slots=True)
class Profiles:
    """Users' profiles: ``users`` ascending by id; ``specification`` says how serving reads each column, ``labels``
    holds the bin or category of each user, an int32 array ``[users]`` with -1 where it is missing.
    """

    users: Sequence[str]
    values: Mapping[str, Sequence[object]]
    specification: Mapping[str, ProfileColumn]
    labels: Mapping[str, NDArray[np.int32]]

    def profile(self, row: int) -> dict[str, str | float]:
        """The profile of one user, as a request would send it."""
        found = {name: values[row] for name, values in self.values.items()}
        return {name: value for name, value in found.items() if isinstance(value, str | float)}


def user_profiles(table: MetadataTable) -> Profiles:
    """Which columns of the users make segments: categories of at most 200 values, and numbers, cut into bins.

    AGE is cut at 18, 25, 35, 45, 55 and 65; other numbers into quarters. Texts make no segments.
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
    kept = {name: table.columns[name][1] for name in specification}
    return Profiles(table.ids, kept, specification, labels)


def _edges(name: str, numbers: NDArray[np.float64]) -> tuple[float, ...]:
    if name == "AGE":
        return _AGE_EDGES
    quantiles = np.quantile(numbers[~np.isnan(numbers)], np.arange(1, _BINS) / _BINS, method="lower")
    return tuple(float(edge) for edge in np.unique(quantiles))
