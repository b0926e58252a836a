"""Profiles of users: the columns that define segments, as categories and bins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ProfileColumn
from larder_training.recommender.data.columns.cells import SEPARATOR
from larder_training.recommender.data.metadata import MetadataTable

_AGE_EDGES: Final = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0)
_BINS: Final = 4  # quantile bins of number columns other than AGE
MAX_PROFILE_CATEGORIES: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class LabelPairs:
    """Rows of profiles and their labels (categories or bins) in one column; a row may have several.

    Attributes:
        rows: int64 ``[pairs]``: the row, ascending; the labels of one row are in the order of its cell.
        codes: int64 ``[pairs]``: the label.
        texts: The category of each label; empty if the cell itself is the category, or a number.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    texts: Sequence[str] = ()

    @classmethod
    def of(cls, cells: Sequence[object]) -> "LabelPairs":
        """The values of cells that are separated by ``|``."""
        parts = [list(dict.fromkeys(cell.split(SEPARATOR))) if isinstance(cell, str) else [] for cell in cells]
        texts = sorted({text for row in parts for text in row})
        code_of = {text: code for code, text in enumerate(texts)}
        rows = np.repeat(np.arange(len(parts)), [len(row) for row in parts])
        return cls(rows, np.fromiter((code_of[text] for row in parts for text in row), np.int64, rows.size), texts)


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles of users.

    Attributes:
        users: Ids, sorted.
        values: Values of each column, in the order of ``users``.
        specification: How serving reads each column.
        labels: int32 ``[users]`` per column: bin or category, the first one of several; -1: missing.
        several: All labels of each column whose cells have several.
    """

    users: Sequence[str]
    values: Mapping[str, Sequence[object]]
    specification: Mapping[str, ProfileColumn]
    labels: Mapping[str, NDArray[np.int32]]
    several: Mapping[str, LabelPairs] = field(default_factory=dict)

    def profile(self, row: int) -> dict[str, str | float]:
        """The profile of one user, as in a request."""
        values = {name: column[row] for name, column in self.values.items()}
        return {name: value for name, value in values.items() if isinstance(value, str | float)}

    def pairs(self, name: str) -> LabelPairs:
        """The labels of all rows in a column."""
        if name in self.several:
            return self.several[name]
        rows = np.flatnonzero(self.labels[name] >= 0)
        return LabelPairs(rows, self.labels[name][rows].astype(np.int64))


def user_profiles(table: MetadataTable) -> Profiles:
    """Profiles of the columns that define segments: categories of at most 200 values, and binned numbers.

    The bins of AGE begin at 18, 25, 35, 45, 55 and 65. Other numbers have four quantile bins. Texts define no segments.
    """
    specification: dict[str, ProfileColumn] = {}
    labels: dict[str, NDArray[np.int32]] = {}
    several: dict[str, LabelPairs] = {}
    for name, (kind, values) in sorted(table.columns.items()):
        if kind == "number":
            numbers = np.array([np.nan if value is None else value for value in values], np.float64)
            edges = _edges(name, numbers)
            specification[name] = ProfileColumn("number", edges)
            bins = np.searchsorted(edges, numbers, side="right")
            labels[name] = np.where(np.isnan(numbers), -1, bins).astype(np.int32)
        elif kind == "categories" and len((pairs := LabelPairs.of(values)).texts) <= MAX_PROFILE_CATEGORIES:
            specification[name], several[name] = ProfileColumn("category"), pairs
            labels[name] = np.full(len(values), -1, np.int32)
            labels[name][pairs.rows[::-1]] = pairs.codes[::-1]  # the first of a row is written last
        elif kind == "category" and len(set(values)) <= MAX_PROFILE_CATEGORIES:
            specification[name] = ProfileColumn("category")
            codes = {value: code for code, value in enumerate(sorted({v for v in values if isinstance(v, str)}))}
            labels[name] = np.array(
                [codes.get(value, -1) if isinstance(value, str) else -1 for value in values], np.int32
            )
    values_of = {name: table.columns[name][1] for name in specification}
    return Profiles(table.ids, values_of, specification, labels, several)


def _edges(name: str, numbers: NDArray[np.float64]) -> tuple[float, ...]:
    if name == "AGE":
        return _AGE_EDGES
    quantiles = np.quantile(numbers[~np.isnan(numbers)], np.arange(1, _BINS) / _BINS, method="lower")
    return tuple(float(edge) for edge in np.unique(quantiles))
