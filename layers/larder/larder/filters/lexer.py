"""From a filter's text to tokens, each with the place it stands at."""

import re
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from larder.errors import InvalidRequest

MAX_CHARACTERS: Final = 2500  # Amazon Personalize's limit
_SHOWN: Final = 24

TokenKind = Literal["name", "text", "number", "parameter", "symbol", "end"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[^\W\d]\w*)
      | (?P<text>"(?:[^"\\]|\\["\\])*")
      | (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<parameter>\$\w+)
      | (?P<symbol><=|>=|[()=<>,.|*])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Token:
    """One token. ``value`` is what it means: a text without its quotes and escapes, a parameter without its ``$``;
    ``position`` counts characters from 1.
    """

    kind: TokenKind
    value: str
    position: int


def tokens(text: str) -> list[Token]:
    """All tokens of ``text``, an ``end`` last; raises InvalidRequest with the position of what is no token."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidRequest(f"A filter has at most {MAX_CHARACTERS} characters, this one {len(text)}: shorten it.")
    found: list[Token] = []
    place = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse_character(text, place + len(text[place:]) - len(text[place:].lstrip()))
        found.append(_token(match))
        place = match.end()
    return found


def refuse(text: str, position: int, problem: str, remedy: str) -> NoReturn:
    """Raises the InvalidRequest that shows where in ``text`` the ``problem`` is, and ends with the ``remedy``."""
    near = text[position - 1 : position - 1 + _SHOWN]
    place = f"at character {position}, {near!r}" if near else "at its end"
    raise InvalidRequest(f"The filter is wrong {place}: {problem}; {remedy}.")


def _token(match: re.Match[str]) -> Token:
    kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
    value = match[kind]
    if kind == "text":
        value = _ESCAPE.sub(r"\1", value[1:-1])
    elif kind == "parameter":
        value = value[1:]
    return Token(kind, value, match.start(kind) + 1)


def _refuse_character(text: str, place: int) -> NoReturn:
    if text[place] == '"':
        refuse(
            text,
            place + 1,
            "this text has no end, or an escape that is unknown",
            'close it with ", and escape only " and \\',
        )
    if text[place] == "$":
        refuse(text, place + 1, "a parameter has a name", "write $ and a name of letters, digits and _, like $BRAND")
    refuse(text, place + 1, f"{text[place]!r} means nothing here", 'write values in double quotes, like "Blue"')
