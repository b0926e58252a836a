"""Segments: users with the same profile columns, and their names (ARCHITECTURE.md, "Segments").

Training writes a segment's row under its name, and serving looks it up by the same name.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Final

from larder.errors import InvalidRequest
from larder.release.serving import ProfileColumn

EVERYONE: Final = ""
_SEPARATOR: Final = "|"
_MOST_VALUES: Final = 20  # of one column of a profile: each is a look-up
Profile = Mapping[str, str | float]


def segment_text(columns: Sequence[str], profile: Profile, specification: Mapping[str, ProfileColumn]) -> str | None:
    """The name of a user's segment by ``columns``, such as ``CITY=Berlin|AGE=[25,35)``.

    Returns None if the profile lacks a column. Without columns the name is empty: all users. Every column must be in
    ``specification``.
    """
    parts = []
    for name in columns:
        value = profile.get(name)
        if value is None:
            return None
        parts.append(f"{name}={_label(value, specification[name].edges)}")
    return "|".join(parts)


def bin_text(value: float, edges: Sequence[float]) -> str:
    """The name of a number's bin, such as ``[25,35)``, ``(-inf,18)`` or ``[65,inf)``. Edges ascend."""
    index = bisect_right(edges, value)
    low = f"[{_shortest(edges[index - 1])}" if index else "(-inf"
    high = _shortest(edges[index]) if index < len(edges) else "inf"
    return f"{low},{high})"


def most_specific_first(
    segments_by: Sequence[Sequence[str]], profile: Profile, specification: Mapping[str, ProfileColumn]
) -> Iterator[str]:
    """The names of a user's segments, in the order of ``segments_by``, and that of all users at the end.

    A category with several values, separated by ``|``, is in the segments of each, in their order.
    """
    for columns in segments_by:
        for values in product(*(_several(profile.get(name)) for name in columns)):
            text = segment_text(columns, dict(zip(columns, values, strict=True)), specification)
            if text is not None:
                yield text
    yield EVERYONE


def _several(value: str | float | None) -> tuple[str | float, ...]:
    """A value and, if it holds several, each of them: the columns of a stated category have whole values."""
    if value is None:
        return ()
    if not isinstance(value, str) or _SEPARATOR not in value:
        return (value,)
    return tuple(dict.fromkeys((value, *value.split(_SEPARATOR)[:_MOST_VALUES])))


def typed_profile(profile: Profile, specification: Mapping[str, ProfileColumn]) -> Profile:
    """The profile with numbers converted from text, since a query string has only text.

    Raises InvalidRequest for an unknown column or a value of the wrong type.
    """
    return {name: _typed(name, value, specification) for name, value in profile.items()}


def known_profile(profile: Profile, specification: Mapping[str, ProfileColumn]) -> Profile:
    """As ``typed_profile``, without the columns and values for which that raises: no caller can correct them."""
    known: dict[str, str | float] = {}
    for name, value in profile.items():
        with suppress(InvalidRequest):
            known[name] = _typed(name, value, specification)
    return known


def _typed(name: str, value: str | float, specification: Mapping[str, ProfileColumn]) -> str | float:
    column = specification.get(name)
    if column is None:
        known = ", ".join(f"{known} ({column.type})" for known, column in sorted(specification.items()))
        raise InvalidRequest(
            f"profile.{name[:80]} is not a column of this model's users: use one of {known or 'none'}."
        )
    if column.type == "number":
        number = _number(value)
        if not math.isfinite(number):
            raise InvalidRequest(f"profile.{name} is {value!r:.60}: send a finite number, like 34.")
        return number
    if not isinstance(value, str):
        raise InvalidRequest(f"profile.{name} is {value!r:.60}: send a text, in quotes.")
    return value


def _number(value: str | float) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _label(value: str | float, edges: Sequence[float]) -> str:
    return value if isinstance(value, str) else bin_text(value, edges)


def _shortest(edge: float) -> str:
    """25.0 as ``25``, 0.1 as ``0.1``; different numbers have different texts."""
    text = f"{edge:g}"
    return text if float(text) == edge else repr(edge)
