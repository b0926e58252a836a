"""Parse a request, JSON or a query string, into a :class:`~larder.recommender.query.Query`.

In a query string, the entries of a list are separated by commas (an entry with a comma is in double quotes, as in RFC
4180), and ``profile`` and ``filter_values`` have one parameter per entry: ``profile.CITY=Berlin&filter_values.P=5``.
``max_per`` and ``pins`` are lists of pairs (``max_per=BRAND:2``, ``pins=1:p0001``), and ``boosts`` is one pair of a
factor and a filter.

A filter value may be written as clients of Amazon Personalize do, each entry in double quotes: ``"war","drama"``, also
as one text in JSON.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from larder.errors import InvalidRequest
from larder.recommender.adjustments import MAX_LIST, Boost, Pin
from larder.recommender.field_checks import MAX_TEXT
from larder.recommender.paging import read_page, request_digest
from larder.recommender.query import MAX_N, Promotion, Query
from larder.release.json_fields import FieldReader

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Value

T = TypeVar("T")

_ADJUSTMENTS: Final = frozenset({"max_per", "boosts", "pins", "next"})
SIMILAR: Final = _ADJUSTMENTS | {"user", "session_id", "profile", "n", "exclude", "filter", "filter_values", "columns"}
TRENDING: Final = SIMILAR
RANK: Final = frozenset(
    {"user", "session", "session_id", "item", "profile", "filter", "filter_values", "columns", "items"}
)
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
    if name in _PAIRS:
        return _PAIRS[name](text)
    return _BOOLEANS.get(text, text) if name == "include_seen" else text


def _caps(text: str) -> object:
    """``BRAND:2,COLOR:3`` as ``{"BRAND": 2, "COLOR": 3}``."""
    pairs = [entry.rpartition(":") for entry in _entries("max_per", text)]
    return {column: int(most) if _WHOLE.fullmatch(most) else most for column, _, most in pairs}


def _places(text: str) -> object:
    """``1:p0001,4:p0002`` as ``[{"place": 1, "item": "p0001"}, ...]``."""
    pairs = [entry.partition(":") for entry in _entries("pins", text)]
    return [{"place": int(place) if _WHOLE.fullmatch(place) else place, "item": item} for place, _, item in pairs]


def _factor(text: str) -> object:
    """``1.5:INCLUDE ItemID WHERE ...`` as the one boost that a query string can have."""
    factor, _, expression = text.partition(":")
    try:
        return [{"factor": float(factor), "filter": expression}]
    except ValueError:
        return [{"factor": factor, "filter": expression}]


_PAIRS: Final[Mapping[str, Callable[[str], object]]] = {"max_per": _caps, "pins": _places, "boosts": _factor}


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
    lists = {name: values.pop(name, ()) for name in ("promotions", "boosts", "pins")}
    _refuse(fields)
    values |= {name: tuple(create() for create in entries) for name, entries in lists.items()}
    if (text := values.pop("next", None)) is not None:
        values["page"] = read_page(text, request_digest(document, item))
    return Query(**values)


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


def _each(read: Callable[[FieldReader], T]) -> Callable[[FieldReader, str], list[T]]:
    """The reader of a list of objects that ``read`` reads one by one."""

    def read_all(fields: FieldReader, name: str) -> list[T]:
        entries = enumerate(fields.sequence(name))
        return [read(FieldReader(data, f"{name}.{index}", fields.problems)) for index, data in entries]

    return read_all


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


def _max_per(fields: FieldReader, name: str) -> dict[str, int]:
    most: dict[str, int] = {}
    for column, value in fields.mapping(name).items():
        if type(value) is int:  # not a bool, which is an int too
            most[column] = value
        else:
            fields.note(f"{name}.{column:.80}", "must be a whole number")
    return most


def _boost(fields: FieldReader) -> Callable[[], Boost]:
    text, factor, values = fields.text("filter"), fields.number("factor"), _values(fields, "filter_values")
    fields.finish()
    return partial(Boost, text, factor, values)


def _pin(fields: FieldReader) -> Callable[[], Pin]:
    pin = partial(Pin, fields.integer("place", 1, MAX_LIST), fields.text("item"))
    fields.finish()
    return pin


# The fields of a request that a query has; null is the same as a missing field.
_READERS: Final[Mapping[str, Callable[[FieldReader, str], object]]] = {
    "user": FieldReader.text,
    "session": FieldReader.texts,
    "session_id": FieldReader.text,
    "item": FieldReader.text,
    "profile": _profile,
    "n": _n,
    "exclude": FieldReader.texts,
    "include_seen": FieldReader.boolean,
    "filter": FieldReader.text,
    "filter_values": _values,
    "promotions": _each(_promotion),
    "columns": FieldReader.texts,
    "max_per": _max_per,
    "boosts": _each(_boost),
    "pins": _each(_pin),
    "next": FieldReader.text,
}
