"""The type of a metadata column, inferred from its cells.

A column is a number, a category, categories (a cell has several, separated by ``|``) or a text. A cell of a number
column that is not a number counts as missing; the first of these cells are kept for messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from larder.release.serving import ColumnType
from larder_training.recommender.config.options import ColumnKind
from larder_training.recommender.data.columns.cells import (
    SEPARATOR,
    Numbers,
    has_codes,
    is_code_name,
    like_numbers,
    normalized,
    split_values,
)

Column = tuple[ColumnKind, Sequence[object]]
MAX_ODD: Final = 0.1  # above it, a filter by comparison would miss more than one item of ten
_ONE_ODD: Final = 4  # numbers from which a single other cell is odd, whatever its share
_MIN_NUMBERS: Final = 0.1  # with fewer numbers among words for missing values, the words are the values
_SHOWN: Final = 3


def served_type(kind: ColumnKind) -> ColumnType:
    """The type in a release, where a cell of any category may have several values."""
    return "category" if kind == "categories" else kind


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What was found about a column.

    Attributes:
        kind: The type.
        stated: Whether the type was stated, not inferred.
        distinct: Different values; of categories, those between the ``|``.
        missing: Rows without a value.
        not_numbers: Of a number column, cells that have a text, which count as missing.
        odd_rows: The first of these, as indices of rows.
        reason: Why the type is not what a person may expect, or "".
    """

    kind: ColumnKind
    stated: bool
    distinct: int
    missing: int
    not_numbers: int = 0
    odd_rows: tuple[int, ...] = ()
    reason: str = ""


def typed(name: str, texts: pl.Series, stated: ColumnKind | None) -> tuple[ColumnFacts, list[object]]:
    """The facts about a column and its values: numbers or texts; None: missing.

    Args:
        name: The column's name, which may say that its numbers are codes.
        texts: Its cells, stripped; an empty cell is null.
        stated: Its type, or None to infer it.
    """
    numbers = Numbers.of(texts)
    kind, reason = (stated, "") if stated is not None else _inferred(name, texts, numbers)
    if kind == "number":
        bad = numbers.values.is_null() & texts.is_not_null()
        # Cells such as €5 come before words such as n/a, which need no explanation.
        rows = [*numbers.odd.arg_true().to_list()[:_SHOWN], *numbers.words.arg_true().to_list()[:_SHOWN]][:_SHOWN]
        values, missing = numbers.values, numbers.values.null_count()
        distinct = values.drop_nulls().n_unique()
        facts = ColumnFacts(kind, stated is not None, distinct, missing, int(bad.sum()), tuple(sorted(rows)), reason)
        return facts, values.to_list()
    cells = normalized(texts) if kind == "categories" else texts
    values = split_values(cells) if kind == "categories" else cells.drop_nulls()
    return ColumnFacts(kind, stated is not None, values.n_unique(), cells.null_count(), reason=reason), cells.to_list()


def _inferred(name: str, texts: pl.Series, numbers: Numbers) -> tuple[ColumnKind, str]:
    present = len(texts) - texts.null_count()
    if not present:
        return "category", "it has no value"
    if _are_numbers(numbers, present):
        if has_codes(texts):
            return "category", "its numbers are codes: they have leading zeros or more than 15 digits"
        if is_code_name(name) and _are_whole(numbers.values):
            return "category", "its name says that its numbers are codes"
        return "number", ""
    reason = _almost_numbers(texts, present)
    if recurs(split_values(texts)):
        several = bool(texts.str.contains(SEPARATOR, literal=True).any())
        return "categories" if several else "category", reason
    return "text", reason


def recurs(values: pl.Series) -> bool:
    """Whether values occur twice on average, as those of a category do."""
    return bool(values.n_unique() * 2 <= max(len(values), 2))


def _are_numbers(numbers: Numbers, present: int) -> bool:
    count, odd = numbers.count, int(numbers.odd.sum())
    few = odd <= MAX_ODD * (count + odd) or (odd == 1 and count >= _ONE_ODD)
    return few and count > 0 and count >= _MIN_NUMBERS * present


def _are_whole(values: pl.Series) -> bool:
    return bool((values == values.floor()).all())


def _almost_numbers(texts: pl.Series, present: int) -> str:
    """Says what keeps a column from being a number that looks like one."""
    like = like_numbers(texts)
    numbers = texts.cast(pl.Float64, strict=False).count()
    if not len(like) or (len(like) + numbers) * 2 < present:
        return ""
    return f"to compare it, write plain numbers such as 1299.5, not {like[0]!r:.40}"
