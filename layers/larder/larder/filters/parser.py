"""A recursive descent parser of Amazon Personalize's filter language.

::

    filter    = clause { "|" clause }
    clause    = ( "INCLUDE" | "EXCLUDE" ) "ItemID" "WHERE" condition { ( "AND" | "OR" ) condition }
                [ "IF" user { "AND" user } ]
    condition = "Items" "." column ( [ "NOT" ] "IN" values | operator operand )
              | "Interactions" "." "EVENT_TYPE" [ "NOT" ] "IN" "(" event { "," event } ")"
    user      = "CurrentUser" "." column ( [ "NOT" ] "IN" values | operator operand | ( "=" | "!=" ) "TEXT" )
    values    = "(" value { "," value } ")" | current
    value     = "TEXT" | $PARAMETER | current
    event     = "TEXT" | $PARAMETER | "*"
    operand   = NUMBER | $PARAMETER | current, or one of these in ( and )
    current   = "CurrentItem" "." column
    column    = NAME | "TEXT" | `NAME`
    operator  = "=" | "!=" | "<" | "<=" | ">" | ">="

``CurrentItem`` is for conditions on items only. All conditions of a clause before its IF are on one dataset. Names and
keywords are case-sensitive, as in Personalize.
"""

import math
from functools import lru_cache
from typing import Final, cast

from larder.filters.lexer import Token, TokenKind, refuse, tokens
from larder.filters.syntax import (
    ANY_EVENT,
    Clause,
    Comparison,
    Condition,
    Dataset,
    Filter,
    ItemInView,
    Membership,
    Operator,
    Parameter,
)

_OPERATORS: Final = ("=", "!=", "<", "<=", ">", ">=")
_EQUALITIES: Final = ("=", "!=")
_EVENT_TYPE: Final = "EVENT_TYPE"
_TYPE_OF_VALUE: Final = 'write texts in double quotes or a parameter, like ("Blue", $BRAND)'
# What Personalize's language has for other data than Larder's: why it is not here, and what to write in its place.
_SUBJECTS: Final = {
    "UserID": ("UserID filters segments of users, which Larder does not make", "filter ItemID"),
    "ActionID": ("ActionID filters actions, and Larder has no data of actions", "filter ItemID"),
}
_DATASETS: Final = {
    "Users": ("Users is for segments of users, which Larder does not make", "check the user with IF CurrentUser"),
    "Actions": ("Larder has no data of actions", "use conditions on Items or Interactions"),
    "Action_Interactions": ("Larder has no data of actions", "use conditions on Items or Interactions"),
    "CurrentUser": ("CurrentUser comes only after IF", "end the clause with IF CurrentUser.AGE > 17, for example"),
    "CurrentItem": ("CurrentItem comes only on the right", "write Items.PRICE < CurrentItem.PRICE, for example"),
}


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
        self._refuse_known(_SUBJECTS)
        self._need("name", "ItemID", "ItemID comes after INCLUDE and EXCLUDE")
        self._need("name", "WHERE", "WHERE comes after ItemID")
        first = self._condition(None)
        alternatives = [[first]]
        while True:
            if self._take("name", "AND"):
                alternatives[-1].append(self._condition(first.dataset))
            elif self._take("name", "OR"):
                alternatives.append([self._condition(first.dataset)])
            else:
                return Clause(include, tuple(map(tuple, alternatives)), self._users())

    def _condition(self, dataset: Dataset | None) -> Condition:
        """A condition behind WHERE; ``dataset`` is that of the clause's first condition."""
        token = self._token
        self._refuse_known(_DATASETS)
        found = self._take("name", "Interactions") or self._need(
            "name", "Items", "a condition starts with Items and a column, or with Interactions"
        )
        if dataset not in {None, found.value}:
            remedy = f"begin a clause of its own for {found.value}, after |"
            refuse(self._text, token.position, f"the other conditions of this clause are on {dataset}", remedy)
        return self._interactions(token) if found.value == "Interactions" else self._test(token, "Items")

    def _users(self) -> tuple[Condition, ...]:
        if not self._take("name", "IF"):
            return ()
        users = [self._user()]
        while self._take("name", "AND"):
            users.append(self._user())
        if self._token.value == "OR":
            refuse(self._text, self._token.position, "OR does not come after IF", "write a second clause, after |")
        if self._token.value == "IF":
            refuse(self._text, self._token.position, "IF comes once in a clause", "join its conditions with AND")
        return tuple(users)

    def _user(self) -> Condition:
        token = self._need("name", "CurrentUser", "IF checks CurrentUser and a column, and nothing else")
        return self._test(token, "CurrentUser")

    def _test(self, token: Token, dataset: Dataset) -> Condition:
        """The rest of a condition on items or on the user, which began with ``token``."""
        self._need("symbol", ".", f"a dot comes between {dataset} and its column")
        column = self._column(dataset)
        negated = bool(self._take("name", "NOT"))
        if negated:
            self._need("name", "IN", "IN comes after NOT")
        if negated or self._take("name", "IN"):
            return Membership(column, negated, self._values(dataset), token.position, dataset)
        if self._token.kind == "symbol" and self._token.value in _OPERATORS:
            operator = cast("Operator", self._advance().value)
            return Comparison(column, operator, self._operand(dataset, operator), token.position, dataset)
        remedy = "use IN, NOT IN, =, !=, <, <=, > or >="
        if self._token.kind == "name" or self._token.value == ".":
            remedy += f'; a column name with blanks or signs is in double quotes, like {dataset}."{column} ..."'
        return refuse(self._text, self._token.position, "a condition needs an operator", remedy)

    def _interactions(self, token: Token) -> Condition:
        self._need("symbol", ".", "a dot comes between Interactions and EVENT_TYPE")
        self._need("name", _EVENT_TYPE, "EVENT_TYPE is all that filters know of Interactions")
        negated = bool(self._take("name", "NOT"))
        self._need("name", "IN", "event types are compared with IN or NOT IN")
        self._need("symbol", "(", "a list of event types starts with (")
        events = [self._event()]
        while self._take("symbol", ","):
            events.append(self._event())
        self._need("symbol", ")", "a list of event types ends with ), and a comma separates them")
        return Membership(_EVENT_TYPE, negated, tuple(events), token.position, "Interactions")

    def _event(self) -> str | Parameter:
        if self._take("symbol", ANY_EVENT):
            return ANY_EVENT
        if self._token.kind not in {"text", "parameter"}:
            remedy = 'write them in double quotes, a parameter, or *, like ("click", $EVENT_TYPE)'
            refuse(self._text, self._token.position, "a list holds event types", remedy)
        token = self._advance()
        return token.value if token.kind == "text" else Parameter(token.value)

    def _column(self, dataset: str) -> str:
        if self._token.kind in {"text", "quoted"}:
            return self._advance().value
        return self._need("name", None, f"the name of a column comes after {dataset}.").value

    def _values(self, dataset: Dataset) -> tuple[str | Parameter | ItemInView, ...]:
        if dataset == "Items" and self._token.value == "CurrentItem":
            return (self._item_in_view(),)
        self._need("symbol", "(", "a list of values starts with (")
        values = [self._value(dataset)]
        while self._take("symbol", ","):
            values.append(self._value(dataset))
        self._need("symbol", ")", "a list of values ends with ), and a comma separates its values")
        return tuple(values)

    def _value(self, dataset: Dataset) -> str | Parameter | ItemInView:
        token = self._token
        if token.kind == "symbol" and token.value == ANY_EVENT:
            refuse(self._text, token.position, "* is only for Interactions.EVENT_TYPE", _TYPE_OF_VALUE)
        if dataset == "Items" and token.kind == "name" and token.value == "CurrentItem":
            return self._item_in_view()
        if token.kind not in {"text", "parameter"}:
            refuse(self._text, token.position, "a list holds texts", _TYPE_OF_VALUE)
        self._advance()
        return token.value if token.kind == "text" else Parameter(token.value)

    def _item_in_view(self) -> ItemInView:
        self._advance()
        self._need("symbol", ".", "a dot comes between CurrentItem and its column")
        return ItemInView(self._column("CurrentItem"))

    def _operand(self, dataset: Dataset, operator: Operator) -> float | str | Parameter | ItemInView:
        if self._take("symbol", "("):
            operand = self._plain_operand(dataset, operator)
            self._need("symbol", ")", "a value that starts with ( ends with )")
            return operand
        return self._plain_operand(dataset, operator)

    def _plain_operand(self, dataset: Dataset, operator: Operator) -> float | str | Parameter | ItemInView:
        if dataset == "Items" and self._token.kind == "name" and self._token.value == "CurrentItem":
            return self._item_in_view()
        if dataset == "CurrentUser" and operator in _EQUALITIES and self._token.kind == "text":
            return self._advance().value
        if self._token.value == "CurrentUser":
            self._refuse_known(_DATASETS)
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

    def _refuse_known(self, names: dict[str, tuple[str, str]]) -> None:
        """Refuse a name of Personalize's language that does not belong here, with the reason."""
        if self._token.kind == "name" and self._token.value in names:
            refuse(self._text, self._token.position, *names[self._token.value])

    def _refuse_rest(self) -> None:
        remedy = "join conditions with AND or OR, and clauses with |"
        refuse(self._text, self._token.position, "unexpected text", remedy)
