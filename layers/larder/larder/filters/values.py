"""The values that conditions compare with: those of the text, of parameters and of the item in view."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from larder.filters.context import Context
from larder.filters.lexer import column_reference, refuse
from larder.filters.syntax import Comparison, Condition, Filter, ItemInView, Membership, Parameter
from larder.release.serving import ColumnType

MAX_VALUES: Final = 1000
SEPARATOR: Final = "|"
_SHOWN: Final = 3

Value = str | float | Sequence[str]


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
class Compiling:
    """The filter that is being compiled.

    Attributes:
        rule: The parsed filter.
        items: The items of the release.
        values: The values of the parameters.
        context: The request.
        warnings: Warnings so far.
    """

    rule: Filter
    items: Items
    values: Mapping[str, Value]
    context: Context
    warnings: list[str]

    def warn(self, text: str) -> None:
        """Add a warning, once."""
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

    def of_item_in_view(self, operand: ItemInView, condition: Condition) -> str | float | None:
        """The value of the request's item; None if it is missing, or the item is unknown.

        Raises InvalidRequest if the request has no item.
        """
        if not self.context.has_item:
            problem = f"{column_reference(operand.column, 'CurrentItem')} needs an item in view"
            refuse(self.rule.text, condition.position, problem, "send one with the request (item)")
        item = self.context.item
        value = None if item is None else self.items.value(operand.column, item)
        if value is None:
            self.warn(f"The item in view has no value in {column_reference(operand.column, 'CurrentItem')}.")
        return value


def item_texts(compiling: Compiling, condition: Membership) -> frozenset[str]:
    """The texts that a condition on items lists; warns of those that no item has."""
    stated = [value for value in condition.values if not isinstance(value, ItemInView)]
    listed = dict.fromkeys(_stated(compiling, condition, stated, separated=True))
    _check_count(compiling, condition, len(listed))
    unknown = [text for text in listed if not compiling.items.has(condition.column, text)]
    if unknown and not compiling.items.is_empty(condition.column):
        compiling.warn(_unknown(compiling.items, condition.column, unknown))
    for operand in condition.values:
        if isinstance(operand, ItemInView):
            value = compiling.of_item_in_view(operand, condition)
            listed.update(dict.fromkeys(several(value) if isinstance(value, str) else ()))
    return frozenset(listed)


def other_texts(compiling: Compiling, condition: Membership) -> frozenset[str]:
    """The texts that a condition on the user or on interactions lists."""
    stated = [value for value in condition.values if not isinstance(value, ItemInView)]
    listed = frozenset(_stated(compiling, condition, stated))
    _check_count(compiling, condition, len(listed))
    return listed


def several(value: str) -> tuple[str, ...]:
    """A value of a category or text: the whole and, if it holds several, each of them."""
    return (value, *value.split(SEPARATOR)) if SEPARATOR in value else (value,)


def number(compiling: Compiling, condition: Comparison) -> float:
    """The number on the right; NaN if the item in view has none. Raises InvalidRequest if a value is not a number."""
    operand = condition.operand
    if isinstance(operand, ItemInView):
        value = compiling.of_item_in_view(operand, condition)
        return value if isinstance(value, float) else math.nan
    sent = compiling.value(operand, condition) if isinstance(operand, Parameter) else operand
    if not isinstance(sent, str | float | int) and len(sent) == 1:
        sent = sent[0]
    try:
        result = float(sent) if isinstance(sent, str | float | int) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        refuse(
            compiling.rule.text,
            condition.position,
            f"{condition.column} is compared with a value that is not a finite number",
            "send one number, like 9.99",
        )
    return result


def _stated(
    compiling: Compiling, condition: Membership, values: Sequence[str | Parameter], *, separated: bool = False
) -> Iterable[str]:
    """The listed texts; with ``separated``, a parameter's text with commas may be several."""
    for value in values:
        texts = compiling.value(value, condition) if isinstance(value, Parameter) else value
        if separated and isinstance(texts, str) and isinstance(value, Parameter):
            texts = _separated(compiling, condition, value.name, texts)
        texts = (texts,) if isinstance(texts, str) else texts
        if isinstance(texts, float | int) or not all(isinstance(text, str) for text in texts):
            refuse(
                compiling.rule.text,
                condition.position,
                f"a value of {condition.column} is not a text",
                "send texts, even if they look like numbers",
            )
        yield from texts


def _check_count(compiling: Compiling, condition: Membership, count: int) -> None:
    if count > MAX_VALUES:
        refuse(compiling.rule.text, condition.position, f"{count} values are compared", f"send at most {MAX_VALUES}")


def _separated(compiling: Compiling, condition: Membership, name: str, text: str) -> Sequence[str]:
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
