"""Reading a JSON object field by field, with all problems reported at once, each with the path of its field."""

import math
import re
from collections.abc import Mapping
from typing import NoReturn, TypeVar, cast

T = TypeVar("T")

TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


def reject_constant(name: str) -> NoReturn:
    """For ``json.loads(parse_constant=...)``: NaN and Infinity are not JSON. Raises ValueError."""
    raise ValueError(f"{name} is not a JSON number")


class FieldReader:
    """The fields of one JSON object. Readers return the value; for an invalid one, they note it and return a default.

    ``finish`` notes the fields that were not read: an unknown field is misspelt, or from a future version.

    Attributes:
        problems: Everything that is wrong; children share the list of their parent.
    """

    def __init__(self, data: object, path: str = "", problems: list[str] | None = None) -> None:
        self.problems: list[str] = [] if problems is None else problems
        self._path = path
        self._known: set[str] = set()
        self._data: Mapping[str, object] = {}
        if isinstance(data, dict):
            self._data = cast("Mapping[str, object]", data)
        else:
            self.problems.append(f"{path or 'the document'}: must be an object")

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def note(self, name: str, problem: str) -> None:
        """Add a problem under the path of ``name``."""
        self.problems.append(f"{self._at(name)}: {problem}")

    def has(self, name: str) -> bool:
        """Whether the field is present and not null; marks it as known."""
        self._known.add(name)
        return self._data.get(name) is not None

    def _get(self, name: str, kind: type[T], default: T) -> T:
        self._known.add(name)
        if name not in self._data:
            self.note(name, f"is missing; it must be {TYPE_NAMES[kind]}")
            return default
        value = self._data[name]
        if isinstance(value, bool) and kind is not bool:
            value = None
        if kind is float and isinstance(value, int):
            value = _as_float(value)
        if not isinstance(value, kind):
            self.note(name, f"must be {TYPE_NAMES[kind]}, not {self._data[name]!r:.60}")
            return default
        return value

    def anything(self, name: str) -> object:
        """The value of any type; None if it is missing."""
        self._known.add(name)
        return self._data.get(name)

    def text(self, name: str, pattern: str | None = None) -> str:
        """A string; with ``pattern``, one that matches it in full."""
        value = self._get(name, str, "")
        if pattern and value and not re.fullmatch(pattern, value):
            self.note(name, f"is {value[:60]!r}, which does not match {pattern}")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of the strings in ``allowed``."""
        value = self._get(name, str, allowed[0])
        if value not in allowed:
            self.note(name, f"is {value[:60]!r}; it must be one of {', '.join(allowed)}")
        return value

    def boolean(self, name: str) -> bool:
        """A boolean."""
        return self._get(name, bool, default=False)

    def integer(self, name: str, low: int = 0, high: int = 2**53) -> int:
        """A whole number within ``low..high``."""
        value = self._get(name, int, low)
        if not low <= value <= high:
            self.note(name, f"is {str(value)[:60]}; it must be {low} to {high}")
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within ``low..high``."""
        value = self._get(name, float, max(low, 0.0) if math.isfinite(low) else 0.0)
        if not math.isfinite(value) or not low <= value <= high:
            self.note(name, f"is {value}; it must be a finite number from {low} to {high}")
        return value

    def numbers(self, name: str, low: float = -math.inf, high: float = math.inf) -> tuple[float, ...]:
        """A list of finite numbers, each within ``low..high``."""
        values = self._get(name, list, [])
        numbers = [_as_float(v) if isinstance(v, int | float) and not isinstance(v, bool) else math.nan for v in values]
        valid = [math.isfinite(v) and low <= v <= high for v in numbers]
        if not all(valid):
            self.note(name, f"entry {valid.index(False)} must be a finite number from {low} to {high}")
            return ()
        return tuple(numbers)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self._get(name, list, [])
        if not all(isinstance(v, str) for v in values):
            self.note(name, "must be a list of texts")
            return ()
        return tuple(values)

    def mapping(self, name: str) -> Mapping[str, object]:
        """A JSON object with any content."""
        return self._get(name, dict, {})

    def sequence(self, name: str) -> list[object]:
        """A list with any content."""
        return self._get(name, list, [])

    def child(self, name: str) -> "FieldReader":
        """The reader of the object in field ``name``, with the same list of problems."""
        self._known.add(name)
        if name not in self._data:
            self.note(name, "is missing; it must be an object")
            return FieldReader({}, self._at(name), [])
        return FieldReader(self._data[name], self._at(name), self.problems)

    def children(self, name: str) -> "dict[str, FieldReader]":
        """The readers of all objects in the object in field ``name``."""
        values = self._get(name, dict, {})
        return {key: FieldReader(value, f"{self._at(name)}.{key}", self.problems) for key, value in values.items()}

    def finish(self) -> None:
        """Note each field that was not read."""
        for name in sorted(set(self._data) - self._known):
            self.note(name, "is unknown to this version of Larder")


def _as_float(value: float) -> float:
    """``value`` as a float; an integer that is too large as infinity, which no field accepts."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
