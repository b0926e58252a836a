"""Checks that every row of a CSV file has as many cells as its header, and writes a copy without those that have not.

The check is fast, because most files pass it: it counts separators and quotes of whole blocks. Only a file that fails
is read row by row. There a row with too many or too few cells is left out and counted, never shifted; a quote inside a
cell that does not begin with one (``27" screen``) is a letter if no cell before it was in quotes; and a quote that
nothing closes costs its own line only.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from larder_training.reporting.counts import counted

_QUOTE: Final = ord('"')
_LINE_END: Final = ord("\n")
_RETURN: Final = ord("\r")
_MAX_OPEN: Final = 16 * 2**20  # bytes without the end of a row, after which the file is read row by row
_MAX_LINES: Final = 200  # of one row: a longer one has lost a quote
_SHOWN: Final = 60  # characters of a row in messages


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Parts of a text file that are left out because they are not rows.

    Attributes:
        count: How many.
        rows: Rows that are kept, if all were counted.
        example: Line and content of the first, for messages.
    """

    count: int = 0
    rows: int = 0
    example: str = ""


def well_formed(texts: Iterable[str], separator: str) -> bool:
    """Whether each row has as many cells as the first, is one line, and has quotes around whole cells only.

    Args:
        texts: The file in blocks.
        separator: The character between cells.
    """
    width, rest = -1, b""
    for text in _ended(texts):
        block = rest + text.encode()
        end = block.rfind(b"\n") + 1
        counted = _separators(np.frombuffer(block[:end], np.uint8), ord(separator))
        if counted is None:
            return False
        rest = block[end:]
        if counted.size:
            width = int(counted[0]) if width < 0 else width
        if len(rest) > _MAX_OPEN or (counted != width).any():
            return False
    return True


def _ended(texts: Iterable[str]) -> Iterator[str]:
    """The blocks, with an end of line after the last if it lacks one."""
    text = "\n"
    for text in texts:
        yield text
    if not text.endswith("\n"):
        yield "\n"


def _separators(rows: NDArray[np.uint8], sign: int) -> NDArray[np.int64] | None:
    """``[lines]``: separators per line outside of quotes; None if a line is empty or its quotes are irregular.

    Args:
        rows: Bytes of whole lines.
        sign: The separator.
    """
    marks = (rows == sign) | (rows == _LINE_END)
    quotes = rows == _QUOTE
    if quotes.any():
        inside = np.cumsum(quotes, dtype=np.uint8) & np.uint8(1)  # parity survives the overflow
        if (inside[rows == _LINE_END]).any() or not _regular(rows, np.flatnonzero(quotes), inside, sign):
            return None
        marks &= inside == 0
    places = np.flatnonzero(marks)
    line_ends = np.flatnonzero(rows[places] == _LINE_END)
    ends = places[line_ends]
    lengths = np.diff(ends, prepend=-1)
    if (lengths == 1).any() or ((lengths == 2) & (rows[ends - 1] == _RETURN)).any():  # empty, \r\n too
        return None
    return np.diff(line_ends, prepend=-1) - 1


def _regular(rows: NDArray[np.uint8], quotes: NDArray[np.int64], inside: NDArray[np.uint8], sign: int) -> bool:
    """Whether quotes open at the start of a cell and close at its end, or are doubled inside."""
    opening = quotes[inside[quotes] == 1]
    closing = quotes[inside[quotes] == 0]
    before = rows[opening[opening > 0] - 1]
    after = rows[closing + 1]  # a line end follows the last quote
    opens_well = (before == sign) | (before == _LINE_END) | (before == _QUOTE)
    closes_well = (after == sign) | (after == _LINE_END) | (after == _RETURN) | (after == _QUOTE)
    return bool(opens_well.all() and closes_well.all())


def write_rows(texts: Iterable[str], separator: str, file: IO[str], skipped: int = 0) -> LeftOut:
    """Writes the rows that have as many cells as the first one, with quotes as RFC 4180 has them.

    Empty lines, and lines of separators only, are not rows. Missing cells at the end of a row are not filled, since a
    row that was cut off looks the same.

    Args:
        texts: The file in blocks.
        separator: The character between cells.
        file: Where to write.
        skipped: Lines of the file before ``texts``.
    """
    rows = _RowParser(_lines(texts), separator)
    writer = csv.writer(file, delimiter=separator, lineterminator="\n")
    width, kept, count, example = 0, 0, 0, ""
    for line, row in rows:
        cells = row if isinstance(row, list) else None
        if cells is not None and not any(cell.strip() for cell in cells):
            continue
        if cells is not None and not width:
            while len(cells) > 1 and not cells[-1].strip():  # Excel's separators after the last name
                cells = cells[:-1]
            width = len(cells)
        while cells is not None and len(cells) > width and not cells[-1].strip():
            cells = cells[:-1]
        if cells is not None and len(cells) == width:
            writer.writerow(cells)
            kept += 1
            continue
        count += 1
        if not example:
            what = row if isinstance(row, str) else f"{counted(len(row), 'cell')}, and the header has {width}"
            example = f"line {line + skipped}: {what}"
    return LeftOut(count, max(kept - 1, 0), example)


class _RowParser:
    """Iterates over (number of the first line, cells), or (number, what is wrong with the line)."""

    def __init__(self, lines: Iterator[str], separator: str) -> None:
        self._lines = lines
        self._waiting: deque[str] = deque()
        self._number = 0
        self._quotes = False  # whether a cell was in quotes, so that the writer of the file knows of them
        self._separator = separator
        sign, quoted = re.escape(separator), '"(?:[^"]|"")*+"'
        self._regular = re.compile(rf'(?:[^{sign}"]*+|{quoted})(?:{sign}(?:[^{sign}"]*+|{quoted}))*+')
        self._quoted = re.compile(rf"(?:^|{sign}){quoted}(?:{sign}|$)")

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        while (line := self._next()) is not None:
            number = self._number
            yield number, self._row(line)

    def _next(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else next(self._lines, None)
        self._number += line is not None
        return line

    def _row(self, line: str) -> list[str] | str:
        if '"' not in line:
            return line.split(self._separator)
        cells = self._cells(line)
        if cells is not None:
            return cells
        return self._long_row(line) or f"a quote that does not enclose a cell: {line[:_SHOWN]}"

    def _long_row(self, line: str) -> list[str] | None:
        """The cells of a row that goes on in the next lines, up to the line that closes its quote; None: there is none.

        Lines between the first and the last that are rows by themselves show that the quote is a mistake.
        """
        width = len(line.split(self._separator))
        more = list(islice(iter(self._next, None), _MAX_LINES))
        for count in range(1, len(more) + 1):
            if '"' not in more[count - 1]:
                continue
            cells = self._cells("\n".join((line, *more[:count])))
            inner = more[: count - 1]
            rows_inside = bool(inner) and all(len(text.split(self._separator)) >= max(width, 2) for text in inner)
            if cells is not None and not rows_inside:
                self._put_back(more[count:])
                return cells
        self._put_back(more)
        return None

    def _put_back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self._number -= len(lines)

    def _cells(self, text: str) -> list[str] | None:
        try:
            (cells,) = csv.reader([text], delimiter=self._separator, strict=True)
        except (csv.Error, ValueError):
            return None
        if "\n" not in text:
            self._quotes = self._quotes or self._quoted.search(text) is not None
        stray = any('"' in cell for cell in cells) and not self._regular.fullmatch(text)
        return None if stray and self._quotes else cells  # 27" is a letter where no cell has been in quotes


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines without their ends."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
    if rest:
        yield rest.removesuffix("\r")
