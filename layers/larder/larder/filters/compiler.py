"""Compile a parsed filter into a function of an item number, checked against the columns of a release.

The functions are pure. They are called for each candidate, best first, until enough have passed.
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
_CACHED: Final = 16_384  # cached results of one filter: about 2 MB
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
    """The items of a release, such as a ``larder.tables.vocabulary.Vocabulary``."""

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """The type of each column."""

    def value(self, column: str, number: int) -> str | float | None:
        """The value of an item in a column, or None if it is missing."""


def compile_filter(rule: Filter, items: Items, values: Mapping[str, Value] = _NONE) -> Predicate:
    """Compile a filter into a function that says whether an item passes.

    Args:
        rule: The parsed filter.
        items: The items of the release.
        values: The values of the parameters: a text, a list of texts or a number; a text may hold a number, as in
            Personalize's filterValues. An EXCLUDE clause without all its values is ignored; INCLUDE needs all.

    Raises:
        InvalidRequest: a column is unknown or has another type, or a value is missing, unknown or of another type.
    """
    for name in values:
        if name not in rule.parameters():
            raise InvalidRequest(
                f"The filter has no parameter ${name[:80]}: remove its value, or use it in the filter."
            )
    for clause in rule.clauses:
        for condition in clause.conditions():
            _check_column(rule, condition, items)
    includes = [_clause(rule, c, items, values) for c in rule.clauses if c.include]
    excludes = [
        _clause(rule, c, items, values) for c in rule.clauses if not c.include and set(c.parameters()) <= set(values)
    ]
    if not excludes:
        return _any(includes) if includes else _everything
    included, excluded = _any(includes) if includes else None, _any(excludes)
    if included is None:
        return lambda number: not excluded(number)
    return lambda number: included(number) and not excluded(number)


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
        limit = _CACHED // sum(1 for clause in rule.clauses for _ in clause.conditions())
        return _membership(condition, items, _texts(rule, condition, values), limit)
    return _comparison(condition, items, _number(rule, condition, values))


def _membership(condition: Membership, items: Items, listed: frozenset[str], limit: int) -> Predicate:
    """Split and compare each distinct value once: a column has far fewer values than items."""
    column, read, positive = condition.column, items.value, not condition.negated
    results: dict[object, bool] = {None: not positive}

    def holds(number: int) -> bool:
        value = read(column, number)
        result = results.get(value)
        if result is None:
            if len(results) > limit:
                results.clear()
                results[None] = not positive
            result = results[value] = (not listed.isdisjoint(str(value).split(_SEPARATOR))) is positive
        return result

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


def _parameter_value(rule: Filter, parameter: Parameter, condition: Condition, values: Mapping[str, Value]) -> Value:
    if parameter.name not in values:
        refuse(
            rule.text,
            condition.position,
            f"${parameter.name} has no value",
            "send one with the request (filter_values)",
        )
    return values[parameter.name]


def _texts(rule: Filter, condition: Membership, values: Mapping[str, Value]) -> frozenset[str]:
    listed: set[str] = set()
    for value in condition.values:
        texts = _parameter_value(rule, value, condition, values) if isinstance(value, Parameter) else value
        texts = (texts,) if isinstance(texts, str) else texts
        if isinstance(texts, float | int) or not all(isinstance(text, str) for text in texts):
            refuse(
                rule.text,
                condition.position,
                f"a value of {condition.column} is not a text",
                "send texts, even if they look like numbers",
            )
        listed.update(texts)
    if len(listed) > MAX_VALUES:
        refuse(rule.text, condition.position, f"{len(listed)} values are compared", f"send at most {MAX_VALUES}")
    return frozenset(listed)


def _number(rule: Filter, condition: Comparison, values: Mapping[str, Value]) -> float:
    operand = condition.operand
    value = _parameter_value(rule, operand, condition, values) if isinstance(operand, Parameter) else operand
    try:
        number = float(value) if isinstance(value, str | float | int) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is compared with a value that is not a finite number",
            "send one number, like 9.99",
        )
    return number
