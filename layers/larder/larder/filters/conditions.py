"""Single conditions: on an item, on what the user did, and on the user."""

import operator
from collections.abc import Callable, Mapping
from math import isnan
from typing import Final

from larder.filters.lexer import column_reference, refuse
from larder.filters.syntax import ANY_EVENT, Comparison, Condition, Membership, Parameter
from larder.filters.values import SEPARATOR, Compiling, item_texts, number, other_texts, several

Predicate = Callable[[int], bool]
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHOWN: Final = 10


def item_condition(compiling: Compiling, condition: Condition, limit: int) -> Predicate:
    """A condition on an item's column; results of at most ``limit`` values are cached."""
    if compiling.items.is_empty(condition.column):
        column = column_reference(condition.column)
        compiling.warn(f"No item has a value in {column}: a condition on it holds for all items or for none.")
    if isinstance(condition, Membership):
        return _membership(compiling, condition, limit)
    return _comparison(compiling, condition)


def _membership(compiling: Compiling, condition: Membership, limit: int) -> Predicate:
    """Split and compare each distinct value once: a column has far fewer values than items."""
    column, read, positive = condition.column, compiling.items.value, not condition.negated
    listed = item_texts(compiling, condition)
    results: dict[object, bool] = {None: not positive}

    def holds(number: int) -> bool:
        value = read(column, number)
        result = results.get(value)
        if result is None:
            if len(results) > limit:
                results.clear()
                results[None] = not positive
            text = str(value)
            result = (text in listed or not listed.isdisjoint(text.split(SEPARATOR))) is positive
            results[value] = result
        return result

    return holds


def _comparison(compiling: Compiling, condition: Comparison) -> Predicate:
    column, read, compare = condition.column, compiling.items.value, _COMPARE[condition.operator]
    operand = number(compiling, condition)
    if isnan(operand):  # the item in view has no value, and then no comparison holds
        return lambda _: False

    def holds(number: int) -> bool:
        value = read(column, number)
        return isinstance(value, float) and compare(value, operand)

    return holds


def interactions_condition(compiling: Compiling, condition: Membership) -> Predicate:
    """Whether the user had an event of a listed type with an item; event types are compared without case."""
    listed = {text.casefold() for text in other_texts(compiling, condition)}
    stated, live = compiling.context.event_types, compiling.context.live_types
    types = tuple(dict.fromkeys((*(stated or ()), *(live or ()))))
    chosen = [name for name in types if ANY_EVENT in listed or name.casefold() in listed]
    unknown = listed - {name.casefold() for name in types} - {ANY_EVENT}
    if stated is None:
        compiling.warn("Interactions has live events only: this release does not state what its users did.")
    if unknown and live is None:
        known = ", ".join(types[:_SHOWN]) + (", ..." if len(types) > _SHOWN else "")
        compiling.warn(f"No event of this model has the type {min(unknown)!r:.60}; its types are {known}.")
    items: set[int] = set()
    if compiling.context.history is None:
        compiling.warn("Interactions matches no item: the request has no user. Send one.")
    else:
        history = compiling.context.history()
        items = items.union(*(history.get(name, ()) for name in chosen))
    negated = condition.negated
    return lambda number: (number in items) is not negated


def user_condition_holds(compiling: Compiling, condition: Condition) -> bool:
    """Whether a condition behind IF holds for the request's user."""
    column = condition.column
    value = compiling.context.user_value(column)
    if value is None:
        reference = column_reference(column, "CurrentUser")
        if not compiling.context.stores_profiles:
            remedy = f"send it as profile.{column}, since this release does not store users' profiles"
            refuse(compiling.rule.text, condition.position, f"the request has no value for {reference}", remedy)
        compiling.warn(f"The user has no value in {reference}: send it as profile.{column}.")
    if isinstance(condition, Comparison) and compiling.context.user_columns[column] == "number":
        operand = number(compiling, condition)
        return isinstance(value, float | int) and _COMPARE[condition.operator](value, operand)
    if isinstance(condition, Comparison):  # of texts, which checks.py allows with = and != only
        operand_text = condition.operand if isinstance(condition.operand, str | Parameter) else str(condition.operand)
        equal = Membership(column, False, (operand_text,), condition.position, condition.dataset)
        listed = _is_listed(compiling, equal, value)
        return value is not None and (condition.operator == "=") is listed
    return _is_listed(compiling, condition, value) is not condition.negated


def _is_listed(compiling: Compiling, condition: Membership, value: str | float | None) -> bool:
    listed = other_texts(compiling, condition)
    return isinstance(value, str) and not listed.isdisjoint(several(value))
