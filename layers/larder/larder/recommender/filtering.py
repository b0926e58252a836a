"""Which items may be recommended: the release's own rules, which every answer obeys, and the request's filter."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from larder.errors import InvalidManifest, InvalidRequest
from larder.recommender.query import MAX_EXCLUDE, MAX_N, MAX_SESSION
from larder.tables.vocabulary import Vocabulary

if TYPE_CHECKING:  # rules are loaded where a filter is first used
    from larder.filters import Predicate, Value

_ENOUGH: Final = 2 * MAX_N + MAX_EXCLUDE + MAX_SESSION + 1
_KEPT: Final = 32  # filters, with their values and what they remember of the items
_SMALL: Final = 4096  # characters of values; a filter with more is compiled for its one request

_Frozen: TypeAlias = "tuple[tuple[str, Value], ...]"


class Ruling:
    """Compiles filters against one release's items, and keeps the latest. Thread-safe."""

    def __init__(self, items: Vocabulary, rules: tuple[str, ...]) -> None:
        """Raises InvalidManifest, naming each rule of the release that does not parse or fit its items."""
        self._items = items
        self._own, problems = [], []
        for place, rule in enumerate(rules):
            try:
                self._own.append(_compiled(rule, items, {}))
            except InvalidRequest as error:
                problems.append(f"serving.rules.{place}: {error}")
        if problems:
            raise InvalidManifest("This release's rules cannot be obeyed.", problems)
        self._compiled = lru_cache(maxsize=_KEPT)(self._compile)
        self._matched = lru_cache(maxsize=_KEPT)(self._match)

    def allowed(self, text: str | None, values: "Mapping[str, Value]") -> "Predicate | None":
        """What says whether an item number may be recommended under filter ``text``; None where all may.

        Raises InvalidRequest where the filter or its values are wrong.
        """
        if text is None and not self._own:
            return None
        frozen = _frozen(values)
        return (self._compiled if _is_small(frozen) else self._compile)(text, frozen)

    def matching(self, text: str, values: "Mapping[str, Value]") -> tuple[int, ...]:
        """The first item numbers of the catalogue that pass, more than any answer can need.

        Looks at every item where few pass (about a second for a million), so the latest lists are kept. Raises as
        ``allowed``.
        """
        frozen = _frozen(values)
        return (self._matched if _is_small(frozen) else self._match)(text, frozen)

    def _compile(self, text: str | None, values: _Frozen) -> "Predicate":
        rules = list(self._own)
        if text is not None:
            rules.append(_compiled(text, self._items, dict(values)))
        if len(rules) == 1:
            return rules[0]
        return lambda number: all(holds(number) for holds in rules)

    def _match(self, text: str, values: _Frozen) -> tuple[int, ...]:
        holds = self._compile(text, values)
        return tuple(islice(filter(holds, range(len(self._items))), _ENOUGH))


def _compiled(text: str, items: Vocabulary, values: "Mapping[str, Value]") -> "Predicate":
    from larder.filters import compile_filter, parse  # most answers need no rule, and a cold start none of this

    return compile_filter(parse(text), items, values)


def _frozen(values: "Mapping[str, Value]") -> _Frozen:
    return tuple(
        (name, value if isinstance(value, str | float | int) else tuple(value))
        for name, value in sorted(values.items())
    )


def _is_small(values: _Frozen) -> bool:
    texts = (value for _, value in values if not isinstance(value, float | int))
    return sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts) <= _SMALL
