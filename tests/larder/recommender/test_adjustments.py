"""Caps, boosts, pins and pages of a list."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.recommender import (
    RECOMMEND,
    SIMILAR,
    Boost,
    Page,
    Pin,
    Promotion,
    Query,
    Recommender,
    read_parameters,
    read_query,
)
from larder.recommender.adjustments import MAX_LIST

OpenShop = Callable[..., Recommender]
BRANDS = ["x", "y", "x", "x|y", None, "z", "x", "y", "z", "z", "x", None]
IDS = [f"i{number:02}" for number in range(len(BRANDS))]


@pytest.fixture(scope="module")
def ranked(open_shop: OpenShop) -> Recommender:
    """A shop whose user ``u`` gets i00, i01, ... in this order, with scores from 12/16 down by 1/16."""
    count = len(IDS)
    return open_shop(
        ids=IDS,
        columns={"BRAND": ("category", BRANDS), "PRICE": ("number", [float(k % 3) for k in range(count)])},
        neighbours=[[(1, 0.75), (2, 0.5), (3, 0.25)], *([[]] * (count - 1))],
        users={"u": [(number, (count - number) / 16) for number in range(count)]},
        segments={"": [(0, 1.0)]},
        widths=(3, count, 1),
        user_slots=count,
        weights=(1.0, 1.0, 0.0),
    )


def ask(shop: Recommender, **fields: Any) -> list[str]:  # noqa: ANN401  # fields of a query
    return shop.recommend(Query(user="u", **fields)).ids()


# ------------------------------------------------------------------------------------------------------------ Caps


def test_a_cap_limits_how_often_a_value_is_shown(ranked: Recommender) -> None:
    answer = ranked.recommend(Query(user="u", n=6, max_per={"BRAND": 1}))

    # x: i00; y: i01; i02 has x, i03 has both; i04 has no brand; z: i05; i11 has no brand
    assert answer.ids() == ["i00", "i01", "i04", "i05", "i11"]
    assert answer.left_out == {"BRAND": 7}
    assert answer.document()["left_out"] == {"BRAND": 7}


def test_several_caps_hold_at_once(ranked: Recommender) -> None:
    answer = ranked.recommend(Query(user="u", n=12, max_per={"BRAND": 2, "PRICE": 1}))

    assert answer.ids() == ["i00", "i01", "i02"]  # prices 0, 1 and 2
    assert sum(answer.left_out.values()) == 9


def test_pinned_and_promoted_items_count_for_the_caps(ranked: Recommender) -> None:
    promotion = Promotion("p", 20, items=("i05",))

    answer = ask(ranked, n=5, max_per={"BRAND": 1}, pins=[Pin(1, "i10")], promotions=[promotion])

    assert answer == ["i10", "i01", "i04", "i05", "i11"]  # no second x, y or z


def test_a_list_without_capped_items_lacks_the_field(ranked: Recommender) -> None:
    assert "left_out" not in ranked.recommend(Query(user="u", n=2, max_per={"BRAND": 5})).document()


# ---------------------------------------------------------------------------------------------------------- Boosts


def test_a_boost_multiplies_scores_and_is_in_the_reason(ranked: Recommender) -> None:
    boost = Boost('INCLUDE ItemID WHERE Items.BRAND IN ("z")', 1.5)

    answer = ranked.recommend(Query(user="u", n=4, boosts=[boost]))

    assert answer.ids() == ["i00", "i01", "i05", "i02"]  # 12, 11, 7 * 1.5 and 10 sixteenths
    assert [item.score for item in answer.items] == [12 / 16, 11 / 16, 10.5 / 16, 10 / 16]
    reasons = [item.because.document() for item in answer.items if item.because]
    assert reasons[2] == {"source": "user", "items": [], "boost": 1.5}
    assert all("boost" not in reason for reason in (reasons[0], reasons[1], reasons[3]))


def test_boosts_multiply_and_may_lower_scores(ranked: Recommender) -> None:
    first = Boost('INCLUDE ItemID WHERE Items.BRAND IN ("x")', 0.5)
    second = Boost("INCLUDE ItemID WHERE Items.PRICE = $P", 4, {"P": 0})

    answer = ranked.recommend(Query(user="u", n=2, boosts=[first, second]))

    assert answer.ids() == ["i00", "i03"]
    assert [item.score for item in answer.items] == [12 * 0.5 * 4 / 16, 9 * 0.5 * 4 / 16]


def test_a_boost_that_changes_nothing_is_reported(ranked: Recommender) -> None:
    answer = ranked.recommend(Query(user="u", n=2, boosts=[Boost("INCLUDE ItemID WHERE Items.PRICE > 5", 2)]))

    assert answer.ids() == ["i00", "i01"]
    assert answer.warnings == ("The boost by 2 changes no score: no scored item passes its filter.",)


def test_similar_items_are_boosted_capped_and_pinned(ranked: Recommender) -> None:
    boost = Boost("INCLUDE ItemID WHERE Items.PRICE = 0", 8)
    answer = ranked.similar(Query(item="i00", boosts=[boost], pins=[Pin(2, "i09")], max_per={"BRAND": 1}))

    assert answer.ids() == ["i03", "i09"]  # i03: .25 * 8; x and y are full
    assert [item.because.document() for item in answer.items if item.because] == [
        {"source": "item", "items": ["i00"], "boost": 8},
        {"source": "pin", "place": 2},
    ]


# ------------------------------------------------------------------------------------------------------------ Pins


def test_pins_are_at_their_places_and_nowhere_else(ranked: Recommender) -> None:
    pins = [Pin(3, "i00"), Pin(1, "i11")]

    answer = ranked.recommend(Query(user="u", n=4, pins=pins))

    assert answer.ids() == ["i11", "i01", "i00", "i02"]
    assert [item.because.source for item in answer.items if item.because] == ["pin", "user", "pin", "user"]
    assert answer.items[2].because is not None
    assert answer.items[2].because.document() == {"source": "pin", "place": 3}


def test_a_pin_ignores_the_requests_filter_and_session(ranked: Recommender) -> None:
    query = Query(
        user="u", n=2, session=["i00"], filter='INCLUDE ItemID WHERE Items.BRAND IN ("y")', pins=[Pin(1, "i00")]
    )

    assert ranked.recommend(query).ids() == ["i00", "i01"]


def test_a_short_list_ends_with_its_pins(ranked: Recommender) -> None:
    assert ask(ranked, n=9, filter='INCLUDE ItemID WHERE Items.BRAND IN ("y")', pins=[Pin(8, "i00")]) == [
        "i01",
        "i03",
        "i07",
        "i00",
    ]


def test_a_pin_that_cannot_be_shown_is_reported(open_shop: OpenShop) -> None:
    shop = open_shop(rules=('EXCLUDE ItemID WHERE Items.KIND IN ("herb")',))
    pins = [Pin(1, "no such"), Pin(2, "apple"), Pin(3, "dill, fresh"), Pin(9, "egg")]

    answer = shop.recommend(Query(n=5, exclude=["apple"], pins=pins))

    assert answer.warnings == (
        "The pinned item 'no such' is not shown: the model does not know it.",
        "The pinned item 'apple' is not shown: the request excludes it.",
        "The pinned item 'dill, fresh' is not shown: a filter of the release removes it.",
        "The pinned item 'egg' is not shown: its place 9 is beyond n.",
    )


# ----------------------------------------------------------------------------------------------------------- Pages


def pages(shop: Recommender, sizes: list[int], query: Query) -> list[list[str]]:
    """The pages of these sizes."""
    found, earlier = [], tuple[int, ...]()
    for size in sizes:
        answer = shop.recommend(replace(query, n=size, page=Page(earlier)))
        found.append(answer.ids())
        if not answer.more:
            break
        earlier = (*earlier, size)
    return found


def test_pages_continue_the_list_and_the_last_one_says_so(ranked: Recommender) -> None:
    query = Query(user="u")

    assert pages(ranked, [5, 4, 9], query) == [IDS[:5], IDS[5:9], IDS[9:]]
    assert pages(ranked, [6, 6, 6], query) == [IDS[:6], IDS[6:]]  # no empty page at the end
    beyond = ranked.recommend(replace(query, n=5, page=Page((12,))))
    assert (beyond.ids(), beyond.more) == ([], False)
    assert beyond.warnings == ("The list has ended: there are no more items.",)
    assert ranked.recommend(query).more is None


def test_items_that_a_cap_leaves_out_come_on_the_next_page(ranked: Recommender) -> None:
    found = pages(ranked, [4, 4, 4, 4], Query(user="u", max_per={"BRAND": 1}))

    # Each page has the best items that are left, with one x, one y and one z at most.
    assert found == [
        ["i00", "i01", "i04", "i05"],
        ["i02", "i07", "i08", "i11"],
        ["i03", "i09"],
        ["i06"],
    ]


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    most=st.none() | st.integers(1, 3),
    pins=st.dictionaries(st.integers(1, 15), st.sampled_from(IDS), max_size=3),
    percent=st.none() | st.integers(1, 60),
    excluded=st.sets(st.sampled_from(IDS), max_size=3),
)
def test_no_item_is_on_two_pages_and_no_page_breaks_a_rule(
    ranked: Recommender,
    sizes: list[int],
    most: int | None,
    pins: dict[int, str],
    percent: int | None,
    excluded: set[str],
) -> None:
    pinned = [Pin(place, item) for item, place in {item: place for place, item in pins.items()}.items()]
    promotions = [] if percent is None else [Promotion("p", percent, items=("i11", "i09", "i08"))]
    query = Query(
        user="u",
        max_per={} if most is None else {"BRAND": most},
        pins=pinned,
        promotions=promotions,
        exclude=sorted(excluded),
    )

    found = pages(ranked, sizes, query)

    everything = [item for page in found for item in page]
    assert len(set(everything)) == len(everything)
    assert not set(everything) & excluded
    assert all(len(page) <= size for page, size in zip(found, sizes, strict=False))
    for page in found:
        fixed = {pin.item for pin in pinned} | {"i11", "i09", "i08"}
        brands = Counter(brand for item in page for brand in (BRANDS[int(item[1:])] or "").split("|") if brand)
        of_fixed = Counter(
            brand for item in page if item in fixed for brand in (BRANDS[int(item[1:])] or "").split("|") if brand
        )
        assert most is None or all(count <= max(most, of_fixed[brand] + most) for brand, count in brands.items())
    for pin in pinned:
        first = 0
        for page, size in zip(found, sizes, strict=False):
            if first < pin.place <= first + len(page) and pin.item not in excluded:
                assert page[pin.place - first - 1] == pin.item
            first += size
    if most is None and not pinned and not promotions:
        assert everything == ask(ranked, n=max(1, sum(sizes[: len(found)])), exclude=sorted(excluded))


# -------------------------------------------------------------------------------------------------------- Requests


def test_a_query_string_has_the_same_adjustments_as_json() -> None:
    text = {
        "max_per": 'BRAND:2,"A,B:C:3"',
        "pins": "1:i00,4:a:b",
        "boosts": '1.5:INCLUDE ItemID WHERE Items.BRAND IN ("x", "y")',
    }
    document = {
        "max_per": {"BRAND": 2, "A,B:C": 3},
        "pins": [{"place": 1, "item": "i00"}, {"place": 4, "item": "a:b"}],
        "boosts": [{"factor": 1.5, "filter": 'INCLUDE ItemID WHERE Items.BRAND IN ("x", "y")'}],
    }

    assert read_query(read_parameters(text), RECOMMEND) == read_query(document, RECOMMEND)
    query = read_query(document, SIMILAR, item="i01")
    assert (query.max_per, query.pins) == ({"BRAND": 2, "A,B:C": 3}, (Pin(1, "i00"), Pin(4, "a:b")))
    assert query.boosts == (Boost('INCLUDE ItemID WHERE Items.BRAND IN ("x", "y")', 1.5),)


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({"max_per": 2}, "max_per: must be an object"),
        ({"max_per": {"BRAND": "2"}}, "max_per.BRAND: must be a whole number"),
        ({"max_per": {"BRAND": True}}, "max_per.BRAND: must be a whole number"),
        ({"max_per": {"BRAND": 0}}, "max_per.BRAND is 0: send a whole number from 1"),
        ({"max_per": dict.fromkeys("abcdef", 1)}, "max_per has 6 entries: send at most 5"),
        ({"boosts": [{"filter": "x"}]}, "boosts.0.factor: is missing"),
        ({"boosts": [{"factor": 2}]}, "boosts.0.filter: is missing"),
        ({"boosts": [{"factor": 0, "filter": "x"}]}, "factor is 0.0: send a number from 0.01 to 100"),
        ({"boosts": [{"factor": 101, "filter": "x"}]}, "factor is 101.0"),
        ({"boosts": [{"factor": 1, "filter": "x", "a": 1}]}, "boosts.0.a: is unknown"),
        ({"boosts": [{"factor": 1, "filter": "x"}] * 6}, "boosts has 6 entries: send at most 5"),
        ({"pins": [{"place": 0, "item": "x"}]}, "pins.0.place: is 0"),
        ({"pins": [{"place": 1001, "item": "x"}]}, "pins.0.place: is 1001"),
        ({"pins": [{"place": 1}]}, "pins.0.item: is missing"),
        ({"pins": [{"place": 1, "item": "x"}, {"place": 1, "item": "y"}]}, "the same place twice"),
        ({"pins": [{"place": 1, "item": "x"}, {"place": 2, "item": "x"}]}, "the same item twice"),
        ({"pins": [{"place": k + 1, "item": str(k)} for k in range(21)]}, "pins has 21 entries: send at most 20"),
        ({"next": 1}, "next: must be text"),
        ({"next": "x"}, "next is not valid: send the next of the last response"),
        ({"next": "WzEsIDJd"}, "next is not valid"),
        ({"next": "é"}, "next is not valid"),
        ({"next": "W" * 5000}, "next is not valid"),
    ],
)
def test_an_invalid_adjustment_is_named(document: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_query(document, RECOMMEND)
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("parameters", "hint"),
    [
        ({"max_per": "BRAND"}, "max_per.: must be a whole number"),
        ({"max_per": "BRAND:two"}, "max_per.BRAND: must be a whole number"),
        ({"pins": "first:i00"}, "pins.0.place: must be a whole number"),
        ({"boosts": "INCLUDE ItemID WHERE Items.A = 1"}, "boosts.0.factor: must be a number"),
    ],
)
def test_an_invalid_adjustment_of_a_query_string_is_named(parameters: dict[str, str], hint: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_query(read_parameters(parameters), RECOMMEND)
    assert hint in str(raised.value)


def test_a_column_that_does_not_exist_cannot_be_capped(ranked: Recommender) -> None:
    with pytest.raises(InvalidRequest, match="'COLOR' is not a column of this model's items: use BRAND, PRICE"):
        ask(ranked, max_per={"COLOR": 1})


def test_a_list_has_an_end() -> None:
    with pytest.raises(InvalidRequest, match="at most 1000 items in 100 pages"):
        Query(n=2, page=Page((MAX_LIST - 1,)))
    with pytest.raises(InvalidRequest, match="at most 1000 items in 100 pages"):
        Query(n=1, page=Page((1,) * 100))
