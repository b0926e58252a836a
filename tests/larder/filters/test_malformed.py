"""Every malformed expression is refused with the position of its first error."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.larder.filters.test_examples import EXAMPLES

from larder.errors import InvalidRequest
from larder.filters import parse

START = "INCLUDE ItemID WHERE "
# The text behind ``START``, the position in it of the error (None: at the end), and a part of the message.
BEHIND_WHERE = [
    ("", None, "write Items here"),
    ("Item.A = 1", 1, "starts with Items and a column"),
    ("items.A = 1", 1, "in exactly this case"),
    ("ITEMS.A = 1", 1, "in exactly this case"),
    ("A = 1", 1, "starts with Items and a column"),
    ("NOT Items.A = 1", 1, "starts with Items and a column"),
    ("(Items.A = 1)", 1, "starts with Items and a column"),
    ("Users.AGE = 1", 1, "segments of users, which Larder does not make"),
    ("Actions.A = 1", 1, "no data of actions"),
    ('Action_Interactions.EVENT_TYPE IN ("x")', 1, "no data of actions"),
    ("CurrentUser.AGE = 1", 1, "CurrentUser comes only after IF"),
    ("CurrentItem.A = 1", 1, "CurrentItem comes only on the right"),
    ("Items.", None, "name of a column"),
    ("Items..A = 1", 7, "name of a column"),
    ("Items A = 1", 7, "a dot comes between Items and its column"),
    ("Items.A", None, "needs an operator"),
    ("Items.A 5", 9, "needs an operator"),
    ("Items.A == 1", 10, "only numbers are compared"),
    ("Items.A <> 1", 10, "only numbers are compared"),
    ("Items.A ! 1", 9, "is not allowed here"),
    ("Items.A => 1", 10, "only numbers are compared"),
    ("Items.A = ", None, "only numbers are compared"),
    ("Items.A = true", 11, "only numbers are compared"),
    ('Items.A = "x"', 11, "compare texts with IN"),
    ("Items.A = (1", None, "ends with )"),
    ("Items.A = ((1))", 12, "only numbers are compared"),
    ("Items.A = 1e999", 11, "too large"),
    ("Items.A = --1", 11, "is not allowed here"),
    ("Items.A = 1 2", 13, "unexpected text"),
    ("Items.A = $", 11, "a parameter needs a name"),
    ("Items.A = CurrentUser.AGE", 11, "CurrentUser comes only after IF"),
    ("Items.A = CurrentItem", None, "a dot comes between CurrentItem and its column"),
    ("Items.A = CurrentItem.", None, "name of a column comes after CurrentItem"),
    ("Items.A = Items.B", 11, "only numbers are compared"),
    ("Items.A in (1)", 9, "needs an operator"),
    ("Items.A IN", None, "starts with ("),
    ("Items.A IN x", 12, "starts with ("),
    ('Items.A IN "x"', 12, "starts with ("),
    ("Items.A IN $X", 12, "starts with ("),
    ("Items.A IN ()", 13, "a list holds texts"),
    ("Items.A IN (1)", 13, "a list holds texts"),
    ("Items.A IN (*)", 13, "* is only for Interactions.EVENT_TYPE"),
    ("Items.A IN (x)", 13, "a list holds texts"),
    ("Items.A IN ('x')", 13, "double quotes"),
    ('Items.A IN ("x)', 13, "no closing quote"),
    ('Items.A IN ("x" "y")', 17, "a comma separates"),
    ('Items.A IN ("x",)', 17, "a list holds texts"),
    ('Items.A IN (,"x")', 13, "a list holds texts"),
    ('Items.A IN ("x"', None, "ends with )"),
    ('Items.A NOT ("x")', 13, "IN comes after NOT"),
    ('Items.A NOT NOT IN ("x")', 13, "IN comes after NOT"),
    ('Items.A IN ("x") AND', None, "starts with Items"),
    ('Items.A IN ("x") AND OR Items.B = 1', 22, "starts with Items"),
    ('Items.A IN ("x"), Items.B = 1', 17, "unexpected text"),
    ('Items.A IN ("x") & Items.B = 1', 18, "is not allowed here"),
    ('Items.A IN ("x") and Items.B = 1', 18, "unexpected text"),
    ('Items.A IN ("x") |', None, "INCLUDE or EXCLUDE"),
    ('Items.A IN ("x") || EXCLUDE ItemID WHERE Items.A = 1', 19, "INCLUDE or EXCLUDE"),
    ('Items.A IN ("x") EXCLUDE ItemID WHERE Items.A = 1', 18, "clauses with |"),
    ('Items.A IN ("x") AND Interactions.EVENT_TYPE IN ("y")', 22, "a clause of its own for Interactions"),
    ('Interactions.EVENT_TYPE IN ("y") OR Items.A = 1', 37, "a clause of its own for Items"),
    ("Interactions", None, "a dot comes between Interactions and EVENT_TYPE"),
    ('Interactions.EVENT_VALUE IN ("y")', 14, "EVENT_TYPE is all that filters know"),
    ('Interactions.event_type IN ("y")', 14, "in exactly this case"),
    ('Interactions.EVENT_TYPE = "click"', 25, "compared with IN or NOT IN"),
    ("Interactions.EVENT_TYPE IN *", 28, "starts with ("),
    ("Interactions.EVENT_TYPE IN (click)", 29, "a list holds event types"),
    ("Interactions.EVENT_TYPE IN (1)", 29, "a list holds event types"),
    ("Interactions.EVENT_TYPE IN (**)", 30, "a comma separates"),
    ("Interactions.EVENT_TYPE IN ()", 29, "a list holds event types"),
    ("Interactions.EVENT_TYPE IN CurrentItem.A", 28, "starts with ("),
    ("Items.A = 1 IF", None, "IF checks CurrentUser"),
    ("Items.A = 1 IF Items.B = 2", 16, "IF checks CurrentUser"),
    ("Items.A = 1 IF CurrentUser", None, "a dot comes between CurrentUser"),
    ("Items.A = 1 IF CurrentUser.AGE", None, "needs an operator"),
    ('Items.A = 1 IF CurrentUser.AGE < "x"', 34, "only numbers are compared"),
    ("Items.A = 1 IF CurrentUser.AGE IN (*)", 36, "* is only for Interactions.EVENT_TYPE"),
    ("Items.A = 1 IF CurrentUser.AGE > CurrentItem.A", 34, "only numbers are compared"),
    ("Items.A = 1 IF CurrentUser.AGE > 1 OR CurrentUser.AGE < 9", 36, "OR does not come after IF"),
    ("Items.A = 1 IF CurrentUser.AGE > 1 IF CurrentUser.AGE < 9", 36, "IF comes once in a clause"),
    ("Items.A = 1 IF CurrentUser.AGE > 1 AND Items.A = 1", 40, "IF checks CurrentUser"),
    ("IF CurrentUser.AGE > 1", 1, "starts with Items"),
]
WHOLE = [
    ("", None, "INCLUDE or EXCLUDE"),
    ("ItemID WHERE Items.A = 1", 1, "INCLUDE or EXCLUDE"),
    ("Exclude ItemID WHERE Items.A = 1", 1, "in exactly this case"),
    ("INCLUDE", None, "ItemID comes after"),
    ("INCLUDE WHERE Items.A = 1", 9, "ItemID comes after"),
    ("INCLUDE itemId WHERE Items.A = 1", 9, "in exactly this case"),
    ("INCLUDE UserID WHERE Users.A = 1", 9, "segments of users, which Larder does not make"),
    ("INCLUDE ActionID WHERE Actions.A = 1", 9, "no data of actions"),
    ("INCLUDE ItemID, UserID WHERE Items.A = 1", 15, "WHERE comes after ItemID"),
    ("INCLUDE ItemID IF CurrentUser.A = 1", 16, "WHERE comes after ItemID"),
    ("INCLUDE EXCLUDE ItemID WHERE Items.A = 1", 9, "ItemID comes after"),
    ("| INCLUDE ItemID WHERE Items.A = 1", 1, "INCLUDE or EXCLUDE"),
    ("SELECT * FROM Items", 1, "INCLUDE or EXCLUDE"),
]
MALFORMED = [
    *((START + text, place and place + len(START), hint) for text, place, hint in BEHIND_WHERE),
    *WHOLE,
]


@pytest.mark.parametrize(("text", "position", "hint"), MALFORMED)
def test_a_malformed_expression_names_its_position(text: str, position: int | None, hint: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse(text)

    message = str(raised.value)
    assert (f"at character {position}," if position else "at its end") in message
    assert hint in message


def test_there_are_at_least_sixty_different_malformed_expressions() -> None:
    assert len({text for text, _, _ in MALFORMED}) >= 60


TOKENS = re.compile(r'"[^"]*"|[<>!]=|\$?\w+(?:\.\d+)?|\S')
PIECES = ["INCLUDE", "ItemID", "WHERE", "AND", "OR", "IF", "IN", "NOT", "(", ")", ",", "|", ".", "*", "=", "5", '"x"']
PIECES += ["$P", "Items", "Interactions", "CurrentUser", "CurrentItem", "EVENT_TYPE", '"', "$", "\x00", "é"]


WHERE = re.compile(r"^parsed$|at (?:character \d+, |its end: )")


def message_of(text: str) -> str:
    """``parsed``, or the message of the refusal."""
    try:
        return "parsed" if parse(text).clauses else ""
    except InvalidRequest as error:
        return str(error)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_mutated_expression_parses_or_names_its_position(text: str, data: st.DataObject) -> None:
    tokens = TOKENS.findall(text)
    place = data.draw(st.integers(0, len(tokens) - 1))
    action = data.draw(st.sampled_from(["remove", "repeat", "replace", "insert", "swap"]))
    piece = data.draw(st.sampled_from(PIECES))
    changed = {
        "remove": [*tokens[:place], *tokens[place + 1 :]],
        "repeat": [*tokens[: place + 1], *tokens[place:]],
        "replace": [*tokens[:place], piece, *tokens[place + 1 :]],
        "insert": [*tokens[:place], piece, *tokens[place:]],
        "swap": [*tokens[:place], *tokens[place : place + 2][::-1], *tokens[place + 2 :]],
    }[action]

    assert WHERE.search(message_of(" ".join(changed)))


@given(st.sampled_from(EXAMPLES), st.integers(0, 200))
def test_an_expression_cut_anywhere_parses_or_names_its_position(text: str, length: int) -> None:
    assert WHERE.search(message_of(text[:length]))


def test_deep_parentheses_and_long_chains_do_not_exhaust_the_stack() -> None:
    with pytest.raises(InvalidRequest, match="at character 33"):
        parse(f"INCLUDE ItemID WHERE Items.A = {'(' * 2000}")
    assert len(parse(" | ".join(["INCLUDE ItemID WHERE Items.A=1"] * 70)).clauses) == 70
