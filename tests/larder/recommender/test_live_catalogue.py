"""Items that were put since the training take part in every answer, by hand-computed scores."""

from collections.abc import Callable

import pytest

from larder.errors import InvalidRequest, NotFound
from larder.events.base import LiveItem
from larder.recommender import Boost, LiveCatalogue, Pin, Promotion, Query, Reason, Recommender
from larder.recommender.new_items.live_catalogue import MAX_NEW
from larder.release.serving import ContentSpec

OpenShop = Callable[..., Recommender]
CONTENT = ContentSpec(factor=0.25, own=1.0, weights={})
# Half like fig, and so much like apple that the weights are 3 to 1; half the factor counts, 0.25 ** (1 - 0.5).
LIKE_FIG = (("apple", 0.5 * (1 / 3) ** (1 / 32)), ("fig", 0.5))
GUAVA = LiveItem("guava", {"KIND": "fruit|new", "PRICE": 0.5, "OTHER": "x"}, 100.0, LIKE_FIG)
HAZEL = LiveItem("hazel", {"KIND": "nut", "PRICE": "cheap"}, 200.0)


def extended(shop: Recommender, *items: LiveItem) -> Recommender:
    """The shop with items that were put."""
    return shop.extended(LiveCatalogue(shop.items, CONTENT).updated(items))


def test_a_new_item_has_the_scores_of_its_neighbours(shop: Recommender) -> None:
    # GIVEN the toy shop, where fig scores 1/2 for ada, and apple 1/8 by the popular items
    plain = {item.id: item.score for item in shop.recommend(Query(user="ada", n=7, include_seen=True)).items}
    # WHEN an item is put that resembles them
    answer = extended(shop, GUAVA).recommend(Query(user="ada", n=8, include_seen=True))
    # THEN its score is half of (1/4 of apple's + 3/4 of fig's), and no other score has changed
    scores = {item.id: item.score for item in answer.items}
    assert scores.pop("guava") == pytest.approx(0.5 * (0.25 * 0.125 + 0.75 * 0.5))
    assert scores == plain
    # AND its reason names them, the one that contributes most first
    reasons = {item.id: item.because for item in answer.items}
    assert reasons["guava"] == Reason("content", items=("fig", "apple"))
    assert reasons["egg"] is not None
    assert reasons["egg"].source == "user"


def test_what_was_just_seen_scores_the_items_that_resemble_it(shop: Recommender) -> None:
    # fig is the session's newest: 1/2 * (1 * weight of the session 1/2 * 3/4), and apple, popular, adds 1/2 * 1/4 * 1/8
    answer = extended(shop, GUAVA).recommend(Query(session=["fig"], n=8))

    scores = {item.id: item.score for item in answer.items}
    assert scores["guava"] == pytest.approx(0.5 * (0.75 * 0.5 + 0.25 * 0.125))
    assert "fig" not in answer.ids()


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_twin_scores_as_the_item_whose_columns_it_has(shop: Recommender, factor: float) -> None:
    # GIVEN a twin of egg that is also a little like kale, which scores less, and like apple, which has no row for ada
    twin = LiveItem("twin", {}, 100.0, (("egg", 1.0), ("Grünkohl 🥬", 0.7), ("apple", 0.6)))
    catalogue = LiveCatalogue(shop.items, ContentSpec(factor, own=1.0, weights={})).updated([twin])
    # WHEN ada gets recommendations THEN the twin is the second, right behind egg
    answer = shop.extended(catalogue).recommend(Query(user="ada"))
    assert answer.ids()[:2] == ["egg", "twin"]
    assert answer.items[1].score == pytest.approx(answer.items[0].score, rel=0.01)


def test_of_what_is_less_alike_less_is_known(shop: Recommender) -> None:
    near, far = (LiveItem(f"{s}", {}, 100.0, (("egg", s),)) for s in (0.75, 0.25))
    scores = {item.id: item.score for item in extended(shop, near, far).recommend(Query(user="ada")).items}
    assert scores["0.75"] == pytest.approx(0.25**0.25 * scores["egg"])
    assert scores["0.25"] == pytest.approx(0.25**0.75 * scores["egg"])


def test_neighbours_that_a_newer_release_lacks_cost_nothing(shop: Recommender) -> None:
    alone, with_lost = (
        LiveItem(f"{len(near)}", {}, 100.0, near) for near in ((("egg", 0.5),), (("egg", 0.5), ("x", 0.5)))
    )
    scores = {item.id: item.score for item in extended(shop, alone, with_lost).recommend(Query(user="ada")).items}
    assert scores["1"] == scores["2"]


def test_a_new_item_in_the_session_counts_as_its_nearest(shop: Recommender) -> None:
    live = extended(shop, GUAVA, HAZEL)

    answer = live.recommend(Query(session=["hazel", "guava"], n=8))

    by_fig = shop.recommend(Query(session=["fig"], n=8, include_seen=True))
    scores = {item.id: item.score for item in answer.items}
    assert {name: scores[name] for name in ("egg", "cherry")} == {
        item.id: item.score for item in by_fig.items if item.id in ("egg", "cherry")
    }
    assert answer.unknown is not None
    assert answer.unknown.document() == {}
    assert not {"guava", "hazel"} & set(answer.ids())


@pytest.mark.parametrize(
    ("rule", "passing"),
    [
        ('INCLUDE ItemID WHERE Items.KIND IN ("new")', {"guava"}),
        ("INCLUDE ItemID WHERE Items.PRICE < 0.6", {"egg", "guava"}),
        ('EXCLUDE ItemID WHERE Items.KIND IN ("fruit", "grain", "herb", "cabbage")', {"egg"}),
    ],
)
def test_filters_see_new_items(shop: Recommender, rule: str, passing: set[str]) -> None:
    answer = extended(shop, GUAVA).recommend(Query(user="ada", n=8, filter=rule))

    assert set(answer.ids()) == passing
    assert not answer.warnings


def test_caps_boosts_pins_promotions_and_columns_see_new_items(shop: Recommender) -> None:
    live = extended(shop, GUAVA, HAZEL)
    new = 'INCLUDE ItemID WHERE Items.KIND IN ("new", "nut")'

    boosted = live.recommend(Query(user="ada", n=3, boosts=[Boost(new, 100.0)], columns=["KIND", "PRICE"]))
    assert boosted.ids()[0] == "guava"
    assert boosted.items[0].columns == {"KIND": "fruit|new", "PRICE": 0.5}
    assert boosted.items[0].because == Reason("content", items=("fig", "apple"), boost=100.0)
    capped = live.recommend(Query(user="ada", n=7, max_per={"KIND": 1}))
    assert "guava" not in capped.ids()
    assert live.recommend(Query(user="ada", pins=[Pin(1, "hazel")])).ids()[0] == "hazel"
    promoted = live.recommend(Query(user="ada", n=4, promotions=[Promotion("new", 50, filter=new)]))
    assert {"guava", "hazel"} <= set(promoted.ids())


def test_ranked_and_similar_items_may_be_new(shop: Recommender) -> None:
    live = extended(shop, GUAVA, HAZEL)

    assert live.rank(Query(user="ada"), ["hazel", "guava", "egg", "vase"]).ids() == ["egg", "guava", "hazel", "vase"]
    assert live.similar(Query(item="guava", n=9)).ids() == shop.similar(Query(item="fig", n=9)).ids()
    assert "guava" in live.similar(Query(item="fig", n=9)).ids()
    with pytest.raises(NotFound):
        live.similar(Query(item="hazel"))
    with pytest.raises(InvalidRequest, match="OTHER"):
        live.recommend(Query(columns=["OTHER"]))


def test_columns_of_a_known_item_are_replaced(shop: Recommender) -> None:
    live = extended(shop, LiveItem("bread", {"PRICE": 9.5}, 100.0))

    items = {item.id: item.columns for item in live.recommend(Query(n=7, columns=["KIND", "PRICE"])).items}

    assert items["bread"] == {"KIND": "grain", "PRICE": 9.5}
    assert len(items) == 4
    assert "bread" not in live.recommend(Query(n=7, filter="EXCLUDE ItemID WHERE Items.PRICE > 9")).ids()


def test_an_item_that_is_put_again_is_replaced_and_the_oldest_are_left_out(shop: Recommender) -> None:
    # GIVEN more new items than take part
    catalogue = LiveCatalogue(shop.items, CONTENT).updated(
        LiveItem(f"new-{number}", {}, float(number), (("fig", 1.0),)) for number in range(MAX_NEW + 3)
    )
    assert catalogue.number("new-2") is None
    assert catalogue.number("new-3") == len(shop.items)
    # WHEN one of them is put again
    again = catalogue.updated([LiveItem("new-5", {"PRICE": 3.0}, 1e9, (("egg", 1.0),))])
    # THEN it has the new columns and neighbours, and is the last to be left out
    number = again.number("new-5")
    assert number == len(again) - 1 == len(catalogue) - 1
    assert again.value("PRICE", number) == 3.0
    assert [again.base.id(neighbour) for neighbour, _ in again.new[-1].neighbours] == ["egg"]
