"""Cells of one metadata column: numbers, cells that are not, and values separated by ``|``."""

import re
from dataclasses import dataclass
from typing import Final

import polars as pl

SEPARATOR: Final = "|"
# What people and programs write for a value that is missing.
_MISSING: Final = (
    *("-", "--", "---", "?", ".", "n/a", "n.a.", "na", "#n/a", "#na", "nan", "nil", "null", "none", "missing"),
    *("unknown", "undefined", "unspecified", "not available", "not applicable", "tbd", "tba", "#value!", "#ref!"),
)
_CODE: Final = r"^[+-]?0\d+$|^\d{16,}$"  # as numbers, 007 and 7 were one value, and 17 digits would be rounded
_LIKE_NUMBERS: Final = r"^[+-]?\s*(\p{Sc}|[A-Z]{3}\s)?\s*[+-]?\d[\d\s.,'’]*(\p{Sc}|%|\s?\p{L}{1,4})?$"
_CODE_NAMES: Final = frozenset(
    ("id", "ids", "code", "codes", "zip", "zipcode", "postcode", "plz", "sku", "ean", "upc", "gtin", "isbn", "asin")
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column read as numbers.

    Attributes:
        values: Float64 ``[rows]``; null: missing, or not a finite number.
        words: Boolean ``[rows]``: whether the cell is a word for a missing value, such as ``n/a``.
        odd: Boolean ``[rows]``: whether the cell is neither a finite number, nor such a word, nor empty.
    """

    values: pl.Series
    words: pl.Series
    odd: pl.Series

    @classmethod
    def of(cls, texts: pl.Series) -> "Numbers":
        """Reads the texts of a column."""
        numbers = texts.cast(pl.Float64, strict=False)
        values = numbers.set((~numbers.is_finite()).fill_null(value=False), None)
        words = texts.str.to_lowercase().is_in(_MISSING).fill_null(value=False)
        return cls(values, words, values.is_null() & texts.is_not_null() & ~words)

    @property
    def count(self) -> int:
        """The number of cells that are numbers."""
        return len(self.values) - self.values.null_count()


def has_codes(texts: pl.Series) -> bool:
    """Whether a cell would be another value as a number: it has leading zeros, or more digits than a float holds."""
    return bool(texts.str.contains(_CODE).any())


def is_code_name(name: str) -> bool:
    """Whether the last word of a column's name is that of codes: ``brandId``, ``Zip Code``, ``EAN``."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    return bool(words) and words[-1].lower() in _CODE_NAMES


def like_numbers(texts: pl.Series) -> pl.Series:
    """The cells that people read as numbers but programs do not: ``€5``, ``1,299.00``, ``12 cm``."""
    return texts.filter(texts.str.contains(_LIKE_NUMBERS) & texts.cast(pl.Float64, strict=False).is_null())


def split_values(texts: pl.Series) -> pl.Series:
    """Every value of every cell; a cell has several, separated by ``|``."""
    values = texts.drop_nulls().str.split(SEPARATOR).explode().str.strip_chars()
    return values.filter(values.str.len_bytes() > 0)


def normalized(texts: pl.Series) -> pl.Series:
    """The cells without blanks and empty values around ``|``; a cell without a value is null."""
    some = texts.str.contains(SEPARATOR, literal=True).fill_null(value=False)
    tidy = texts.str.replace_all(r"\s*\|[\s|]*", SEPARATOR).str.strip_chars(SEPARATOR)
    cells = pl.select(pl.when(some).then(tidy).otherwise(texts)).to_series()
    return cells.set((cells.str.len_bytes() == 0).fill_null(value=False), None)
