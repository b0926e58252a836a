"""Compile a parsed filter into a function of an item number, checked against the columns of a release.

The functions are pure. They are called for each candidate, best first, until enough have passed.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from larder.errors import InvalidRequest
from larder.filters.lexer import column_reference, refuse
from larder.filters.syntax import Clause, Comparison, Condition, Filter, Membership, Parameter
from larder.release.serving import ColumnType

MAX_VALUES: Final = 1000
_CACHED: Final = 16_384  # cached results of one filter: about 2 MB
_SEPARATOR: Final = "|"
_SHOWN: Final = 3

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

    def has(self, column: str, text: str) -> bool:
        """Whether an item has ``text`` in a category or text column, whole or between the ``|`` of a value."""

    def is_empty(self, column: str) -> bool:
        """Whether no item has a value in a column."""


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter of the items of one release.

    Attributes:
        holds: Whether the item with a number passes.
        warnings: What the caller should know: parts of the filter that can have no effect.
    """

    holds: Predicate
    warnings: tuple[str, ...]


def compile_filter(rule: Filter, items: Items, values: Mapping[str, Value] = _NONE) -> CompiledFilter:
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
    compiling = _Compiling(rule, items, values, [])
    includes = [_clause(compiling, clause) for clause in rule.clauses if clause.include]
    excludes = []
    for clause in rule.clauses:
        missing = [name for name in clause.parameters() if name not in values]
        if not clause.include and missing:
            compiling.warn(f"An EXCLUDE clause is ignored: ${missing[0]} has no value.")
        elif not clause.include:
            excludes.append(_clause(compiling, clause))
    return CompiledFilter(_difference(includes, excludes), tuple(compiling.warnings))


@dataclass(frozen=True, slots=True)
class _Compiling:
    """The filter that is being compiled.

    Attributes:
        rule: The parsed filter.
        items: The items of the release.
        values: The values of the parameters.
        warnings: Warnings so far.
    """

    rule: Filter
    items: Items
    values: Mapping[str, Value]
    warnings: list[str]

    def warn(self, text: str) -> None:
        """Adds a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def value(self, parameter: Parameter, condition: Condition) -> Value:
        """The value of a parameter; raises InvalidRequest if it was not sent."""
        if parameter.name not in self.values:
            refuse(
                self.rule.text,
                condition.position,
                f"${parameter.name} has no value",
                "send one with the request (filter_values)",
            )
        return self.values[parameter.name]


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


def _any(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: any(holds(number) for holds in predicates)


def _all(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda number: all(holds(number) for holds in predicates)


def _clause(compiling: _Compiling, clause: Clause) -> Predicate:
    return _any([_all([_condition(compiling, c) for c in alternative]) for alternative in clause.alternatives])


def _condition(compiling: _Compiling, condition: Condition) -> Predicate:
    rule, items = compiling.rule, compiling.items
    if items.is_empty(condition.column):
        column = column_reference(condition.column)
        compiling.warn(f"No item has a value in {column}: a condition on it holds for all items or for none.")
    if isinstance(condition, Membership):
        limit = _CACHED // sum(1 for clause in rule.clauses for _ in clause.conditions())
        return _membership(condition, items, _texts(compiling, condition), limit)
    return _comparison(condition, items, _number(compiling, condition))


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
            text = str(value)
            result = (text in listed or not listed.isdisjoint(text.split(_SEPARATOR))) is positive
            results[value] = result
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
        names = sorted(items.columns.items())
        known = ", ".join(f"{column_reference(name)} ({kind})" for name, kind in names) or "no columns"
        problem = f"this model's items have no column {condition.column}"
        refuse(rule.text, condition.position, problem, f"they have {known}")
    if isinstance(condition, Membership) and kind == "number":
        refuse(rule.text, condition.position, f"{condition.column} is a number", "compare it with =, <, <=, > or >=")
    if isinstance(condition, Comparison) and kind != "number":
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is a {kind}",
            'match it with IN ("...") or NOT IN ("..."), or train with --types NAME=number if its values are numbers',
        )


def _texts(compiling: _Compiling, condition: Membership) -> frozenset[str]:
    """The listed texts; warns of those that no item has."""
    listed: dict[str, None] = {}
    for value in condition.values:
        texts = compiling.value(value, condition) if isinstance(value, Parameter) else value
        if isinstance(texts, str) and isinstance(value, Parameter):
            texts = _separated(compiling, condition, value.name, texts)
        texts = (texts,) if isinstance(texts, str) else texts
        if isinstance(texts, float | int) or not all(isinstance(text, str) for text in texts):
            refuse(
                compiling.rule.text,
                condition.position,
                f"a value of {condition.column} is not a text",
                "send texts, even if they look like numbers",
            )
        listed.update(dict.fromkeys(texts))
    if len(listed) > MAX_VALUES:
        problem = f"{len(listed)} values are compared"
        refuse(compiling.rule.text, condition.position, problem, f"send at most {MAX_VALUES}")
    unknown = [text for text in listed if not compiling.items.has(condition.column, text)]
    if unknown and not compiling.items.is_empty(condition.column):
        compiling.warn(_unknown(compiling.items, condition.column, unknown))
    return frozenset(listed)


def _separated(compiling: _Compiling, condition: Membership, name: str, text: str) -> Sequence[str]:
    """The entries of a value with commas, if it is none that an item has, but one of its entries is."""
    entries = [entry.strip() for entry in text.split(",")]
    has, column = compiling.items.has, condition.column
    if len(entries) == 1 or has(column, text) or not any(has(column, entry) for entry in entries):
        return (text,)
    compiling.warn(
        f"${name} has no quotes and is read as {len(entries)} values, since no item has {text!r:.60} in "
        f"{column_reference(column)}: send a list."
    )
    return entries


def _unknown(items: Items, column: str, texts: Sequence[str]) -> str:
    """Says which values no item has, and a value that differs only in case or blanks."""
    names = ", ".join(f"{text!r:.60}" for text in texts[:_SHOWN])
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    first = texts[0]
    stripped = first.strip()
    variants = (stripped, stripped.lower(), stripped.upper(), stripped.capitalize(), stripped.title())
    near = next((variant for variant in variants if items.has(column, variant)), None)
    hint = f"; did you mean {near!r:.60}?" if near is not None else "."
    return f"No item has the value {names}{more} in {column_reference(column)}{hint}"


def _number(compiling: _Compiling, condition: Comparison) -> float:
    operand = condition.operand
    value = compiling.value(operand, condition) if isinstance(operand, Parameter) else operand
    if not isinstance(value, str | float | int) and len(value) == 1:
        value = value[0]
    try:
        number = float(value) if isinstance(value, str | float | int) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        refuse(
            compiling.rule.text,
            condition.position,
            f"{condition.column} is compared with a value that is not a finite number",
            "send one number, like 9.99",
        )
    return number
