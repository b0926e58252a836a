"""Filters in recommendations: the release's own, which always apply, and the request's."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from larder.errors import InvalidManifest, InvalidRequest
from larder.recommender.adjustments import MAX_LIST, MAX_PINS
from larder.recommender.new_items.live_catalogue import NumberedItems
from larder.recommender.query import MAX_EXCLUDE, MAX_SESSION

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import CompiledFilter, Context, Predicate, Value

_MOST: Final = 2 * MAX_LIST + MAX_EXCLUDE + MAX_SESSION + MAX_PINS + 1
_CACHED: Final = 32  # compiled filters, with their values and cached results
_SMALL: Final = 4096  # characters of values; a filter with more is not cached

_Frozen: TypeAlias = "tuple[tuple[str, Value], ...]"
MakeContext: TypeAlias = "Callable[[], Context]"
"""Makes what a filter may ask about a request; called only for a filter that asks."""


class ItemFilters:
    """The filters of one release's items; the most recent ones stay compiled. Thread-safe."""

    def __init__(self, items: NumberedItems, rules: tuple[str, ...]) -> None:
        """Compile the release's filters, ``rules``; raises InvalidManifest with each that is invalid for its items."""
        self._items = items
        self._own, problems = [], []
        for index, rule in enumerate(rules):
            try:
                self._own.append(_own(rule, items).holds)
            except InvalidRequest as error:
                problems.append(f"serving.rules.{index}: {error}")
        if problems:
            raise InvalidManifest("This release has invalid rules.", problems)
        self._compiled = lru_cache(maxsize=_CACHED)(self._compile)
        self._matched = lru_cache(maxsize=_CACHED)(self._match)

    def compiled(
        self, text: str | None, values: "Mapping[str, Value]", context: MakeContext
    ) -> "CompiledFilter | None":
        """The release's filters and ``text`` as one filter; None if all items pass.

        Raises InvalidRequest if the filter or its values are invalid.
        """
        if text is None and not self._own:
            return None
        frozen = _frozen(values)
        if text is not None and _depends_on_request(text):
            return self._compile(text, frozen, context())
        return (self._compiled if _is_small(frozen) else self._compile)(text, frozen)

    def requested(self, text: str, values: "Mapping[str, Value]", context: MakeContext) -> "CompiledFilter":
        """``text`` alone, without the release's filters; raises as ``compiled``."""
        return _compiled(text, self._items, dict(values), context() if _depends_on_request(text) else None)

    def matching(self, text: str, values: "Mapping[str, Value]", context: MakeContext) -> tuple[int, ...]:
        """The first items that pass, at least as many as any response can need; raises as ``compiled``.

        If few pass, this checks every item (about a second for a million), so the most recent results are cached,
        except of filters that ask about the request.
        """
        frozen = _frozen(values)
        if _depends_on_request(text):
            return self._match(text, frozen, context())
        return (self._matched if _is_small(frozen) else self._match)(text, frozen)

    def _compile(self, text: str | None, values: _Frozen, context: "Context | None" = None) -> "CompiledFilter":
        from larder.filters import CompiledFilter

        predicates: list[Predicate] = list(self._own)
        warnings: tuple[str, ...] = ()  # of the request's filter: a caller cannot change the release's own
        if text is not None:
            requested = _compiled(text, self._items, dict(values), context)
            predicates.append(requested.holds)
            warnings = requested.warnings
        if len(predicates) == 1:
            return CompiledFilter(predicates[0], warnings)
        return CompiledFilter(lambda number: all(holds(number) for holds in predicates), warnings)

    def _match(self, text: str, values: _Frozen, context: "Context | None" = None) -> tuple[int, ...]:
        holds = self._compile(text, values, context).holds
        return tuple(islice(filter(holds, range(len(self._items))), _MOST))


def _compiled(
    text: str, items: NumberedItems, values: "Mapping[str, Value]", context: "Context | None" = None
) -> "CompiledFilter":
    from larder.filters import NO_CONTEXT, compile_filter, parse  # most requests have no filter: a cold start goes by

    return compile_filter(parse(text), items, values, context or NO_CONTEXT)


def _own(text: str, items: NumberedItems) -> "CompiledFilter":
    from larder.filters import compile_rule

    return compile_rule(text, items)


def _depends_on_request(text: str) -> bool:
    from larder.filters import parse

    return parse(text).depends_on_request


def _frozen(values: "Mapping[str, Value]") -> _Frozen:
    return tuple(
        (name, value if isinstance(value, str | float | int) else tuple(value))
        for name, value in sorted(values.items())
    )


def _is_small(values: _Frozen) -> bool:
    texts = (value for _, value in values if not isinstance(value, float | int))
    return sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts) <= _SMALL
