"""Split the text of a filter into tokens with their positions."""

import re
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from larder.errors import InvalidRequest

MAX_CHARACTERS: Final = 2500  # Amazon Personalize's limit
_SHOWN: Final = 24

TokenKind = Literal["name", "quoted", "text", "number", "parameter", "symbol", "end"]

_NAME = re.compile(r"[^\W\d]\w*")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[^\W\d]\w*)
      | `(?P<quoted>[^`]+)`
      | (?P<text>"(?:[^"\\]|\\["\\])*")
      | (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<parameter>\$\w+)
      | (?P<symbol><=|>=|!=|[()=<>,.|*])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: Its kind.
        value: Its value: a text without quotes and escapes, a name without backquotes, a parameter without
            ``$``.
        position: The position of its first character, from 1.
    """

    kind: TokenKind
    value: str
    position: int


def tokens(text: str) -> list[Token]:
    """All tokens of ``text``, with ``end`` as the last; raises InvalidRequest with the position of an invalid one."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"The filter has {len(text)} characters: the limit is {MAX_CHARACTERS}. Shorten it: it is too long from "
            f"character {MAX_CHARACTERS + 1} on."
        )
    result: list[Token] = []
    index = 0
    while not result or result[-1].kind != "end":
        match = _TOKEN.match(text, index)
        if match is None:
            _refuse_character(text, index + len(text[index:]) - len(text[index:].lstrip()))
        result.append(_token(match))
        index = match.end()
    return result


def column_reference(name: str, dataset: str = "Items") -> str:
    """How a filter names a column: ``Items.PRICE``, or ``Items."price ($)"`` with other characters."""
    if _NAME.fullmatch(name):
        return f"{dataset}.{name}"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{dataset}."{escaped}"'


def refuse(text: str, position: int, problem: str, remedy: str) -> NoReturn:
    """Raise InvalidRequest with the position in ``text``, the ``problem`` and the ``remedy``."""
    near = text[position - 1 : position - 1 + _SHOWN]
    where = f"at character {position}, {near!r}" if near else "at its end"
    raise InvalidRequest(f"The filter is invalid {where}: {problem}; {remedy}.")


def _token(match: re.Match[str]) -> Token:
    kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
    value = match[kind]
    if kind == "text":
        value = _ESCAPE.sub(r"\1", value[1:-1])
    elif kind == "parameter":
        value = value[1:]
    return Token(kind, value, match.start(kind) + 1)


def _refuse_character(text: str, index: int) -> NoReturn:
    if text[index] == '"':
        refuse(
            text,
            index + 1,
            "this text has no closing quote, or an unknown escape",
            'close it with ", and escape only " and \\',
        )
    if text[index] == "`":
        refuse(text, index + 1, "this name has no closing backquote", "close it with `")
    if text[index] == "$":
        refuse(text, index + 1, "a parameter needs a name", "write $ and a name of letters, digits and _, like $BRAND")
    refuse(text, index + 1, f"{text[index]!r} is not allowed here", 'write values in double quotes, like "Blue"')
