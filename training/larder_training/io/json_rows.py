"""Reads JSON objects however they follow each other, and writes them one per line.

Objects may stand on one line without a separator (as Amazon Data Firehose delivers them), over several lines, or in an
array. What is not an object is left out and counted with its line. NaN, which JSON does not have but Python writes, is
a missing value.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import IO, Final

from larder_training.io.csv_rows import LeftOut

_MAX_OBJECT: Final = 2**24  # characters: what is longer is not one object
_BETWEEN: Final = frozenset(" \t\r\n,[]\x00\x1e\ufeff")  # what may stand between objects, at the top level
_SHOWN: Final = 60  # characters in messages
_INFINITY: Final[dict[str, str | None]] = {"NaN": None, "Infinity": "inf", "-Infinity": "-inf"}


def write_objects(texts: Iterable[str], file: IO[str]) -> LeftOut:
    """Writes each object of a file, given in blocks, as one line of standard JSON."""
    kept = count = 0
    example = ""
    for line, found in _objects(iter(texts)):
        if isinstance(found, dict):
            file.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
            kept += 1
            continue
        count += 1
        example = example or f"line {line}: {found}"
    return LeftOut(count, kept, example)


def mixed_columns(texts: Iterable[str]) -> list[str]:
    """The keys of a file, given in blocks, that have lists in some objects, and other values or other lists in others.

    No type of a table holds such values, while plain values of several types are texts.
    """
    kinds: dict[str, set[str]] = {}
    for _, found in _objects(iter(texts)):
        if isinstance(found, dict):
            for key, value in found.items():
                kinds.setdefault(key, set()).add(_kind(value))
    return [key for key, several in kinds.items() if len(several - {"null"}) > 1]


def write_as_texts(texts: Iterable[str], columns: Collection[str], file: IO[str]) -> None:
    """Writes each object of a file as one line, with texts in these columns: the values of a list joined by ``|``."""
    for _, found in _objects(iter(texts)):
        if isinstance(found, dict):
            row = {key: _text(value) if key in columns else value for key, value in found.items()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _kind(value: object) -> str:
    if value is None or value == []:
        return "null"
    if isinstance(value, list):
        return "list " + " ".join(sorted({_kind(item) for item in value} - {"null"}))
    return "object" if isinstance(value, dict) else "value"


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return "|".join(text for item in value if (text := _text(item)))
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _objects(texts: Iterator[str]) -> Iterator[tuple[int, dict[str, object] | str]]:
    """(line, object), or (line, what is wrong with the line)."""
    decoder = json.JSONDecoder(parse_constant=_INFINITY.__getitem__)
    text, place, line, ended = "", 0, 1, False
    while True:
        while place < len(text) and text[place] in _BETWEEN:
            line += text[place] == "\n"
            place += 1
        if place == len(text):
            text, place = next(texts, ""), 0
            if not text:
                return
            continue
        try:
            found, end = decoder.raw_decode(text, place)
            complete = isinstance(found, dict)
        except (ValueError, RecursionError) as error:  # not JSON, a number of thousands of digits, or deep nesting
            complete, end = False, getattr(error, "pos", place)
        if complete:
            yield line, found
            line += text.count("\n", place, end)
            place = end
            continue
        if not ended and "\n" not in text[end + 1 :] and len(text) - place < _MAX_OBJECT:
            more = next(texts, "")  # the object, or the line that is damaged, may go on in the next block
            ended = not more
            text, place = text[place:] + more, 0
            continue
        damaged = _damaged(text, place)
        yield line, f"not a JSON object: {damaged[:_SHOWN]}"
        place += len(damaged)


def _damaged(text: str, place: int) -> str:
    """What to leave out: up to the end of the line, or to the next object on the same line."""
    line, _, _ = text[place:].partition("\n")
    first, brace, _ = line.partition("}{")
    return first + brace[:1]
