"""Reads the fields of a JSON answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

Document: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def get(document: Document, name: str, kind: type[T]) -> T:
    """The field, which must have this type; raises KeyError or TypeError."""
    value = document[name]
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r:.60}")
    return value


def optional(document: Document, name: str, kind: type[T]) -> T | None:
    """The field; None if it is missing or null."""
    return None if document.get(name) is None else get(document, name, kind)


def number(document: Document, name: str) -> float:
    """The field as a float."""
    return float(get(document, name, int)) if isinstance(document[name], int) else get(document, name, float)


def time(document: Document, name: str) -> datetime | None:
    """The field as a time; None if it is missing or null."""
    text = optional(document, name, str)
    return None if text is None else datetime.fromisoformat(text)


def each(document: Document, name: str, read: Callable[[Document], T]) -> tuple[T, ...]:
    """``read`` of each entry of the list in the field."""
    return tuple(read(entry) for entry in get(document, name, list))
