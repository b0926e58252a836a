"""Exploration of new items: which ones, how many, at which places, and that pages agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

from larder.events.base import LiveItem
from larder.recommender import Exploration, Live, LiveCatalogue, LiveEvent, Page, Pin, Promotion, Query, Recommender
from larder.recommender.new_items.exploration import MAX_DRAWN, Drawn

OpenShop = Callable[..., Recommender]
NEW = [f"new{k}" for k in range(10)]
NOTHING: Mapping[str, tuple[int, int]] = {}


@pytest.fixture
def grown(shop: Recommender) -> Recommender:
    """The toy shop with ten new items that are like no other."""
    put = [
        LiveItem(item, {"KIND": "fruit" if place % 2 else "grain"}, 1000.0 + place) for place, item in enumerate(NEW)
    ]
    return shop.extended(LiveCatalogue(shop.items, shop.content).updated(put))


def exploring(
    shop: Recommender,
    weight: float,
    seed: str = "s",
    shown: Mapping[str, tuple[int, int]] = NOTHING,
    rate: float = 0.05,
    **live: object,
) -> Live:
    return Live(exploration=Exploration(weight, shop.new_since(0.0), seed, shown, rate), **live)  # type: ignore[arg-type]  # fields of Live


def explored(shop: Recommender, query: Query) -> list[str]:
    items = shop.recommend(query).items
    return [item.id for item in items if item.because and item.because.source == "exploration"]


def test_new_items_have_their_share_of_the_places_and_say_why(grown: Recommender) -> None:
    without = grown.recommend(Query(user="ada", n=4))
    answer = grown.recommend(Query(user="ada", n=4, live=exploring(grown, 0.5)))

    new = [item for item in answer.items if item.id in NEW]
    assert len(new) == 2
    assert [item.because.document() for item in new if item.because] == [{"source": "exploration"}] * 2
    assert [item.id for item in answer.items if item.id not in NEW] == without.ids()[:2]
    assert answer.items[0].id == without.ids()[0]


def test_the_share_holds_on_average_where_it_is_less_than_a_place(grown: Recommender) -> None:
    counts = [len(explored(grown, Query(n=3, live=exploring(grown, 0.1, f"seed {k}")))) for k in range(400)]

    assert set(counts) == {0, 1}
    assert sum(counts) / 400 == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.35, 1.0])
def test_pages_have_together_what_one_list_has(weight: float) -> None:
    drawn = Drawn(range(100), weight, 0.4)

    assert sum(drawn.places(first, 7) for first in range(0, 70, 7)) == drawn.places(0, 70)
    assert all(0 <= drawn.places(first, 5) <= 5 for first in range(50))


def test_all_pages_of_a_list_agree(grown: Recommender) -> None:
    live = exploring(grown, 0.5)
    pages = [grown.recommend(Query(n=2, page=Page((2,) * k), live=live)) for k in range(10)]

    ids = [item for page in pages for item in page.ids()]
    assert len(ids) == len(set(ids))
    assert set(NEW) < set(ids)
    assert explored(grown, Query(n=6, live=live)) == [item for page in pages[:3] for item in page.ids() if item in NEW]
    other = [grown.recommend(Query(n=2, page=Page((2,) * k), live=exploring(grown, 0.5, "t"))) for k in range(3)]
    assert [page.ids() for page in other] != [page.ids() for page in pages[:3]]


def test_without_new_items_or_weight_the_answer_is_the_same(shop: Recommender, grown: Recommender) -> None:
    without = shop.recommend(Query(user="ada")).items
    assert shop.recommend(Query(user="ada", live=exploring(shop, 0.5))).items == without
    assert grown.recommend(Query(user="ada", live=exploring(grown, 0.0))).items == without


def test_every_place_may_be_for_new_items(grown: Recommender) -> None:
    answer = grown.recommend(Query(user="ada", n=12, live=exploring(grown, 1.0)))
    assert set(NEW) < set(answer.ids())
    assert len(answer.ids()) == 12


def test_rules_apply_to_new_items(grown: Recommender) -> None:
    seen = Live([LiveEvent("new1", "purchase", 1.0)], hidden=frozenset({"purchase"}))
    live = exploring(grown, 1.0, events=seen.events, hidden=seen.hidden)
    fruit = 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")'
    query = Query(n=10, live=live, filter=fruit, exclude=["new3"])
    assert sorted(explored(grown, query)) == ["new5", "new7", "new9"]

    capped = grown.recommend(Query(n=6, live=live, max_per={"KIND": 1}, columns=["KIND"]))
    kinds = [item.columns["KIND"] for item in capped.items if item.columns and item.columns["KIND"]]
    assert len(kinds) == len(set(kinds))


def test_pins_and_promotions_keep_their_places(grown: Recommender) -> None:
    query = Query(
        n=4, live=exploring(grown, 1.0), pins=[Pin(1, "egg")], promotions=[Promotion("p", 50, items=("fig", "apple"))]
    )
    answer = grown.recommend(query)

    assert answer.ids()[0] == "egg"
    assert {"fig", "apple"} < set(answer.ids())
    assert len(explored(grown, query)) == 1


def firsts(shop: Recommender, shown: Mapping[str, tuple[int, int]], tries: int = 1000) -> Counter[str]:
    return Counter(explored(shop, Query(n=1, live=exploring(shop, 1.0, f"{k}", shown)))[0] for k in range(tries))


def test_what_is_unknown_is_tried_and_what_was_shown_in_vain_is_not(grown: Recommender) -> None:
    # GIVEN items of which one earned clicks, one was shown in vain, and eight are unknown
    shown = {"new0": (400, 80), "new1": (400, 0)}

    counts = firsts(grown, shown)

    # THEN the good one comes most, the useless one hardly, and the unknown ones in between, each about as often
    assert counts["new0"] == max(counts.values())
    assert counts["new1"] < 10
    unknown = [counts[item] for item in NEW[2:]]
    assert min(unknown) > 10
    assert max(unknown) < 3 * min(unknown)


def test_among_unknown_items_each_has_the_same_chance(grown: Recommender) -> None:
    counts = firsts(grown, NOTHING)
    assert sorted(counts) == sorted(NEW)
    assert max(counts.values()) < 1.5 * 100


def test_more_clicks_than_answers_are_no_error(grown: Recommender) -> None:
    assert firsts(grown, {"new0": (1, 50)}, 20)["new0"] == 20


def test_of_very_many_items_a_random_choice_takes_part() -> None:
    def order(seed: str) -> Sequence[int]:
        return Exploration(0.5, range(5 * MAX_DRAWN), seed, {}, 0.05).draw(str).numbers

    assert len(set(order("a"))) == MAX_DRAWN
    assert order("a") == order("a")
    assert len({number for k in range(40) for number in order(f"{k}")}) > 4.9 * MAX_DRAWN


def test_an_item_is_new_by_its_creation_or_else_since_it_was_put(open_shop: OpenShop) -> None:
    created = ("number", [1.0, 2000.0, None, 5000.0, 3000.0, None, 0.0])
    shop = open_shop(columns={"CREATION_TIMESTAMP": created})
    put = [
        LiveItem("old", {"CREATION_TIMESTAMP": 1500.0}, 9000.0),
        LiveItem("young", {"CREATION_TIMESTAMP": 4000.0}, 1.0),
        LiveItem("put", {}, 2500.0),
    ]
    grown = shop.extended(LiveCatalogue(shop.items, shop.content).updated(put))

    def names(since: float) -> list[str]:
        query = Query(n=10, live=Live(exploration=Exploration(1.0, grown.new_since(since), "s", {}, 0.05)))
        return sorted(explored(grown, query))

    assert names(2000.0) == ["bread", "dill, fresh", "egg", "put", "young"]
    assert names(2500.1) == ["dill, fresh", "egg", "young"]
    assert list(shop.new_since(5000.1)) == []


def test_a_release_without_times_of_creation_has_no_new_items(shop: Recommender) -> None:
    assert list(shop.new_since(0.0)) == []
