"""Filters that ask about the request: what they refuse, and what they warn of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from larder.errors import InvalidRequest
from larder.filters import NO_CONTEXT, Context, Value, compile_filter, parse
from larder.tables.vocabulary import Vocabulary

CONTEXT = Context(
    event_types=("Click", "buy"),
    history=lambda: {"Click": {0, 1}, "buy": {1, 2}},
    user_columns={"AGE": "number", "CITY": "category"},
    user_value=lambda column: 30.0 if column == "AGE" else "Bonn|Ulm",
    stores_profiles=True,
    has_item=True,
    item=1,  # red|blue, size M, 12.5
)


def passing(
    items: Vocabulary, text: str, context: Context = CONTEXT, values: Mapping[str, Value] | None = None
) -> list[int]:
    holds = compile_filter(parse(text), items, values or {}, context).holds
    return [number for number in range(len(items)) if holds(number)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('Interactions.EVENT_TYPE IN ("Click")', [0, 1]),
        ('Interactions.EVENT_TYPE IN ("cLICK")', [0, 1]),  # only event types are compared without case
        ('Interactions.EVENT_TYPE IN ("click", "BUY")', [0, 1, 2]),
        ("Interactions.EVENT_TYPE IN (*)", [0, 1, 2]),
        ('Interactions.EVENT_TYPE IN ("*")', [0, 1, 2]),
        ('Interactions.EVENT_TYPE NOT IN ("buy")', [0, 3, 4, 5]),
        ('Interactions.EVENT_TYPE NOT IN ("*")', [3, 4, 5]),
        ('Interactions.EVENT_TYPE IN ("click") AND Interactions.EVENT_TYPE NOT IN ("buy")', [0]),
        ("Items.COLOR IN CurrentItem.COLOR", [0, 1, 4]),
        ("Items.COLOR NOT IN CurrentItem.COLOR", [2, 3, 5]),
        ('Items.COLOR IN (CurrentItem.COLOR, "Blue")', [0, 1, 3, 4]),
        ("Items.PRICE < CurrentItem.PRICE", [0, 3, 4]),
        ("Items.PRICE != CurrentItem.PRICE", [0, 3, 4, 5]),  # no comparison holds for an item without a price
        ("Items.PRICE >= CurrentItem.PRICE AND Items.SIZE IN CurrentItem.SIZE", [1, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.AGE > 29', [1, 2, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.AGE > 30', [0, 1, 2, 3, 4, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.AGE >= 30 AND CurrentUser.CITY IN ("Ulm")', [1, 2, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.AGE >= 30 AND CurrentUser.CITY IN ("ulm")', [0, 1, 2, 3, 4, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.CITY = "Bonn"', [1, 2, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.CITY != "Bonn"', [0, 1, 2, 3, 4, 5]),
        ('Items.SIZE IN ("M") IF CurrentUser.CITY NOT IN ("Rom")', [1, 2, 5]),
        ('Interactions.EVENT_TYPE IN ("buy") IF CurrentUser.AGE = 30', [1, 2]),
    ],
)
def test_a_condition_on_the_request_passes_these_items(items: Vocabulary, condition: str, expected: list[int]) -> None:
    assert passing(items, f"INCLUDE ItemID WHERE {condition}") == expected


def test_an_exclude_clause_whose_condition_on_the_user_fails_removes_nothing(items: Vocabulary) -> None:
    text = 'EXCLUDE ItemID WHERE Items.SIZE IN ("M") IF CurrentUser.AGE < $AGE'

    assert passing(items, text, values={"AGE": 30}) == [0, 1, 2, 3, 4, 5]
    assert passing(items, text, values={"AGE": "31"}) == [0, 3, 4]


def test_parameters_hold_event_types(items: Vocabulary) -> None:
    text = "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($E)"

    assert passing(items, text, values={"E": ("CLICK", "buy")}) == [3, 4, 5]
    assert passing(items, text, values={"E": "*"}) == [3, 4, 5]
    assert passing(items, text) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("condition", "changes", "hint"),
    [
        ('Interactions.EVENT_TYPE IN ("a")', {"event_types": None}, "character 22.*train the model again"),
        ("Items.PRICE < CurrentItem.PRICE", {"has_item": False, "item": None}, r"character 22.*\(item\)"),
        ("Items.COLOR IN CurrentItem.COLOR", {"has_item": False, "item": None}, "needs an item in view"),
        ("Items.PRICE < CurrentItem.COLOR", {}, "PRICE is a number, but COLOR of the item in view is a category"),
        ("Items.COLOR IN CurrentItem.PRICE", {}, "COLOR is a category, but PRICE of the item in view is a number"),
        ("Items.PRICE < CurrentItem.NO", {}, "no column NO; they have Items.COLOR"),
        (
            "Items.PRICE = 1 IF CurrentUser.NO = 1",
            {},
            "41.*no column NO; they have CurrentUser.AGE",
        ),
        ('Items.PRICE = 1 IF CurrentUser.AGE IN ("1")', {}, "AGE is a number; compare it"),
        ('Items.PRICE = 1 IF CurrentUser.AGE = "x"', {}, "AGE is a number; compare it with a number"),
        ("Items.PRICE = 1 IF CurrentUser.CITY > 1", {}, "CITY is a category; match it with =, != or IN"),
        ("Items.PRICE = 1 IF CurrentUser.CITY = 1", {}, "CITY is a category; match it with =, != or IN"),
        (
            "Items.PRICE = 1 IF CurrentUser.AGE = 1",
            {"user_value": lambda _: None, "stores_profiles": False},
            "character 41.*send it as profile.AGE",
        ),
    ],
)
def test_what_the_request_or_release_lacks_is_refused(
    items: Vocabulary, condition: str, changes: dict[str, Any], hint: str
) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        passing(items, f"INCLUDE ItemID WHERE {condition}", replace(CONTEXT, **changes))


@pytest.mark.parametrize(
    ("condition", "changes", "warning"),
    [
        (
            'Interactions.EVENT_TYPE IN ("by")',
            {},
            "No event of this model has the type 'by'; its types are Click, buy.",
        ),
        (
            "Interactions.EVENT_TYPE IN (*)",
            {"history": None},
            "Interactions matches no item: the request has no user. Send one.",
        ),
        (
            "Items.PRICE < CurrentItem.PRICE",
            {"item": None},
            "The item in view has no value in CurrentItem.PRICE.",
        ),
        (
            "Items.PRICE < 1 IF CurrentUser.AGE > 1",
            {"user_value": lambda _: None},
            "The user has no value in CurrentUser.AGE: send it as profile.AGE.",
        ),
    ],
)
def test_a_condition_that_can_have_no_effect_is_reported(
    items: Vocabulary, condition: str, changes: dict[str, Any], warning: str
) -> None:
    compiled = compile_filter(parse(f"INCLUDE ItemID WHERE {condition}"), items, {}, replace(CONTEXT, **changes))

    assert compiled.warnings == (warning,)


def test_interactions_match_nothing_without_a_user(items: Vocabulary) -> None:
    without_user = replace(CONTEXT, history=None)

    assert passing(items, "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)", without_user) == []
    assert passing(items, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)", without_user) == [0, 1, 2, 3, 4, 5]


def test_the_history_is_read_only_by_a_filter_that_asks_for_it(items: Vocabulary) -> None:
    reads: list[str] = []

    def read() -> Mapping[str, set[int]]:
        reads.append("read")
        return {}

    context = replace(CONTEXT, history=read)

    passing(items, "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE IF CurrentUser.AGE = 1", context)
    assert reads == []
    passing(items, "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)", context)
    assert reads == ["read"]


def test_a_filter_without_a_context_is_one_of_items() -> None:
    assert (NO_CONTEXT.event_types, NO_CONTEXT.history, NO_CONTEXT.has_item) == (None, None, False)
