import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.filters import MAX_CHARACTERS, Clause, Comparison, Filter, Membership, Parameter, parse


def test_a_filter_becomes_plain_data() -> None:
    text = (
        'INCLUDE ItemID WHERE Items.BRAND NOT IN ("A\\"B", $P) AND Items.PRICE<=-1.5e1|EXCLUDE ItemID WHERE Items.X=$Q'
    )

    parsed = parse(text)

    first = (
        Membership("BRAND", True, ('A"B', Parameter("P")), 22),
        Comparison("PRICE", "<=", -15.0, text.index("Items.PRICE") + 1),
    )
    second = (Comparison("X", "=", Parameter("Q"), text.index("Items.X") + 1),)
    assert parsed == Filter(text, (Clause(True, (first,)), Clause(False, (second,))))
    assert parsed.parameters() == {"P", "Q"}


def test_and_binds_tighter_than_or() -> None:
    clause = parse("INCLUDE ItemID WHERE Items.A=1 OR Items.B=2 AND Items.C=3 OR Items.D=4").clauses[0]

    columns = [[condition.column for condition in alternative] for alternative in clause.alternatives]

    assert columns == [["A"], ["B", "C"], ["D"]]


def test_white_space_and_unicode_are_accepted() -> None:
    parsed = parse('\n EXCLUDE\tItemID WHERE  Items.FARBE IN("weiß" ,"赤|青")\n ')

    assert parsed.clauses[0].alternatives[0][0] == Membership("FARBE", False, ("weiß", "赤|青"), 25)


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("", None, "write EXCLUDE here"),
        ("   ", None, "INCLUDE or EXCLUDE"),
        ("include ItemID WHERE Items.A=1", 1, "INCLUDE or EXCLUDE"),
        ("exclude ItemID WHERE Items.A=1", 1, "write EXCLUDE here, in exactly this case"),
        ("INCLUDE ItemId WHERE Items.A=1", 9, "write ItemID here, in exactly this case"),
        ("INCLUDE ItemID where Items.A=1", 16, "write WHERE here, in exactly this case"),
        ("INCLUDE ItemID WHERE", None, "write Items here"),
        ("INCLUDE ItemID WHERE items.A=1", 22, "write Items here, in exactly this case"),
        ("INCLUDE ItemID WHERE Items A=1", 28, "write . here"),
        ("INCLUDE ItemID WHERE Items.=1", 28, "name of a column"),
        ("INCLUDE ItemID WHERE Items.A", None, "use IN, NOT IN"),
        ("INCLUDE ItemID WHERE Items.A NOT (1)", 34, "write IN here"),
        ('INCLUDE ItemID WHERE Items.A IN "x"', 33, "write ( here"),
        ("INCLUDE ItemID WHERE Items.A IN ()", 34, "write texts in double quotes"),
        ("INCLUDE ItemID WHERE Items.A IN (5)", 34, "write texts in double quotes"),
        ('INCLUDE ItemID WHERE Items.A IN ("x" "y")', 38, "a comma separates"),
        ('INCLUDE ItemID WHERE Items.A IN ("x"', None, "write ) here"),
        ('INCLUDE ItemID WHERE Items.A = "x"', 32, "compare texts with IN"),
        ("INCLUDE ItemID WHERE Items.A < ", None, "write a number or a parameter"),
        ("INCLUDE ItemID WHERE Items.A < 1e999", 32, "below 1e308"),
        ("INCLUDE ItemID WHERE Items.A=1 Items.B=1", 32, "join conditions with AND or OR"),
        ("INCLUDE ItemID WHERE Items.A=1 |", None, "INCLUDE or EXCLUDE"),
        ("INCLUDE ItemID WHERE Items.A IN ('x')", 34, "double quotes"),
        ('INCLUDE ItemID WHERE Items.A IN ("x)', 34, 'close it with "'),
        ('INCLUDE ItemID WHERE Items.A IN ("\\n")', 34, "escape only"),
        ("INCLUDE ItemID WHERE Items.A = $", 32, "like $BRAND"),
        ("INCLUDE ItemID WHERE (Items.A=1)", 22, "write Items here"),
        ("INCLUDE ItemID WHERE Items.A ! 1", 30, "is not allowed here"),
    ],
)
def test_an_error_has_its_position_and_what_to_write(text: str, position: int | None, hint: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse(text)

    message = str(raised.value)
    assert f"at character {position}," in message if position else "at its end" in message
    assert hint in message


def test_the_length_is_limited() -> None:
    text = "INCLUDE ItemID WHERE Items.A=1"

    assert parse(text.ljust(MAX_CHARACTERS)).clauses
    with pytest.raises(InvalidRequest, match=r"has 2501 characters: the limit is 2500.*from character 2501 on"):
        parse(text.ljust(MAX_CHARACTERS + 1))


WORDS = ["INCLUDE", "EXCLUDE", "ItemID", "WHERE", "AND", "OR", "NOT", "IN", "Items", "Items.A", ".", "(", ")", ",", "|"]
WORDS += [
    "=",
    "<=",
    "5",
    "-1e3",
    '"x"',
    '"',
    "$P",
    "$",
    "*",
    "IF",
    "CurrentUser",
    "Interactions",
    "CurrentItem",
    "EVENT_TYPE",
    "!=",
    "\ud800",
    "\x00",
]
CLAUSE = "INCLUDE ItemID WHERE Items.A = 1 "


@given(st.sampled_from(["", CLAUSE]), st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12))
def test_any_text_is_parsed_or_refused(start: str, words: list[str]) -> None:
    try:
        message = ""
        assert parse(start + " ".join(words)).clauses
    except InvalidRequest as error:
        message = str(error)
    assert not message or message.endswith(".")
