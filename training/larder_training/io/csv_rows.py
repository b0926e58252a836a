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
    """``[lines]``: separators per line outside of quotes; None if a line has no content or irregular quotes.

    Args:
        rows: Bytes of whole lines.
        sign: The separator.
    """
    lines = rows == _LINE_END
    marks = (rows == sign) | lines
    quotes = rows == _QUOTE
    if quotes.any():
        inside = np.cumsum(quotes, dtype=np.uint8) & np.uint8(1)  # parity survives the overflow
        if (inside & lines).any() or not _regular(rows, np.flatnonzero(quotes), sign):
            return None
        marks &= inside == 0
    places = np.flatnonzero(marks)
    line_ends = np.flatnonzero(rows[places] == _LINE_END)
    ends = places[line_ends]
    separators = np.diff(line_ends, prepend=-1) - 1
    content = np.diff(ends, prepend=-1) - 1 - separators - (rows[ends - 1] == _RETURN)
    return None if (content <= 0).any() else separators


def _regular(rows: NDArray[np.uint8], quotes: NDArray[np.int64], sign: int) -> bool:
    """Whether quotes open at the start of a cell and close at its end, or are doubled inside."""
    opening, closing = quotes[::2], quotes[1::2]
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
        cells = len(row)
        if isinstance(row, list):
            while len(row) > (width or 1) and not row[-1].strip():  # Excel's separators after the last name
                row.pop()
            if not any(map(str.strip, row)):
                continue
            width = width or len(row)
            if len(row) == width:
                writer.writerow(row)
                kept += 1
                continue
        count += 1
        if not example:
            what = row if isinstance(row, str) else f"{counted(cells, 'cell')}, and the header has {width}"
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
        if cells is None and self._open(line):
            cells = self._long_row(line)
        return f"a quote that does not enclose a cell: {line[:_SHOWN]}" if cells is None else cells

    def _long_row(self, line: str) -> list[str] | None:
        """The cells of a row that goes on in the next lines, up to the line that closes its quote; None: there is none.

        Lines between the first and the last that are rows by themselves show that the quote is a mistake.
        """
        more: list[str] = []
        while len(more) < _MAX_LINES and (following := self._next()) is not None:
            more.append(following)
            if '"' not in following or self._open(text := "\n".join((line, *more))):
                continue
            cells, inner = self._cells(text), more[:-1]
            width = max(len(line.split(self._separator)), 2)
            if cells is not None and not (inner and all(len(row.split(self._separator)) >= width for row in inner)):
                return cells
            break
        self._put_back(more)
        return None

    def _put_back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self._number -= len(lines)

    def _cells(self, text: str) -> list[str] | None:
        cells = self._parsed(text)
        if cells is None:
            return None
        if "\n" not in text:
            self._quotes = self._quotes or self._quoted.search(text) is not None
        stray = '"' in "".join(cells) and not self._regular.fullmatch(text)
        return None if stray and self._quotes else cells  # 27" is a letter where no cell has been in quotes

    def _open(self, text: str) -> bool:
        """Whether a quote is open at the end, so that only there a new line may follow."""
        return self._parsed(f'{text}\n"') is not None

    def _parsed(self, text: str) -> list[str] | None:
        try:
            (cells,) = csv.reader([text], delimiter=self._separator, strict=True)
        except (csv.Error, ValueError):
            return None
        return cells


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines without their ends."""
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
    if rest:
        yield rest.removesuffix("\r")
