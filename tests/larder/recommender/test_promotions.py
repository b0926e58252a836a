"""Promoted items: their places, their selection, and the filters that apply."""

from collections.abc import Callable

import pytest

from larder.errors import InvalidRequest
from larder.recommender import Promotion, Query, Reason, Recommender
from larder.recommender.rules.promotions import interleave, place_count

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"


def test_groups_are_interleaved_evenly_in_their_order() -> None:
    assert interleave(["abcdefghi", "X"]) == list("abcdeXfghi")
    assert interleave(["abcdef", "XY"]) == list("abXcdeYf")
    assert interleave(["ab", "XY", "Z"]) == list("aXZbY")
    assert interleave(["", "XY"]) == ["X", "Y"]
    assert interleave([]) == []


@pytest.mark.parametrize(("percent", "n", "expected"), [(10, 10, 1), (25, 10, 2), (1, 10, 1), (100, 7, 7), (50, 1, 1)])
def test_a_percentage_is_rounded_down_but_gives_one_place(percent: int, n: int, expected: int) -> None:
    assert place_count(percent, n) == expected


def test_promoted_items_take_their_places_best_first(shop: Recommender) -> None:
    promotion = Promotion("new", 50, items=("egg", KALE, "fig", "no such"))

    answer = shop.recommend(Query(user="ada", n=4, promotions=[promotion], session=["cherry"]))

    # egg 1 and fig 1/2 + 1/8 are promoted; apple 1/8 + 1/8 and kale 1/4 are next: equal, so by number
    assert answer.ids() == ["apple", "egg", KALE, "fig"]
    assert [item.score for item in answer.items] == [0.25, 1.0, 0.25, 0.625]
    assert [item.because.source for item in answer.items if item.because] == [
        "session",
        "promotion",
        "user",
        "promotion",
    ]
    assert answer.items[1].because == Reason("promotion", promotion="new")


def test_a_filter_promotes_items_without_a_score(open_shop: OpenShop) -> None:
    shop = open_shop(users={}, segments={"": [(0, 1.0), (1, 0.5)]})
    cheap = Promotion("cheap", 50, filter="INCLUDE ItemID WHERE Items.PRICE < $MAX", filter_values={"MAX": 2})

    answer = shop.recommend(Query(n=6, promotions=[cheap]))

    # of apple, egg and kale only the first has a score; the others are in the order of their numbers
    assert answer.ids() == ["apple", "bread", "egg", KALE]
    assert shop.recommend(Query(n=6, promotions=[cheap])) == answer


def test_a_filter_promotes_the_best_matching_items(shop: Recommender) -> None:
    cheap = Promotion("cheap", 50, filter="INCLUDE ItemID WHERE Items.PRICE < 4")

    answer = shop.recommend(Query(user="ada", n=4, promotions=[cheap]))

    promoted = [item.id for item in answer.items if item.because == Reason("promotion", promotion="cheap")]
    assert promoted == ["egg", "fig"]


def test_a_promotion_has_its_own_filter_and_obeys_the_releases_and_exclude(open_shop: OpenShop) -> None:
    shop = open_shop(rules=("EXCLUDE ItemID WHERE Items.PRICE > 3",))
    fruit = Promotion("fruit", 100, filter='INCLUDE ItemID WHERE Items.KIND IN ("fruit")')
    listed = Promotion("list", 100, items=("apple", "cherry", "fig", "egg", "bread"))

    for promotion in (fruit, listed):
        query = Query(
            n=9, promotions=[promotion], filter='INCLUDE ItemID WHERE Items.KIND IN ("herb")', session=["egg"]
        )
        answer = shop.recommend(query)
        promoted = {item.id for item in answer.items if item.because == Reason("promotion", promotion=promotion.name)}
        assert promoted == ({"apple", "fig"} if promotion is fruit else {"apple", "fig", "bread"})
    assert shop.recommend(Query(n=9, promotions=[fruit], exclude=["apple"], session=["fig"])).items[
        0
    ].because != Reason("promotion", promotion="fruit")


def test_promotions_share_the_places_without_duplicates(shop: Recommender) -> None:
    promotions = [Promotion("a", 50, items=("egg", "fig")), Promotion("b", 50, items=("egg", KALE))]

    answer = shop.recommend(Query(n=4, promotions=promotions))

    # "a" has egg and fig, so "b" has only kale, and one place is left for the most popular item
    assert answer.ids() == ["egg", "apple", KALE, "fig"]
    assert len(shop.recommend(Query(n=1, promotions=promotions)).items) == 1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"percent": 0}, "percent is 0: send a whole number from 1 to 100"),
        ({"percent": 101}, "percent is 101"),
        ({"items": ()}, "either items or a filter"),
        ({"filter": "x"}, "either items or a filter"),
        ({"name": ""}, "name has 0 characters"),
        ({"items": ("x",) * 501}, "501 entries: send at most 500"),
    ],
)
def test_an_invalid_promotion_is_refused(arguments: dict[str, object], hint: str) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        Promotion(**{"name": "a", "percent": 10, "items": ("x",), **arguments})  # type: ignore[arg-type]  # of any type


@pytest.mark.parametrize(
    ("percents", "hint"), [([60, 41], "take 101 percent in total"), ([1] * 6, "6 entries: send at most 5")]
)
def test_promotions_together_are_limited(percents: list[int], hint: str) -> None:
    promotions = [Promotion(f"p{k}", percent, items=("x",)) for k, percent in enumerate(percents)]

    with pytest.raises(InvalidRequest, match=hint):
        Query(promotions=promotions)


def test_promotions_have_distinct_names() -> None:
    with pytest.raises(InvalidRequest, match="a duplicate name"):
        Query(promotions=[Promotion("a", 1, items=("x",)), Promotion("a", 1, items=("y",))])
