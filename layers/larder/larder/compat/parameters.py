"""The parameters of a request: in JSON, read one by one with their type and bounds; or in a query string and a form."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from larder.auth.request import is_form, query_pairs
from larder.errors import InvalidRequest
from larder.web.request import Request, check_fields

_SHOWN: Final = 60  # characters of a wrong value


class Parameters:
    """A JSON object of a request. Every reader raises InvalidRequest, which names the parameter with its path.

    null counts as a parameter that was not sent, as in AWS's protocols.

    Attributes:
        values: The object without the parameters that are null.
        path: The parameters that lead to the object, with a final dot.
    """

    def __init__(self, values: Mapping[str, object], allowed: Collection[str], path: str = "") -> None:
        """Wrap an object.

        Args:
            values: The object.
            allowed: The names of the parameters; any other is an error, so that none is ignored.
            path: The parameters that lead to the object, with a final dot.
        """
        check_fields({f"{path}{name}": None for name in values}, {f"{path}{name}" for name in allowed})
        self.values: Final = {name: value for name, value in values.items() if value is not None}
        self.path: Final = path

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str | None = None) -> str:
        """A string; an error if it is missing and there is no ``default``."""
        value = self.values.get(name, default)
        if isinstance(value, str):
            return value
        raise self.wrong(name, "a string")

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``; an error if it is missing and there is no ``default``."""
        value = self.values.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise self.wrong(name, f"a whole number from {low} to {high}")

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float | None:
        """A number from ``low`` to ``high``, which NaN never is."""
        value = self.values.get(name, default)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        raise self.wrong(name, f"a number from {low:g} to {high:g}")

    def texts(self, name: str, most: int | None = None) -> Sequence[str]:
        """A list of at most ``most`` strings; empty if it was not sent."""
        value = self.values.get(name, [])
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            if len(value) <= (math.inf if most is None else most):
                return value
            raise InvalidRequest(f"{self.path}{name} has {len(value)} entries: send at most {most}.")
        raise self.wrong(name, "a list of strings")

    def strings(self, name: str, most: int) -> Mapping[str, str]:
        """An object of at most ``most`` strings, by any names; empty if it was not sent."""
        value = self.values.get(name, {})
        if isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()):
            if len(value) <= most:
                return value
            raise InvalidRequest(f"{self.path}{name} has {len(value)} entries: send at most {most}.")
        raise self.wrong(name, "an object of strings")

    def children(self, name: str, allowed: Collection[str], most: int) -> "Sequence[Parameters]":
        """A list of at most ``most`` objects; empty if it was not sent."""
        value = self.values.get(name, [])
        if not (isinstance(value, list) and all(isinstance(entry, dict) for entry in value)):
            raise self.wrong(name, "a list of objects")
        if len(value) > most:
            raise InvalidRequest(f"{self.path}{name} has {len(value)} entries: send at most {most}.")
        return [Parameters(entry, allowed, f"{self.path}{name}[{index}].") for index, entry in enumerate(value)]

    def child(self, name: str, allowed: Collection[str]) -> "Parameters":
        """An object; empty if it was not sent."""
        value = self.values.get(name, {})
        if isinstance(value, dict):
            return Parameters(value, allowed, f"{self.path}{name}.")
        raise self.wrong(name, "an object")

    def wrong(self, name: str, expected: str) -> InvalidRequest:
        """The error for a parameter that is missing or is not ``expected``."""
        if name not in self.values:
            return InvalidRequest(f"{self.path}{name} is missing: send {expected}.")
        return InvalidRequest(f"{self.path}{name} is {_shown(self.values[name])}: send {expected}.")


def query_and_form(request: Request) -> Mapping[str, str]:
    """The parameters of the query string, and of a form, whose values take precedence."""
    values = dict(query_pairs(request.raw_query))
    if is_form(request):
        values.update(query_pairs(request.body().decode(errors="replace")))
    return values


def _shown(value: object) -> str:
    text = f"{value!r:.{_SHOWN + 1}}" if not isinstance(value, dict | list) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
