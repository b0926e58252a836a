"""What is known beside a picture (a place, a price, a description), as the numbers of the graph's ``side`` input.

Training and serving encode with this very code, so that a value means the same in both. Pure, and of the standard
library alone. Columns stand in the manifest's order, each in so many numbers as ``serving`` says:

- category: one 1 among zeros, at the value's place; the last place is for a value that the training did not list, and
  for none at all.
- number: ``(value - mean) / deviation``, cut to -5..5; none at all is 0, the mean.
- text: words counted in hashed buckets, at length 1 (Weinberger et al., 2009, "Feature Hashing for Large Scale
  Multitask Learning", without signs). A word is a run of letters, digits and underscores of the text in Unicode form
  NFKC, case-folded; its bucket is its BLAKE2b digest of 8 bytes, read as a little-endian number, modulo ``buckets``.
  No text is all zeros.
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
MOST: Final = 5.0  # deviations that a number may be away from the mean
_WORD: Final = re.compile(r"\w+")
_LISTED: Final = 20  # columns that an error names


def width(columns: Sequence[SideColumn]) -> int:
    """How many numbers these columns take together: the second dimension of ``side``."""
    return sum(column.width for column in columns)


def encode(columns: Sequence[SideColumn], values: Mapping[str, object]) -> list[float]:
    """The row of ``side`` for one picture.

    Args:
        columns: as the manifest lists them.
        values: JSON values by column; a column that is missing, null or an empty text takes its default.

    Raises:
        InvalidRequest: a column that is not listed, or a value of another type, not finite, or too long.
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
    """Raises InvalidRequest for the first name that is none of ``columns``."""
    names = [column.name for column in columns]
    for name in values:
        if not names:
            raise InvalidRequest(
                f"This model takes no side information, but side has {name[:80]!r}: leave side out, or ask a release "
                "that was trained with it."
            )
        if name not in names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            raise InvalidRequest(
                f"side has {name[:80]!r}, which is no column of this model: use {', '.join(names[:_LISTED])}{more}."
            )


def plain(text: str) -> str:
    """A category's value as it is compared: in Unicode form NFC, without white space around."""
    return unicodedata.normalize("NFC", text).strip()


def hashed(text: str, buckets: int) -> list[float]:
    """Words counted in ``buckets`` hashed buckets, at length 1; all zeros where there is no word."""
    counts = [0.0] * buckets
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        counts[int.from_bytes(digest, "little") % buckets] += 1
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts] if length else counts


def _category(column: CategoryColumn, text: str) -> list[float]:
    value = plain(text)
    place = column.values.index(value) if value in column.values else len(column.values)
    return [1.0 if slot == place else 0.0 for slot in range(column.width)]


def _number(column: NumberColumn, value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"side.{column.name} is {_short(value)}, no number: send a number such as 3.5.")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond every float
        number = math.inf
    if not math.isfinite(number):
        raise InvalidRequest(f"side.{column.name} is not finite: send a number such as 3.5, or leave it out.")
    return min(max((number - column.mean) / column.deviation, -MOST), MOST)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"side.{name} is {_short(value)}, no text: send a string.")
    if len(value) > MAX_TEXT:
        raise InvalidRequest(f"side.{name} has {len(value)} characters: send at most {MAX_TEXT}.")
    return value


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return "a whole number" if type(value) is int else f"{value!r:.40}"
