"""Parses the text of a list as far as its syntax goes: JSON of one document or of lines, XML, or else CSV."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final, Literal
from xml.etree.ElementTree import Element, ParseError, fromstring

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import ListText, Part
from larder_training.io.separators import Separator, find_separator

Syntax = Literal["rows", "xml", "delimited"]
_QUOTED: Final = 60  # characters of a line in a message
_SAMPLE: Final = 2**16  # characters to find the separator in


@dataclass(frozen=True, slots=True)
class JsonRow:
    """One object of JSON lines or of an array.

    Attributes:
        where: Its place, such as "line 4" or "entry 4".
        fields: Its fields.
    """

    where: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The cells of CSV.

    Attributes:
        separator: What stands between cells.
        header: The names of the columns, without blanks around them.
        rows: The rows below the header, each with the number of the line that it ends on; those without content are
            left out.
    """

    separator: Separator
    header: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]


_NO_TABLE: Final = CsvTable(Separator(","), (), ())


@dataclass(frozen=True, slots=True)
class Parsed:
    """A list by its syntax.

    Attributes:
        source: The text.
        syntax: "rows": ``rows`` has objects; "xml": ``xml`` is the root; "delimited": anything else, as CSV.
        rows: Objects of JSON lines or of a JSON array.
        document: One JSON object over the whole text, which is also the only row.
        xml: The root of an XML document.
        table: The cells of CSV.
    """

    source: ListText
    syntax: Syntax
    rows: Sequence[JsonRow] = ()
    document: Mapping[str, object] | None = None
    xml: Element | None = None
    table: CsvTable = _NO_TABLE

    @property
    def name(self) -> str:
        """The list's name in messages."""
        return self.source.name

    @property
    def part(self) -> Part | None:
        """The part of the split that the list's folder states."""
        return self.source.part


def parse(source: ListText) -> Parsed:
    """Parses a list by its first character, whatever its suffix.

    Raises:
        InvalidRequest: The JSON, XML or CSV is invalid; the message names the line.
    """
    text = source.text.lstrip()
    if text.startswith("<"):
        try:
            # Expat bounds the expansion of entities and reads no external ones.
            return Parsed(source, "xml", xml=fromstring(text))  # noqa: S314
        except ParseError as error:
            raise InvalidRequest(f"{source.name} is not valid XML ({error}). Export it again.") from error
    if text.startswith("["):
        return Parsed(source, "rows", rows=tuple(_array(source, text)))
    if not text.startswith("{"):
        return Parsed(source, "delimited", table=read_table(source))
    document, end = _first_value(source, text)
    if isinstance(document, dict) and not text[end:].strip():
        return Parsed(source, "rows", rows=(JsonRow(f"line {_line(source, text)}", document),), document=document)
    return Parsed(source, "rows", rows=tuple(_lines(source)))


def header_of(rows: Sequence[JsonRow]) -> list[str]:
    """The keys of all rows, in the order in which they appear."""
    return list(dict.fromkeys(key for row in rows for key in row.fields))


def read_table(source: ListText) -> CsvTable:
    """The cells of CSV with any separator.

    Raises:
        InvalidRequest: The text has no header, or a quote is wrong; the message names the line.
    """
    separator = find_separator(source.text[:_SAMPLE])
    rows = _csv_rows(source, separator)
    _, header = next(rows, (0, []))
    if not header:
        raise InvalidRequest(f"{source.name} is empty: its first line must name the columns, such as path,label.")
    return CsvTable(separator, tuple(cell.strip() for cell in header), tuple(rows))


def _csv_rows(source: ListText, separator: Separator) -> Iterator[tuple[int, list[str]]]:
    file = StringIO(source.text, newline="")
    for _ in range(separator.skip):
        file.readline()
    reader = csv.reader(file, delimiter=separator.sign, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num + separator.skip, row
    except csv.Error as error:
        line = reader.line_num + separator.skip
        raise InvalidRequest(
            f"{source.name} line {line} is not CSV ({error}). Put quotes around whole cells only, and double each "
            "quote inside a cell."
        ) from error


def _first_value(source: ListText, text: str) -> tuple[object, int]:
    """The first JSON value of a text and where it ends; None if only its first line is wrong, as ``_lines`` says."""
    try:
        value: object
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        first = text.partition("\n")[0]
        if _loads(first) is not None or first.rstrip().endswith("}"):
            return None, 0
        if isinstance(error, json.JSONDecodeError) and error.lineno > 1:
            raise InvalidRequest(
                f"{source.name} line {error.lineno + _line(source, text) - 1} is not JSON ({error.msg}): the file may "
                "be cut off. Export it again."
            ) from error
        return None, 0
    return value, end


def _array(source: ListText, text: str) -> Iterator[JsonRow]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1) + _line(source, text) - 1
        raise InvalidRequest(
            f"{source.name} line {line} is not JSON ({getattr(error, 'msg', error)}): the file may be cut off. Export "
            "it again."
        ) from error
    for number, value in enumerate(values if isinstance(values, list) else [], 1):
        if not isinstance(value, dict):
            raise InvalidRequest(
                f"{source.name} entry {number} is {json.dumps(value)[:_QUOTED]}: write one object per image."
            )
        yield JsonRow(f"entry {number}", value)


def _lines(source: ListText) -> Iterator[JsonRow]:
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        value: object
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"{source.name} line {number} is not JSON ({error}). Write one JSON object per line."
            ) from error
        if not isinstance(value, dict):
            raise InvalidRequest(f"{source.name} line {number} is {line.strip()[:_QUOTED]}: write one object per line.")
        yield JsonRow(f"line {number}", value)


def _loads(line: str) -> object:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value


def _line(source: ListText, text: str) -> int:
    """The line on which ``text``, the source without leading blanks, begins."""
    return source.text[: len(source.text) - len(text)].count("\n") + 1
