"""Expressions of each rule of Amazon Personalize's guide parse, and mean what the rule says."""

import pytest

from larder.filters import Comparison, ItemInView, Membership, Parameter, parse

EXAMPLES = [
    # What the user did.
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click", "stream")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($FIRST, $SECOND, "purchase")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)",
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("purchase")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("*")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view") AND Interactions.EVENT_TYPE NOT IN ("purchase")',
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view") OR Interactions.EVENT_TYPE IN ("share")',
    # Categories and texts of items.
    'INCLUDE ItemID WHERE Items.GENRE IN ("drama")',
    'INCLUDE ItemID WHERE Items.GENRE IN ("drama", "comedy", "horror")',
    "EXCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY)",
    'EXCLUDE ItemID WHERE Items.LEVEL_1 IN ("boots") AND Items.LEVEL_2 NOT IN ("rubber")',
    'EXCLUDE ItemID WHERE Items.STUDIO NOT IN ("Alder", "Birch")',
    'INCLUDE ItemID WHERE Items.COLOR IN ("red") OR Items.COLOR IN ("green") AND Items.SIZE IN ("L")',
    # Numbers and times of items.
    "INCLUDE ItemID WHERE Items.DOWNLOADS < 20",
    "INCLUDE ItemID WHERE Items.PRICE <= $PRICE",
    "INCLUDE ItemID WHERE Items.PRICE > ($PRICE)",
    "EXCLUDE ItemID WHERE Items.PRICE >= 99.5",
    "INCLUDE ItemID WHERE Items.STOCK != 0",
    "INCLUDE ItemID WHERE Items.SEASON = 4",
    "INCLUDE ItemID WHERE Items.TEMPERATURE > -12.5",
    "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > 1700000000",
    "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $DATE",
    "INCLUDE ItemID WHERE Items.PRICE > 10 AND Items.PRICE < 20",
    # The item in view.
    "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE",
    "INCLUDE ItemID WHERE Items.GENRE IN (CurrentItem.GENRE)",
    "EXCLUDE ItemID WHERE Items.BRAND NOT IN CurrentItem.BRAND",
    "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE",
    "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE AND Items.GENRE IN CurrentItem.GENRE",
    "INCLUDE ItemID WHERE Items.PRICE >= CurrentItem.PRICE AND Items.CREATION_TIMESTAMP > $DATE",
    # The user.
    "EXCLUDE ItemID WHERE Items.DOWNLOADS < 20 IF CurrentUser.AGE > 17 AND CurrentUser.AGE < 30",
    'INCLUDE ItemID WHERE Items.CATEGORY IN ("watch") AND Items.STYLE IN ("plain") IF CurrentUser.AGE > 18',
    "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) IF CurrentUser.AGE = $AGE",
    'EXCLUDE ItemID WHERE Items.RATING IN ("adult") IF CurrentUser.AGE < 18',
    'INCLUDE ItemID WHERE Items.TIER IN ("gold") IF CurrentUser.MEMBERSHIP IN ("gold", "silver")',
    'EXCLUDE ItemID WHERE Items.TIER IN ("gold") IF CurrentUser.MEMBERSHIP NOT IN ($PAID)',
    "INCLUDE ItemID WHERE Items.VALUE < ($VALUE) IF CurrentUser.MEMBERSHIP = $PREMIUM",
    'INCLUDE ItemID WHERE Items.SEX IN ("all") IF CurrentUser.SEX != "F" AND CurrentUser.CITY IN ("Bonn")',
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch") IF CurrentUser.AGE > 17',
    # Chains.
    'INCLUDE ItemID WHERE Items.GENRE IN ("drama") | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
    "INCLUDE ItemID WHERE Items.A IN ($A) | INCLUDE ItemID WHERE Items.B IN ($B) | EXCLUDE ItemID WHERE Items.C = 1",
    'EXCLUDE ItemID WHERE Items.A = 1 IF CurrentUser.B = 2 | INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    'INCLUDE ItemID WHERE Items.A IN ("x")|EXCLUDE ItemID WHERE Items.A IN ("y")|EXCLUDE ItemID WHERE Items.Z>1',
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_expression_of_the_guides_rules_parses(text: str) -> None:
    assert len(parse(text).clauses) == text.count("|") + 1


def test_there_are_at_least_forty_different_examples() -> None:
    assert len(set(EXAMPLES)) >= 40


def test_a_clause_has_its_conditions_on_interactions_and_on_the_user() -> None:
    text = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("a", $E, *) '
    text += "IF CurrentUser.AGE <= 5 AND CurrentUser.X IN ($E)"

    clause = parse(text).clauses[0]

    done = Membership("EVENT_TYPE", True, ("a", Parameter("E"), "*"), 22, "Interactions")
    assert clause.alternatives == ((done,),)
    age = Comparison("AGE", "<=", 5.0, text.index("CurrentUser") + 1, "CurrentUser")
    membership = Membership("X", False, (Parameter("E"),), text.index("CurrentUser.X") + 1, "CurrentUser")
    assert clause.users == (age, membership)
    assert list(clause.parameters()) == ["E", "E"]


def test_the_item_in_view_is_an_operand() -> None:
    text = 'INCLUDE ItemID WHERE Items.A IN (CurrentItem."b c", "x") AND Items.P < (CurrentItem.P)'

    listed, compared = parse(text).clauses[0].alternatives[0]

    assert listed == Membership("A", False, (ItemInView("b c"), "x"), 22)
    assert compared == Comparison("P", "<", ItemInView("P"), text.index("Items.P") + 1)


@pytest.mark.parametrize(
    ("text", "depends"),
    [
        ("INCLUDE ItemID WHERE Items.A = 1", False),
        ("INCLUDE ItemID WHERE Items.A = $P", False),
        ("INCLUDE ItemID WHERE Items.A < CurrentItem.A", True),
        ("INCLUDE ItemID WHERE Items.A = 1 IF CurrentUser.B = 1", True),
        ("INCLUDE ItemID WHERE Items.A = 1 | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)", True),
    ],
)
def test_a_filter_knows_whether_it_asks_about_the_request(text: str, depends: bool) -> None:
    assert parse(text).depends_on_request is depends
