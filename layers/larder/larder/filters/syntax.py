"""A parsed filter: plain frozen data, checked against no release yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$NAME``: a value that the request gives."""

    name: str


@dataclass(frozen=True, slots=True)
class Membership:
    """``Items.COLUMN IN ("a", $P)``, or NOT IN where ``negated``."""

    column: str
    negated: bool
    values: tuple[str | Parameter, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``Items.COLUMN < 10`` and its like."""

    column: str
    operator: Operator
    operand: float | Parameter
    position: int


Condition = Membership | Comparison


@dataclass(frozen=True, slots=True)
class Clause:
    """``INCLUDE`` or EXCLUDE, and its conditions as an OR of ANDs: AND binds tighter."""

    include: bool
    alternatives: tuple[tuple[Condition, ...], ...]

    def conditions(self) -> Iterator[Condition]:
        """Every condition, in the order of the text."""
        for alternative in self.alternatives:
            yield from alternative

    def parameters(self) -> Iterator[str]:
        """The name of every parameter, as often as it stands in the text."""
        for condition in self.conditions():
            values = condition.values if isinstance(condition, Membership) else (condition.operand,)
            yield from (value.name for value in values if isinstance(value, Parameter))


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: (the union of what its INCLUDE clauses hold) minus (the union of what its EXCLUDE clauses hold).

    Without an INCLUDE clause, everything minus the union of the EXCLUDE clauses. The order of clauses means nothing.
    """

    text: str
    clauses: tuple[Clause, ...]

    def parameters(self) -> frozenset[str]:
        """The names of the parameters that a request may give."""
        return frozenset(name for clause in self.clauses for name in clause.parameters())
