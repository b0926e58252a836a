"""Trending items of the toy shop, by significances that the test states."""

from collections.abc import Callable

import pytest

from larder.errors import InvalidRequest
from larder.events.base import LiveItem
from larder.recommender import (
    TRENDING,
    Boost,
    Live,
    LiveCatalogue,
    LiveEvent,
    Page,
    Pin,
    Query,
    Reason,
    Recommender,
    read_query,
)

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"
RISING = [("fig", 9.0), ("egg", 4.0), ("gone", 3.5), (KALE, 3.0), ("bread", 2.5)]
TREND = Reason("trending")


def test_known_items_come_in_the_order_of_their_significance(shop: Recommender) -> None:
    answer = shop.trending(Query(n=3, columns=["KIND"]), RISING)

    assert [(item.id, item.score, item.because) for item in answer.items] == [
        ("fig", 9.0, TREND),
        ("egg", 4.0, TREND),
        (KALE, 3.0, TREND),
    ]
    assert answer.items[0].columns == {"KIND": "fruit"}
    assert answer.document()["items"][0]["because"] == {"source": "trending"}  # type: ignore[index]  # a list of objects
    assert shop.trending(Query(), []).items == ()


def test_filters_exclusions_and_hidden_types_apply(shop: Recommender) -> None:
    live = Live([LiveEvent("egg", "purchase", 1.0)], hidden=frozenset({"purchase"}))
    assert shop.trending(Query(user="ada", live=live), RISING).ids() == ["fig", KALE, "bread"]
    assert shop.trending(Query(exclude=["fig"]), RISING).ids() == ["egg", KALE, "bread"]
    text = 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")'
    assert shop.trending(Query(filter=text), RISING).ids() == ["fig"]


def test_a_seen_item_may_trend(shop: Recommender) -> None:
    live = Live([LiveEvent("egg", "click", 1.0)])
    assert "egg" in shop.trending(Query(live=live), RISING).ids()


def test_boosts_pins_and_caps_apply(shop: Recommender) -> None:
    boost = Boost('INCLUDE ItemID WHERE Items.KIND IN ("fruit")', 0.1)
    answer = shop.trending(Query(boosts=[boost], pins=[Pin(1, "apple")]), RISING)

    assert answer.ids() == ["apple", "egg", KALE, "bread", "fig"]
    assert answer.items[-1].because == TREND._replace(boost=0.1)
    assert answer.items[-1].because.document() == {"source": "trending", "boost": 0.1}
    values = {item.id: item.columns for item in shop.trending(Query(columns=["KIND"]), RISING).items}
    capped = shop.trending(Query(max_per={"KIND": 1}), RISING).ids()
    kinds = [values[item]["KIND"] for item in capped if values[item]]  # type: ignore[index]  # not None
    assert len(kinds) == len(set(kinds))
    assert capped[0] == "fig"


def test_pages_are_of_one_list(shop: Recommender) -> None:
    first = shop.trending(Query(n=3, page=Page()), RISING)
    second = shop.trending(Query(n=3, page=Page((3,))), RISING)

    assert [*first.ids(), *second.ids()] == ["fig", "egg", KALE, "bread"]
    assert (first.more, second.more) == (True, False)


def test_an_item_that_was_put_may_trend(shop: Recommender) -> None:
    put = LiveItem("plum", {"KIND": "fruit"}, 1.0)
    live = shop.extended(LiveCatalogue(shop.items, shop.content).updated([put]))

    assert live.trending(Query(n=2), [("plum", 9.5), *RISING]).ids() == ["plum", "fig"]
    assert live.trending(Query(n=1), [("plum", 9.5)]).items[0].because == TREND


@pytest.mark.parametrize("name", ["session", "item", "include_seen", "promotions"])
def test_what_has_no_effect_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{name}: is not a field here"):
        read_query({name: ["x"]}, TRENDING)
