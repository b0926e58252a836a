"""Selects the route of a request by the rules of API Gateway's HTTP APIs.

The order is: a full match of method and path, a match by a path variable, a match by a greedy ``{name+}``, and last
``$default``. At the same path, the request's own method comes before ``ANY``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

DEFAULT: Final = "$default"
ANY: Final = "ANY"
_FULL, _GREEDY, _LAST = range(3)
_STATIC, _VARIABLE = range(2)


@dataclass(frozen=True, slots=True)
class Route:
    """One route, and the logical id of the function behind it."""

    method: str
    path: str
    function: str

    @property
    def key(self) -> str:
        """The route key of events: ``GET /v1/models/{model}`` or ``$default``."""
        return DEFAULT if self.path == DEFAULT else f"{self.method} {self.path}"

    def match(self, method: str, segments: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]] | None:
        """How closely this route matches (smaller is closer) and its decoded path variables, or None."""
        if self.path == DEFAULT:
            return (_LAST,), {}
        pattern = _split(self.path)
        last = len(pattern) - 1
        greedy = pattern[last].endswith("+}")
        if greedy:
            segments = [*segments[:last], "/".join(segments[last:])]
        if self.method not in (ANY, method) or len(segments) != len(pattern):
            return None
        closeness, variables = [-last if greedy else 0], {}
        for part, segment in zip(pattern, segments, strict=True):
            variable = part.startswith("{") and part.endswith("}")
            if variable and segment:
                variables[part[1:-1].removesuffix("+")] = unquote(segment)
            elif variable or part != unquote(segment):
                return None
            closeness.append(_VARIABLE if variable else _STATIC)
        return (_GREEDY if greedy else _FULL, *closeness, self.method == ANY), variables


def _split(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


def find(routes: Iterable[Route], method: str, raw_path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The closest route and its path variables, or None where API Gateway would answer 404.

    ``raw_path`` is still percent-encoded, so that an encoded slash stays inside its segment.
    """
    segments = _split(raw_path)
    matches = [(match[0], route, match[1]) for route in routes if (match := route.match(method, segments))]
    if not matches:
        return None
    _, route, variables = min(matches, key=lambda entry: entry[0])
    return route, variables
