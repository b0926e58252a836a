"""Parses the text of a list as far as its syntax goes: JSON of one document or of lines, XML, or neither."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.etree.ElementTree import Element, ParseError, fromstring

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import ListText, Part

Syntax = Literal["rows", "document", "xml", "delimited"]
_QUOTED: Final = 60  # characters of a line in a message


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
class Parsed:
    """A list by its syntax.

    Attributes:
        source: The text.
        syntax: "rows": ``rows`` has objects; "document": ``document`` is one object; "xml": ``xml`` is the root;
            "delimited": anything else, as CSV.
        rows: Objects of JSON lines or of a JSON array.
        document: One JSON object over the whole text.
        xml: The root of an XML document.
    """

    source: ListText
    syntax: Syntax
    rows: Sequence[JsonRow] = ()
    document: Mapping[str, object] | None = None
    xml: Element | None = None

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
        InvalidRequest: The JSON or XML is invalid; the message names the line.
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
        return Parsed(source, "delimited")
    document, end = _first_value(source, text)
    if isinstance(document, dict) and not text[end:].strip():
        several_lines = "\n" in text[:end].strip()
        row = (JsonRow(f"line {_line(source, text)}", document),)
        return Parsed(source, "document" if several_lines else "rows", rows=row, document=document)
    return Parsed(source, "rows", rows=tuple(_lines(source)))


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
