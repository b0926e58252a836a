"""Which route answers a request: API Gateway's HTTP API rules.

A full match of method and path wins over one through a path variable, that over a greedy ``{name+}``, and ``$default``
comes last; at the same path, the request's own method wins over ``ANY``.
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
    """One route and the logical id of the function that answers it."""

    method: str
    path: str
    function: str

    @property
    def key(self) -> str:
        """As events name it: ``GET /v1/models/{model}`` or ``$default``."""
        return DEFAULT if self.path == DEFAULT else f"{self.method} {self.path}"

    def match(self, method: str, segments: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]] | None:
        """How closely this route matches (smaller is closer) with its path variables decoded, or None."""
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
    """The closest route for ``raw_path`` (still percent-encoded, so that an encoded slash stays inside its segment)
    with its path variables, or None where API Gateway would answer 404.
    """
    segments = _split(raw_path)
    found = [(match[0], route, match[1]) for route in routes if (match := route.match(method, segments))]
    if not found:
        return None
    _, route, variables = min(found, key=lambda entry: entry[0])
    return route, variables
