"""Compile a parsed filter into a function of an item number, checked against the columns of a release.

The functions are pure. They are called for each candidate, best first, until enough have passed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from larder.errors import InvalidRequest
from larder.filters.checks import check_columns
from larder.filters.conditions import Predicate, interactions_condition, item_condition, user_condition_holds
from larder.filters.context import NO_CONTEXT, Context
from larder.filters.parser import parse
from larder.filters.syntax import Clause, Condition, Filter, Membership
from larder.filters.values import Compiling, Items, Value

_CACHED: Final = 16_384  # cached results of one filter: about 2 MB
_NONE: Mapping[str, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter of the items of one release.

    Attributes:
        holds: Whether the item with a number passes.
        warnings: What the caller should know: parts of the filter that can have no effect.
    """

    holds: Predicate
    warnings: tuple[str, ...]


def compile_filter(
    rule: Filter, items: Items, values: Mapping[str, Value] = _NONE, context: Context = NO_CONTEXT
) -> CompiledFilter:
    """Compile a filter into a function that says whether an item passes.

    Args:
        rule: The parsed filter.
        items: The items of the release.
        values: The values of the parameters: a text, a list of texts or a number; a text may hold a number, as in
            Personalize's filterValues. An EXCLUDE clause without all its values is ignored; INCLUDE needs all.
        context: The request. A result depends on it only if ``rule.depends_on_request``.

    Raises:
        InvalidRequest: a column is unknown or has another type, a value is missing, unknown or of another type, or the
            request or the release does not have what the filter asks for.
    """
    for name in values:
        if name not in rule.parameters():
            raise InvalidRequest(
                f"The filter has no parameter ${name[:80]}: remove its value, or use it in the filter."
            )
    knows_interactions = context.event_types is not None or context.live_types is not None
    check_columns(rule, items.columns, context.user_columns, knows_interactions=knows_interactions)
    compiling = _Compiler(Compiling(rule, items, values, context, []))
    included = [compiling.clause(clause) for clause in rule.clauses if clause.include]
    excluded = [compiling.clause(clause) for clause in rule.clauses if not clause.include]
    includes, excludes = ([holds for holds in clauses if holds is not None] for clauses in (included, excluded))
    return CompiledFilter(_difference(includes, excludes), tuple(compiling.of.warnings))


def compile_rule(text: str, items: Items) -> CompiledFilter:
    """Parse and compile a release's own filter, which applies to every request and has no parameters.

    Raises InvalidRequest if it is invalid, or asks about the request.
    """
    rule = parse(text)
    if rule.depends_on_request:
        raise InvalidRequest("A release's own filters have conditions on Items only: send this one with the requests.")
    return compile_filter(rule, items)


class _Compiler:
    """Compiles the clauses of one filter."""

    def __init__(self, compiling: Compiling) -> None:
        self.of: Final = compiling
        # The results of all conditions of a filter share one limit.
        self._limit: Final = _CACHED // sum(1 for _ in compiling.rule.conditions())

    def clause(self, clause: Clause) -> Predicate | None:
        """Whether an item is of the clause; None for a clause that does not apply to this request."""
        missing = [name for name in clause.parameters() if name not in self.of.values]
        if missing and not clause.include:
            self.of.warn(f"An EXCLUDE clause is ignored: ${missing[0]} has no value.")
            return None
        # All is compiled, so that whether a request is refused does not depend on its user's values.
        holds = _any([_all([self._condition(c) for c in alternative]) for alternative in clause.alternatives])
        applies = [user_condition_holds(self.of, condition) for condition in clause.users]
        return holds if all(applies) else None

    def _condition(self, condition: Condition) -> Predicate:
        if isinstance(condition, Membership) and condition.dataset == "Interactions":
            return interactions_condition(self.of, condition)
        return item_condition(self.of, condition, self._limit)


def _difference(includes: Sequence[Predicate], excludes: Sequence[Predicate]) -> Predicate:
    included = _any(includes) if includes else _everything
    if not excludes:
        return included
    excluded = _any(excludes)
    if not includes:
        return lambda number: not excluded(number)
    return lambda number: included(number) and not excluded(number)


def _everything(_: int) -> bool:
    return True


def _any(predicates: Sequence[Predicate]) -> Callable[[int], bool]:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: any(holds(number) for holds in predicates)


def _all(predicates: Sequence[Predicate]) -> Callable[[int], bool]:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: all(holds(number) for holds in predicates)
