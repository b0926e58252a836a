"""Encoding of side information (columns in addition to the image, such as a place or a price) for the graph.

Training and serving share this code, which is pure and needs the standard library alone. Columns are encoded in the
manifest's order:

- category: one-hot; the last position stands for values that were not in training, and for a missing value.
- number: ``(value - mean) / deviation``, clipped to -5..5; a missing value is 0, the mean.
- text: word counts in hashed buckets, L2-normalised (Weinberger et al., 2009, "Feature Hashing for Large Scale
  Multitask Learning", without signs). A word is a run of letters, digits and underscores of the text in Unicode form
  NFKC, case-folded; its bucket is its BLAKE2b digest of 8 bytes, read as a little-endian number, modulo ``buckets``.
  A missing text is all zeros.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from larder.errors import InvalidRequest
from larder.release.serving import CategoryColumn, NumberColumn, SideColumn

MAX_TEXT: Final = 10_000  # characters of one value
CLIP: Final = 5.0  # standard deviations from the mean, where a number is clipped
_WORD: Final = re.compile(r"\w+")
_LISTED: Final = 20  # columns that an error message names


def width(columns: Sequence[SideColumn]) -> int:
    """The number of values that the columns are encoded in: the second dimension of ``side``."""
    return sum(column.width for column in columns)


def encode(columns: Sequence[SideColumn], values: Mapping[str, object]) -> list[float]:
    """Encode the side information of one image.

    Args:
        columns: The columns of the manifest.
        values: JSON values by column; a column that is missing, null or an empty text takes its default.

    Returns:
        One row of ``side``: :func:`width` numbers.

    Raises:
        InvalidRequest: a column is not listed, or a value has another type, is not finite or is too long.
    """
    check_names(columns, values)
    row: list[float] = []
    for column in columns:
        value = values.get(column.name)
        if isinstance(column, NumberColumn):
            row.append(_number(column, value))
        elif isinstance(column, CategoryColumn):
            row.extend(_category(column, _text(column.name, value)))
        else:
            row.extend(hashed(_text(column.name, value), column.buckets))
    return row


def check_names(columns: Sequence[SideColumn], values: Mapping[str, object]) -> None:
    """Raise InvalidRequest for the first name that is not one of ``columns``."""
    names = [column.name for column in columns]
    for name in values:
        if not names:
            raise InvalidRequest(
                f"This model takes no side information, but side has {name[:80]!r}: leave side out, or name a release "
                "that was trained with it."
            )
        if name not in names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            raise InvalidRequest(
                f"side has {name[:80]!r}, which is not a column of this model: use {', '.join(names[:_LISTED])}{more}."
            )


def plain(text: str) -> str:
    """A category's value in the form in which it is compared: Unicode NFC, white space stripped."""
    return unicodedata.normalize("NFC", text).strip()


def hashed(text: str, buckets: int) -> list[float]:
    """Word counts in ``buckets`` hashed buckets, L2-normalised; all zeros without words."""
    counts = [0.0] * buckets
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        counts[int.from_bytes(digest, "little") % buckets] += 1
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts] if length else counts


def _category(column: CategoryColumn, text: str) -> list[float]:
    value = plain(text)
    position = column.values.index(value) if value in column.values else len(column.values)
    return [1.0 if index == position else 0.0 for index in range(column.width)]


def _number(column: NumberColumn, value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"side.{column.name} is {_short(value)}, not a number: send a number such as 3.5.")
    try:
        number = float(value)
    except OverflowError:  # an integer that is too large for a float
        number = math.inf
    if not math.isfinite(number):
        raise InvalidRequest(f"side.{column.name} is not finite: send a number such as 3.5, or leave it out.")
    return min(max((number - column.mean) / column.deviation, -CLIP), CLIP)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"side.{name} is {_short(value)}, not a text: send a string.")
    if len(value) > MAX_TEXT:
        raise InvalidRequest(f"side.{name} has {len(value)} characters: send at most {MAX_TEXT}.")
    return value


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return "a whole number" if type(value) is int else f"{value!r:.40}"
