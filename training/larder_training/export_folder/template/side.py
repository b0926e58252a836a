"""Encodes side information as the model's ``side`` input (columns: ``preprocessing.json``).

A category is one 1 among zeros (the last place: no value, or one that is not listed), a number is its distance to the
mean in deviations, a text is its words in hashed buckets, at length 1.
"""

import math
import re
import unicodedata
from hashlib import blake2b
from typing import Any

import numpy as np


def encode(columns: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    """The input ``side``, float32 [1, S]; none where the model has no columns.

    A column that is missing or null takes its default; ValueError says what cannot be.
    """
    names = [column["name"] for column in columns]
    for name in values:
        if name not in names:
            raise ValueError(
                f"side has {name!r}, which is not a column of this model: use {', '.join(names) or 'none'}."
            )
    row = [number for column in columns for number in _numbers(column, values.get(column["name"]))]
    return {"side": np.array([row], np.float32)} if columns else {}


def _numbers(column: dict[str, Any], value: Any) -> list[float]:  # noqa: ANN401 - any JSON value
    if column["type"] == "number":
        return [_deviations(column, value)]
    if value is not None and not isinstance(value, str):
        raise ValueError(f"side.{column['name']} is not a string: send one.")
    if column["type"] == "category":
        text = unicodedata.normalize("NFC", value or "").strip()
        place = column["values"].index(text) if text in column["values"] else len(column["values"])
        return [float(slot == place) for slot in range(len(column["values"]) + 1)]
    counts = [0.0] * column["buckets"]
    for word in re.findall(r"\w+", unicodedata.normalize("NFKC", value or "").casefold()):
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        counts[int.from_bytes(digest, "little") % len(counts)] += 1
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return [count / length for count in counts]


def _deviations(column: dict[str, Any], value: Any) -> float:  # noqa: ANN401 - any JSON value
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError(f"side.{column['name']} is not a finite number: send a number such as 3.5.")
    away: float = (value - column["mean"]) / column["deviation"]
    return min(max(away, -5.0), 5.0)
