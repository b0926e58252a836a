"""From a parsed filter to a function of an item number, checked against the columns that a release has.

The functions are pure: the same number, the same answer, as long as the release is the same. They are called for each
candidate of an answer, best first, until enough have passed.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from larder.errors import InvalidRequest
from larder.filters.lexer import refuse
from larder.filters.syntax import Clause, Comparison, Condition, Filter, Membership, Parameter
from larder.release.serving import ColumnType

MAX_VALUES: Final = 1000
_REMEMBERED: Final = 16_384  # verdicts kept for one filter: some 2 MB
_SEPARATOR: Final = "|"

Value = str | float | Sequence[str]
Predicate = Callable[[int], bool]
_NONE: Mapping[str, Value] = MappingProxyType({})
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Items(Protocol):
    """What a filter reads of a release's items (``larder.tables.vocabulary.Vocabulary`` is one)."""

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """The type of each column, by its name."""

    def value(self, column: str, number: int) -> str | float | None:
        """The value of an item's column; None where it has none."""


def compile_filter(rule: Filter, items: Items, values: Mapping[str, Value] = _NONE) -> Predicate:
    """The function that says whether an item passes ``rule``, with ``values`` for its parameters.

    A value is a text, a list of texts or a number; a text may stand for a number, as in Personalize's filterValues.
    An EXCLUDE clause whose parameters were not all given is left out; an INCLUDE clause needs all of them.
    Raises InvalidRequest for a column that is unknown or of another type, and for a value that is missing, unknown or
    of another type.
    """
    for name in values:
        if name not in rule.parameters():
            raise InvalidRequest(
                f"The filter has no parameter ${name[:80]}: leave its value out, or use it in the filter."
            )
    for clause in rule.clauses:
        for condition in clause.conditions():
            _check_column(rule, condition, items)
    included = [_clause(rule, c, items, values) for c in rule.clauses if c.include]
    excluded = [
        _clause(rule, c, items, values) for c in rule.clauses if not c.include and set(c.parameters()) <= set(values)
    ]
    if not excluded:
        return _any(included) if included else _everything
    wanted, unwanted = _any(included) if included else None, _any(excluded)
    if wanted is None:
        return lambda number: not unwanted(number)
    return lambda number: wanted(number) and not unwanted(number)


def _everything(_: int) -> bool:
    return True


def _any(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: any(holds(number) for holds in predicates)


def _all(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: all(holds(number) for holds in predicates)


def _clause(rule: Filter, clause: Clause, items: Items, values: Mapping[str, Value]) -> Predicate:
    return _any(
        [_all([_condition(rule, c, items, values) for c in alternative]) for alternative in clause.alternatives]
    )


def _condition(rule: Filter, condition: Condition, items: Items, values: Mapping[str, Value]) -> Predicate:
    if isinstance(condition, Membership):
        room = _REMEMBERED // sum(1 for clause in rule.clauses for _ in clause.conditions())
        return _membership(condition, items, _texts(rule, condition, values), room)
    return _comparison(condition, items, _number(rule, condition, values))


def _membership(condition: Membership, items: Items, wanted: frozenset[str], room: int) -> Predicate:
    """Splits and compares each different value once: a column has far fewer of them than there are items."""
    column, read, positive = condition.column, items.value, not condition.negated
    verdicts: dict[object, bool] = {None: not positive}

    def holds(number: int) -> bool:
        value = read(column, number)
        verdict = verdicts.get(value)
        if verdict is None:
            if len(verdicts) > room:
                verdicts.clear()
                verdicts[None] = not positive
            verdict = verdicts[value] = (not wanted.isdisjoint(str(value).split(_SEPARATOR))) is positive
        return verdict

    return holds


def _comparison(condition: Comparison, items: Items, operand: float) -> Predicate:
    column, read, compare = condition.column, items.value, _COMPARE[condition.operator]

    def holds(number: int) -> bool:
        value = read(column, number)
        return isinstance(value, float) and compare(value, operand)

    return holds


def _check_column(rule: Filter, condition: Condition, items: Items) -> None:
    kind = items.columns.get(condition.column)
    if kind is None:
        known = ", ".join(f"{name} ({kind})" for name, kind in sorted(items.columns.items())) or "no columns"
        refuse(
            rule.text,
            condition.position,
            f"this model's items have no column {condition.column}",
            f"they have {known}: use one of them",
        )
    if kind == "text":
        usable = ", ".join(sorted(name for name, kind in items.columns.items() if kind != "text")) or "none here"
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is free text",
            f"use a category or number column: {usable}",
        )
    if isinstance(condition, Membership) and kind == "number":
        refuse(rule.text, condition.position, f"{condition.column} is a number", "compare it with =, <, <=, > or >=")
    if isinstance(condition, Comparison) and kind == "category":
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is a category",
            'compare it with IN ("...") or NOT IN ("...")',
        )


def _given(rule: Filter, parameter: Parameter, condition: Condition, values: Mapping[str, Value]) -> Value:
    if parameter.name not in values:
        refuse(
            rule.text,
            condition.position,
            f"${parameter.name} has no value",
            "send one with the request (filter_values)",
        )
    return values[parameter.name]


def _texts(rule: Filter, condition: Membership, values: Mapping[str, Value]) -> frozenset[str]:
    wanted: set[str] = set()
    for value in condition.values:
        given = _given(rule, value, condition, values) if isinstance(value, Parameter) else value
        given = (given,) if isinstance(given, str) else given
        if isinstance(given, float | int) or not all(isinstance(text, str) for text in given):
            refuse(
                rule.text,
                condition.position,
                f"a value of {condition.column} is no text",
                "send texts, also where they look like numbers",
            )
        wanted.update(given)
    if len(wanted) > MAX_VALUES:
        refuse(rule.text, condition.position, f"{len(wanted)} values are compared", f"send at most {MAX_VALUES}")
    return frozenset(wanted)


def _number(rule: Filter, condition: Comparison, values: Mapping[str, Value]) -> float:
    operand = condition.operand
    given = _given(rule, operand, condition, values) if isinstance(operand, Parameter) else operand
    try:
        number = float(given) if isinstance(given, str | float | int) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is compared with what is no finite number",
            "send one number, like 9.99",
        )
    return number
