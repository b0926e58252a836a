"""A parsed filter: frozen dataclasses, not yet checked against a release."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$NAME``: a value that comes with the request.

    Attributes:
        name: The name, without ``$``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Membership:
    """``Items.COLUMN IN ("a", $P)`` or ``NOT IN``.

    Attributes:
        column: The column.
        negated: Whether it is NOT IN.
        values: The listed texts and parameters.
        position: Its position in the text, from 1.
    """

    column: str
    negated: bool
    values: tuple[str | Parameter, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``Items.COLUMN < 10``, or another operator.

    Attributes:
        column: The column.
        operator: The operator.
        operand: The number or the parameter on the right.
        position: Its position in the text, from 1.
    """

    column: str
    operator: Operator
    operand: float | Parameter
    position: int


Condition = Membership | Comparison


@dataclass(frozen=True, slots=True)
class Clause:
    """An INCLUDE or EXCLUDE clause.

    Attributes:
        include: Whether it is INCLUDE.
        alternatives: The conditions as an OR of ANDs.
    """

    include: bool
    alternatives: tuple[tuple[Condition, ...], ...]

    def conditions(self) -> Iterator[Condition]:
        """All conditions, in the order of the text."""
        for alternative in self.alternatives:
            yield from alternative

    def parameters(self) -> Iterator[str]:
        """The name of every parameter, with repetitions."""
        for condition in self.conditions():
            values = condition.values if isinstance(condition, Membership) else (condition.operand,)
            yield from (value.name for value in values if isinstance(value, Parameter))


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
