"""A filter worked out the slow and obvious way: every item, every clause and every condition, with no shortcut.

An expression is a list of clauses, each ``(include, alternatives, users)``; a condition is ``(dataset, column,
operator, right)``. ``right`` is a list of operands for IN and NOT IN, and one operand for a comparison. An operand is a
text, a number, ``("$", name)`` or ``("item", column)``.
"""

from dataclasses import dataclass
from typing import Any

Clause = tuple[bool, list[list[tuple[str, str, str, Any]]], list[tuple[str, str, str, Any]]]


@dataclass
class World:
    """A catalogue and a request; a missing value is None. ``history`` is None if the request has no user."""

    items: list[dict[str, Any]]
    user: dict[str, Any]
    history: list[tuple[int, str]] | None
    has_item: bool
    item: int | None
    values: dict[str, Any]
    clauses: list[Clause]


class RefusedError(Exception):
    """The request lacks what the filter needs."""


def passing(world: World) -> set[int]:
    """The numbers of the items that pass; raises RefusedError for a request that Larder must refuse."""
    included: set[int] = set()
    excluded: set[int] = set()
    includes = 0
    for include, alternatives, users in world.clauses:
        conditions = [*users, *(condition for group in alternatives for condition in group)]
        missing = [name for condition in conditions for name in parameters(condition) if name not in world.values]
        if missing and include:
            raise RefusedError(f"${missing[0]}")
        if missing:
            continue
        if uses_item(conditions) and not world.has_item:
            raise RefusedError("item")
        if not all(user_holds(world, condition) for condition in users):
            continue
        matched = {
            number
            for number in range(len(world.items))
            if any(all(holds(world, condition, number) for condition in group) for group in alternatives)
        }
        if include:
            includes += 1
            included |= matched
        else:
            excluded |= matched
    everything = set(range(len(world.items)))
    return (included if includes else everything) - excluded


def parameters(condition: tuple[str, str, str, Any]) -> list[str]:
    """The names of the parameters on the right of a condition."""
    right = condition[3] if isinstance(condition[3], list) else [condition[3]]
    return [operand[1] for operand in right if isinstance(operand, tuple) and operand[0] == "$"]


def uses_item(conditions: list[tuple[str, str, str, Any]]) -> bool:
    """Whether a condition compares with the item in view."""
    rights = [right if isinstance(right, list) else [right] for _, _, _, right in conditions]
    return any(isinstance(operand, tuple) and operand[0] == "item" for right in rights for operand in right)


def holds(world: World, condition: tuple[str, str, str, Any], number: int) -> bool:
    """Whether an item meets a condition behind WHERE."""
    dataset, column, operator, right = condition
    if dataset == "Items":
        return compare(world, world.items[number].get(column), operator, right)
    listed = [text.casefold() for operand in right for text in texts(world, operand)]
    done = [kind.casefold() for item, kind in world.history or [] if item == number]
    some = any("*" in listed or kind in listed for kind in done)
    return some if operator == "IN" else not some


def user_holds(world: World, condition: tuple[str, str, str, Any]) -> bool:
    """Whether the user meets a condition behind IF."""
    _, column, operator, right = condition
    return compare(world, world.user.get(column), operator, right)


def compare(world: World, left: Any, operator: str, right: Any) -> bool:  # noqa: ANN401  # a value of any column
    """Whether a value, None if it is missing, meets ``operator`` and ``right``."""
    if operator in {"IN", "NOT IN"}:
        listed = [text for operand in right for text in texts(world, operand)]
        own = [] if left is None else [left, *left.split("|")]
        return any(text in listed for text in own) is (operator == "IN")
    other = one(world, right)
    if left is None or other is None:
        return False
    if isinstance(left, str):
        equal = any(text in [left, *left.split("|")] for text in ([other] if isinstance(other, str) else other))
        return equal if operator == "=" else not equal
    other = float(other)
    results = {
        "=": left == other,
        "!=": left != other,
        "<": left < other,
        "<=": left <= other,
        ">": left > other,
        ">=": left >= other,
    }
    return bool(results[operator])


def one(world: World, operand: Any) -> Any:  # noqa: ANN401  # a value of any column
    """The value on the right of a comparison."""
    if isinstance(operand, tuple):
        kind, name = operand
        return world.values[name] if kind == "$" else of_item(world, name)
    return operand


def texts(world: World, operand: Any) -> list[str]:  # noqa: ANN401  # a value of any column
    """The texts that one operand of IN stands for."""
    value = one(world, operand)
    if isinstance(operand, tuple) and operand[0] == "item":
        return [] if value is None else [value, *value.split("|")]
    return [value] if isinstance(value, str) else list(value)


def of_item(world: World, column: str) -> Any:  # noqa: ANN401  # a value of any column
    """The value of the item in view."""
    return None if world.item is None else world.items[world.item].get(column)
