"""Parse a request, JSON or a query string, into a :class:`~larder.recommender.query.Query`.

In a query string, the entries of a list are separated by commas (an entry with a comma is in double quotes, as in RFC
4180), and ``profile`` and ``filter_values`` have one parameter per entry: ``profile.CITY=Berlin&filter_values.P=5``.

A filter value may be written as clients of Amazon Personalize do, each entry in double quotes: ``"war","drama"``, also
as one text in JSON.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from larder.errors import InvalidRequest
from larder.recommender.query import MAX_N, MAX_TEXT, Promotion, Query
from larder.release.json_fields import FieldReader

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

SIMILAR: Final = frozenset({"user", "profile", "n", "exclude", "filter", "filter_values", "columns"})
RANK: Final = frozenset({"user", "session", "item", "profile", "filter", "filter_values", "columns", "items"})
RECOMMEND: Final = SIMILAR | RANK - {"items"} | {"include_seen", "promotions"}

_LISTS: Final = frozenset({"session", "exclude", "columns", "items"})
_BOOLEANS: Final = {"true": True, "false": False}
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")
_ENTRY: Final = re.compile(r'(?:\s*+"((?:[^"\\]|""|\\.)*+)"\s*+|([^",]++))(?:,|\Z)', re.DOTALL)
_ESCAPED: Final = re.compile(r'["\\](["\\])')  # "" as in CSV, \" and \\ as in the filter language


def read_parameters(parameters: Mapping[str, str]) -> dict[str, object]:
    """The parameters of a query string as the equivalent JSON document, which ``read_query`` validates."""
    document: dict[str, object] = {}
    objects: dict[str, dict[str, object]] = {}
    for name, text in parameters.items():
        head, dot, tail = name.partition(".")
        if dot and head == "profile":
            objects.setdefault(head, {})[tail] = text
        elif dot and head == "filter_values":
            objects.setdefault(head, {})[tail] = _parameter(name, text)
        else:
            document[name] = _json_value(name, text)
    return {**document, **objects}


def _json_value(name: str, text: str) -> object:
    if name in _LISTS:
        return _entries(name, text)
    if name == "n" and _WHOLE.fullmatch(text):
        return int(text)
    return _BOOLEANS.get(text, text) if name == "include_seen" else text


def read_query(document: Mapping[str, object], allowed: frozenset[str], *, item: str | None = None) -> Query:
    """Read the JSON of a request; ``item`` is the item of the path, if any.

    Raises InvalidRequest with every field that has the wrong type or is not ``allowed``.
    """
    fields = FieldReader(dict(document))
    values: dict[str, Any] = {} if item is None else {"item": item}
    for name in document:
        if name not in allowed:
            fields.note(f"{name:.80}", f"is not a field here; use {', '.join(sorted(allowed))}")
        elif fields.has(name) and (read := _READERS.get(name)):
            values[name] = read(fields, name)
    promotions = values.pop("promotions", ())
    _refuse(fields)
    return Query(**values, promotions=tuple(promotion() for promotion in promotions))


def read_items(document: Mapping[str, object]) -> Sequence[str]:
    """The ``items`` of a request to rank; raises InvalidRequest unless they are a list of texts."""
    fields = FieldReader(dict(document))
    items = fields.texts("items")
    _refuse(fields)
    return items


def _refuse(fields: FieldReader) -> None:
    if fields.problems:
        raise InvalidRequest(f"The request is invalid: {'; '.join(fields.problems)}. Fix this and send it again.")


def _entries(name: str, text: str) -> list[str]:
    if '"' not in text:
        return [entry for entry in text.split(",") if entry]
    try:
        return [entry for entry in next(csv.reader([text], strict=True)) if entry]
    except csv.Error as error:
        raise InvalidRequest(f'{name:.80} is not a list: close each " and separate entries with commas.') from error


def _parameter(name: str, text: str) -> str | list[str]:
    """A filter value of a query string: its entries, or the text itself without quotes and commas."""
    quoted = _quoted_entries(text)
    if quoted is not None:
        return list(quoted)
    entries = _entries(name, text)
    return entries[0] if len(entries) == 1 else entries


def _quoted_entries(text: str) -> tuple[str, ...] | None:
    """The entries of ``"war","drama"``, without quotes; None for a text of another form, which is one value."""
    if len(text) > MAX_TEXT or not text.lstrip().startswith('"'):
        return None
    entries: list[str] = []
    end = 0
    while end < len(text):  # entry by entry: a regular expression of all reads a text with a wrong end in too many ways
        found = _ENTRY.match(text, end)
        if found is None:
            return None
        quoted, bare = found.groups(default="")
        entries.append(_ESCAPED.sub(r"\1", quoted) or bare.strip())
        end = found.end()
    return tuple(entries)


def _texts(fields: FieldReader, name: str) -> tuple[str, ...]:
    return fields.texts(name) if fields.has(name) else ()


def _n(fields: FieldReader, name: str) -> int:
    return fields.integer(name, 1, MAX_N)


def _profile(fields: FieldReader, name: str) -> dict[str, str | float]:
    profile: dict[str, str | float] = {}
    for column, value in fields.mapping(name).items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            fields.note(f"{name}.{column:.80}", "must be a text or a number")
        else:
            profile[column] = value
    return profile


def _values(fields: FieldReader, name: str) -> "dict[str, Value]":
    values: dict[str, Value] = {}
    for key, value in (fields.mapping(name) if fields.has(name) else {}).items():
        if isinstance(value, list) and all(isinstance(text, str) for text in value):
            values[key] = tuple(value)
        elif isinstance(value, str) and (entries := _quoted_entries(value)) is not None:
            values[key] = entries
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            values[key] = value
        else:
            fields.note(f"{name}.{key:.80}", "must be a text, a list of texts or a number")
    return values


def _promotions(fields: FieldReader, name: str) -> "list[Callable[[], Promotion]]":
    entries = enumerate(fields.sequence(name))
    return [_promotion(FieldReader(data, f"{name}.{index}", fields.problems)) for index, data in entries]


def _promotion(fields: FieldReader) -> Callable[[], Promotion]:
    """A function that creates the promotion, to be called when the whole request has been read."""
    promotion = partial(
        Promotion,
        name=fields.text("name"),
        percent=fields.integer("percent", 1, 100),
        items=_texts(fields, "items"),
        filter=fields.text("filter") if fields.has("filter") else None,
        filter_values=_values(fields, "filter_values"),
    )
    fields.finish()
    return promotion


# The fields of a request that a query has; null is the same as a missing field.
_READERS: Final[Mapping[str, Callable[[FieldReader, str], object]]] = {
    "user": FieldReader.text,
    "session": FieldReader.texts,
    "item": FieldReader.text,
    "profile": _profile,
    "n": _n,
    "exclude": FieldReader.texts,
    "include_seen": FieldReader.boolean,
    "filter": FieldReader.text,
    "filter_values": _values,
    "promotions": _promotions,
    "columns": FieldReader.texts,
}
