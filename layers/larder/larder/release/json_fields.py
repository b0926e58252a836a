"""Reading a JSON object whose every problem should be reported at once, by the path of the field that has it."""

import math
import re
from collections.abc import Mapping
from typing import TypeVar, cast

T = TypeVar("T")

type_names = {
    str: "text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


class Fields:
    """One JSON object under check. Readers return the value, or a harmless stand-in after noting the problem.

    Children share their parent's ``problems``, so one list holds everything that is wrong with a document.
    ``finish`` notes the fields that nobody asked for: an unknown field is a misspelt or a future one.
    """

    def __init__(self, data: object, path: str = "", problems: list[str] | None = None) -> None:
        self.problems: list[str] = [] if problems is None else problems
        self._path = path
        self._asked: set[str] = set()
        self._data: Mapping[str, object] = {}
        if isinstance(data, dict):
            self._data = cast("Mapping[str, object]", data)
        else:
            self.problems.append(f"{path or 'the document'}: must be an object")

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def note(self, name: str, problem: str) -> None:
        """Adds a problem under the path of ``name``."""
        self.problems.append(f"{self._at(name)}: {problem}")

    def has(self, name: str) -> bool:
        """True where the field is present and not null; asking marks it as known."""
        self._asked.add(name)
        return self._data.get(name) is not None

    def _get(self, name: str, kind: type[T], stand_in: T) -> T:
        self._asked.add(name)
        if name not in self._data:
            self.note(name, f"is missing; it must be {type_names[kind]}")
            return stand_in
        value = self._data[name]
        if isinstance(value, bool) and kind is not bool:
            value = None
        if kind is float and isinstance(value, int):
            value = _as_float(value)
        if not isinstance(value, kind):
            self.note(name, f"must be {type_names[kind]}, not {self._data[name]!r:.60}")
            return stand_in
        return value

    def text(self, name: str, pattern: str | None = None) -> str:
        """A string, matching ``pattern`` whole where one is given."""
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
        """True or false."""
        return self._get(name, bool, stand_in=False)

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
        read = [_as_float(v) if isinstance(v, int | float) and not isinstance(v, bool) else math.nan for v in values]
        fine = [math.isfinite(v) and low <= v <= high for v in read]
        if not all(fine):
            self.note(name, f"entry {fine.index(False)} must be a finite number from {low} to {high}")
            return ()
        return tuple(read)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self._get(name, list, [])
        if not all(isinstance(v, str) for v in values):
            self.note(name, "must hold texts only")
            return ()
        return tuple(values)

    def mapping(self, name: str) -> Mapping[str, object]:
        """A JSON object of any content."""
        return self._get(name, dict, {})

    def sequence(self, name: str) -> list[object]:
        """A list of any content."""
        return self._get(name, list, [])

    def child(self, name: str) -> "Fields":
        """The object under ``name``, to be read with the same list of problems."""
        self._asked.add(name)
        if name not in self._data:
            self.note(name, "is missing; it must be an object")
            return Fields({}, self._at(name), [])
        return Fields(self._data[name], self._at(name), self.problems)

    def children(self, name: str) -> "dict[str, Fields]":
        """Every entry of the object under ``name``, each to be read as an object itself."""
        values = self._get(name, dict, {})
        return {key: Fields(value, f"{self._at(name)}.{key}", self.problems) for key, value in values.items()}

    def finish(self) -> None:
        """Notes each field that no reader asked for."""
        for name in sorted(set(self._data) - self._asked):
            self.note(name, "is unknown to this version of Larder")


def _as_float(value: float) -> float:
    """A whole number as a float; one that is larger than every float as infinite, which no field accepts."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
