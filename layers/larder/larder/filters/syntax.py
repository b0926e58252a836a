"""A parsed filter: frozen dataclasses, not yet checked against a release."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Dataset = Literal["Items", "Interactions", "CurrentUser"]
ANY_EVENT: Final = "*"


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$NAME``: a value that comes with the request.

    Attributes:
        name: The name, without ``$``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class ItemInView:
    """``CurrentItem.COLUMN``: the value of the request's item.

    Attributes:
        column: The column.
    """

    column: str


@dataclass(frozen=True, slots=True)
class Membership:
    """``Items.COLUMN IN ("a", $P)`` or ``NOT IN``.

    Attributes:
        column: The column.
        negated: Whether it is NOT IN.
        values: The listed texts and parameters, or the item in view; of interactions, ``*`` is any event type.
        position: Its position in the text, from 1.
        dataset: What has the column.
    """

    column: str
    negated: bool
    values: tuple[str | Parameter | ItemInView, ...]
    position: int
    dataset: Dataset = "Items"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``Items.COLUMN < 10``, or another operator.

    Attributes:
        column: The column.
        operator: The operator.
        operand: The number, the text (of users only), the parameter or the item in view, on the right.
        position: Its position in the text, from 1.
        dataset: What has the column.
    """

    column: str
    operator: Operator
    operand: float | str | Parameter | ItemInView
    position: int
    dataset: Dataset = "Items"


Condition = Membership | Comparison


@dataclass(frozen=True, slots=True)
class Clause:
    """An INCLUDE or EXCLUDE clause.

    Attributes:
        include: Whether it is INCLUDE.
        alternatives: The conditions as an OR of ANDs, all of one dataset.
        users: The conditions on the current user behind IF, all of which must hold; without any, the clause always
            applies.
    """

    include: bool
    alternatives: tuple[tuple[Condition, ...], ...]
    users: tuple[Condition, ...] = ()

    def conditions(self) -> Iterator[Condition]:
        """All conditions behind WHERE, in the order of the text."""
        for alternative in self.alternatives:
            yield from alternative

    def operands(self) -> Iterator[float | str | Parameter | ItemInView]:
        """What the conditions, those behind IF too, compare with; with repetitions."""
        for condition in (*self.conditions(), *self.users):
            yield from condition.values if isinstance(condition, Membership) else (condition.operand,)

    def parameters(self) -> Iterator[str]:
        """The name of every parameter, with repetitions."""
        return (operand.name for operand in self.operands() if isinstance(operand, Parameter))


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the union of its INCLUDE clauses (without any, all items) minus the union of its EXCLUDE clauses.

    Attributes:
        text: The text.
        clauses: The clauses; their order does not matter.
    """

    text: str
    clauses: tuple[Clause, ...]

    def parameters(self) -> frozenset[str]:
        """The names of all parameters."""
        return frozenset(name for clause in self.clauses for name in clause.parameters())

    def conditions(self) -> Iterator[Condition]:
        """All conditions, those behind IF too, in the order of the text."""
        for clause in self.clauses:
            yield from clause.conditions()
            yield from clause.users

    @property
    def depends_on_request(self) -> bool:
        """Whether it asks about the user or the item of a request, so that its result differs between requests."""
        return any(condition.dataset != "Items" for condition in self.conditions()) or any(
            isinstance(operand, ItemInView) for clause in self.clauses for operand in clause.operands()
        )
