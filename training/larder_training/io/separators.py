"""Finds the separator of a CSV file: comma, semicolon, tab or bar."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Final

SEPARATORS: Final[tuple[str, ...]] = (",", ";", "\t", "|")
SEPARATOR_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
_ROWS: Final = 200
_STATED: Final = "sep="  # Excel's first line


@dataclass(frozen=True, slots=True)
class Separator:
    """The separator of a file.

    Attributes:
        sign: The character between cells.
        skip: Lines before the header that only state the separator: 1 for Excel's ``sep=;``, else 0.
    """

    sign: str
    skip: int = 0

    @property
    def name(self) -> str:
        """The plural word for messages, such as "semicolons"."""
        return SEPARATOR_NAMES.get(self.sign, repr(self.sign))


def find_separator(text: str) -> Separator:
    """The separator of a CSV text, which may be the first part of a file.

    It divides the header, and most rows into as many cells as the header; a decimal comma or a list in a cell does not.
    A text of one column has a comma.
    """
    first, _, rest = text.partition("\n")
    stated = first.strip().strip('"')
    if stated.lower().startswith(_STATED) and len(stated) <= len(_STATED) + 1:
        sign = "\t" if first.strip("\r\n").endswith("\t") else stated[len(_STATED) :]
        return Separator(sign or find_separator(rest).sign, 1)
    return Separator(max(SEPARATORS, key=lambda sign: _fit(text, sign)))


def _fit(text: str, sign: str) -> tuple[float, int]:
    """How well a separator fits: the share of rows as wide as the header, and the width; 0 if it divides no header."""
    rows = _rows(text, sign)
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, 0
    widths = Counter(len(row) for row in rows[1:])
    share = widths[width] / widths.total() if widths else 1.0
    return round(share, 1) + 0.1, width  # a header that is divided counts, even if no row is like it


def _rows(text: str, sign: str) -> Sequence[list[str]]:
    """The first rows with content."""
    try:
        return list(islice((row for row in csv.reader(StringIO(text), delimiter=sign) if any(row)), _ROWS))
    except csv.Error:  # a cell above the limit, as of a quote that nothing closes
        return [line.split(sign) for line in text.splitlines()[:_ROWS]]
