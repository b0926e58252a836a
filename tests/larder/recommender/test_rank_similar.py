"""Ranked and similar items of the toy shop."""

from collections.abc import Callable

import pytest

from larder.errors import InvalidRequest, NotFound
from larder.recommender import Query, Reason, Recommender

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"


def test_rank_keeps_every_item_and_puts_unknown_ones_last(shop: Recommender) -> None:
    answer = shop.rank(
        Query(user="ada", columns=["PRICE"]), ["new", "cherry", "egg", KALE, "newer", "egg", "dill, fresh"]
    )

    assert [(item.id, item.score) for item in answer.items] == [
        ("egg", 1.0),
        ("egg", 1.0),
        (KALE, 0.25),
        ("cherry", 0.03125),
        ("dill, fresh", 0.015625),
        ("new", None),
        ("newer", None),
    ]
    assert answer.items[0].because == Reason("user", items=("bread",))
    assert answer.items[-1].because is None
    assert answer.items[-1].columns == {"PRICE": None}


def test_rank_keeps_the_order_of_items_with_equal_scores(shop: Recommender) -> None:
    answer = shop.rank(Query(), [KALE, "egg", "fig", "apple"])

    assert answer.ids() == ["apple", KALE, "egg", "fig"]
    assert [item.because for item in answer.items[1:]] == [None, None, None]


def test_rank_scores_session_items_by_the_formula(shop: Recommender) -> None:
    assert shop.rank(Query(session=["bread"]), ["bread", "apple"]).ids() == ["apple", "bread"]


@pytest.mark.parametrize("items", [[], ["x"] * 501, ["x" * 257], [""]])
def test_rank_takes_1_to_500_ids(shop: Recommender, items: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        shop.rank(Query(), items)


def test_similar_returns_the_neighbour_row(shop: Recommender) -> None:
    answer = shop.similar(Query(item="apple", n=2, columns=["KIND"]))

    assert [(item.id, item.score) for item in answer.items] == [("bread", 0.5), ("cherry", 0.25)]
    assert answer.items[0].because == Reason("item", items=("apple",))
    assert answer.items[0].columns == {"KIND": "grain"}
    assert shop.similar(Query(item="cherry")).ids() == ["apple", "fig"]  # equal scores: by number
    assert shop.similar(Query(item=KALE)).ids() == []


def test_similar_obeys_filter_and_exclude(shop: Recommender) -> None:
    priced = Query(item="apple", filter="EXCLUDE ItemID WHERE Items.PRICE > 3", exclude=["bread"])

    assert shop.similar(priced).ids() == ["dill, fresh"]


@pytest.mark.parametrize("item", ["no such item", None])
def test_similar_to_an_unknown_item_is_not_found(shop: Recommender, item: str | None) -> None:
    with pytest.raises(NotFound, match="use an id"):
        shop.similar(Query(item=item))


def test_a_filter_of_a_ranking_leaves_out_other_and_unknown_items(shop: Recommender) -> None:
    query = Query(user="ada", filter='INCLUDE ItemID WHERE Items.KIND IN ("fruit", "fish")')
    answer = shop.rank(query, ["new", "egg", "apple", "fig", "cherry"])

    assert answer.ids() == ["fig", "apple", "cherry"]
    assert ["fish" in warning for warning in answer.warnings] == [True, False]
    assert "such as 'new'" in answer.warnings[1]


def test_a_response_has_the_scores_of_all_items(shop: Recommender) -> None:
    query = Query(user="ada", n=1)
    totals = shop.recommend(query).totals

    assert totals == shop.rank(query, ["apple"]).totals
    assert [(item.id, item.score) for item in shop.recommend(query).items] == [("egg", max(totals.values()))]
