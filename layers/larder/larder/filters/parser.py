"""A recursive descent parser of the supported part of Amazon Personalize's filter language.

::

    filter    = clause { "|" clause }
    clause    = ( "INCLUDE" | "EXCLUDE" ) "ItemID" "WHERE" condition { ( "AND" | "OR" ) condition }
    condition = "Items" "." column ( [ "NOT" ] "IN" "(" value { "," value } ")" | operator ( NUMBER | $PARAMETER ) )
    column    = NAME | "TEXT" | `NAME`
    value     = "TEXT" | $PARAMETER
    operator  = "=" | "<" | "<=" | ">" | ">="

Names and keywords are case-sensitive, as in Personalize.
"""

import math
from functools import lru_cache
from typing import Final, cast

from larder.filters.lexer import Token, TokenKind, refuse, tokens
from larder.filters.syntax import Clause, Comparison, Condition, Filter, Membership, Operator, Parameter

_OPERATORS: Final = ("=", "<", "<=", ">", ">=")
_OTHER_SUBJECTS: Final = ("UserID", "ActionID")
_OTHER_DATASETS: Final = ("Interactions", "Users", "Actions", "Action_Interactions", "CurrentUser", "CurrentItem")
_TYPE_OF_VALUE: Final = 'write texts in double quotes or a parameter, like ("Blue", $BRAND)'


@lru_cache(maxsize=256)
def parse(text: str) -> Filter:
    """Parse a filter; raises InvalidRequest with the position of the first error and what to write there."""
    return _Parser(text).filter()


class _Parser:
    """One method per rule of the grammar; each moves ``_next`` behind what it has read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0

    def filter(self) -> Filter:
        clauses = [self._clause()]
        while self._take("symbol", "|"):
            clauses.append(self._clause())
        if self._token.kind != "end":
            self._refuse_rest()
        return Filter(self._text, tuple(clauses))

    def _clause(self) -> Clause:
        include = bool(self._take("name", "INCLUDE"))
        if not include:
            self._need("name", "EXCLUDE", "a clause starts with INCLUDE or EXCLUDE")
        if self._token.value in _OTHER_SUBJECTS:
            self._unsupported("filters on users and actions", "filter ItemID")
        self._need("name", "ItemID", "ItemID comes after INCLUDE and EXCLUDE")
        self._need("name", "WHERE", "WHERE comes after ItemID")
        alternatives = [[self._condition()]]
        while True:
            if self._take("name", "AND"):
                alternatives[-1].append(self._condition())
            elif self._take("name", "OR"):
                alternatives.append([self._condition()])
            else:
                return Clause(include, tuple(map(tuple, alternatives)))

    def _condition(self) -> Condition:
        if self._token.value in _OTHER_DATASETS:
            self._unsupported(f"conditions on {self._token.value}", "use conditions on Items, like Items.PRICE < 10")
        position = self._need("name", "Items", "a condition starts with Items and a column").position
        self._need("symbol", ".", "a dot comes between Items and its column")
        column = self._column()
        if self._take("name", "NOT"):
            self._need("name", "IN", "IN comes after NOT")
            return Membership(column, True, self._values(), position)
        if self._take("name", "IN"):
            return Membership(column, False, self._values(), position)
        if self._token.value in _OPERATORS:
            return Comparison(column, cast("Operator", self._advance().value), self._operand(), position)
        remedy = "use IN, NOT IN, =, <, <=, > or >="
        if self._token.kind == "name" or self._token.value == ".":
            remedy += f'; a column name with blanks or signs is in double quotes, like Items."{column} ..."'
        return refuse(self._text, self._token.position, "a condition needs an operator", remedy)

    def _column(self) -> str:
        if self._token.kind in {"text", "quoted"}:
            return self._advance().value
        return self._need("name", None, "the name of a column comes after Items.").value

    def _values(self) -> tuple[str | Parameter, ...]:
        self._need("symbol", "(", "a list of values starts with (")
        values = [self._value()]
        while self._take("symbol", ","):
            values.append(self._value())
        self._need("symbol", ")", "a list of values ends with ), and a comma separates its values")
        return tuple(values)

    def _value(self) -> str | Parameter:
        token = self._token
        if token.kind == "symbol" and token.value == "*":
            self._unsupported("the value *", _TYPE_OF_VALUE)
        if token.kind not in {"text", "parameter"}:
            refuse(self._text, token.position, "a list holds texts", _TYPE_OF_VALUE)
        self._advance()
        return token.value if token.kind == "text" else Parameter(token.value)

    def _operand(self) -> float | Parameter:
        token = self._advance()
        if token.kind == "parameter":
            return Parameter(token.value)
        if token.kind != "number":
            remedy = "write a number or a parameter after the operator, or compare texts with IN"
            refuse(self._text, token.position, "only numbers are compared", remedy)
        if not math.isfinite(float(token.value)):
            refuse(self._text, token.position, "this number is too large", "write one below 1e308")
        return float(token.value)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _take(self, kind: TokenKind, value: str) -> Token | None:
        matches = self._token.kind == kind and self._token.value == value
        return self._advance() if matches else None

    def _need(self, kind: TokenKind, value: str | None, problem: str) -> Token:
        token = self._token
        if token.kind != kind or (value is not None and token.value != value):
            wrong_case = value is not None and token.value.lower() == value.lower()
            remedy = f"write {value} here" if value else "write it here"
            refuse(self._text, token.position, problem, f"{remedy}, in exactly this case" if wrong_case else remedy)
        return self._advance()

    def _unsupported(self, what: str, remedy: str) -> None:
        refuse(self._text, self._token.position, f"{what} are not supported by this version of Larder", remedy)

    def _refuse_rest(self) -> None:
        if self._token.value == "IF":
            self._unsupported("conditions on the user (IF)", "remove IF, and choose the filter in your code")
        refuse(
            self._text, self._token.position, "unexpected text", "join conditions with AND or OR, and clauses with |"
        )
