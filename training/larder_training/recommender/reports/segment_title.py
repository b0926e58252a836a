"""Segments as people name them: ``AGE=[25,35)|CITY=Bonn`` is age 25 to 35 in Bonn."""

import re
from typing import Final

_BIN: Final = re.compile(r"^(?P<column>[^=]+)=(?P<open>[\[(])(?P<low>[^,]+),(?P<high>[^,]+)\)$")


def segment_title(name: str) -> str:
    """The title of a segment."""
    return ", ".join(map(_part, name.split("|")))


def _part(part: str) -> str:
    found = _BIN.match(part)
    if found is None:
        return part
    if found["low"] == "-inf":
        return f"{found['column']} below {found['high']}"
    if found["high"] == "inf":
        return f"{found['column']} {found['low']} or more"
    return f"{found['column']} {found['low']} to below {found['high']}"
