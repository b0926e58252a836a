"""The toy shop's recommendations, computed by hand from its tables (tests/toys/shop.py)."""

from collections.abc import Callable
from functools import partial

import pytest

from larder.errors import InvalidManifest, InvalidRequest
from larder.recommender import Promotion, Query, Reason, Recommendations, Recommender, Unknown

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"
DILL = "dill, fresh"


def scores(answer: Recommendations) -> dict[str, float | None]:
    return {item.id: item.score for item in answer.items}


def reasons(answer: Recommendations) -> dict[str, Reason | None]:
    return {item.id: item.because for item in answer.items}


def test_an_unknown_user_gets_the_most_popular_items(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="unknown", n=3))

    assert answer.ids() == ["apple", "bread", "cherry"]
    assert scores(answer) == {"apple": 0.125, "bread": 0.0625, "cherry": 0.03125}
    assert set(reasons(answer).values()) == {Reason("segment", segment="all")}


def test_one_item_in_the_session_changes_a_new_users_recommendations(shop: Recommender) -> None:
    answer = shop.recommend(Query(session=["egg"], n=3))

    # 1/2 of egg's row, and 1/8 of the row of all users
    assert list(scores(answer).items()) == [("fig", 0.25), ("bread", 0.125 + 0.0625), ("apple", 0.125)]
    assert reasons(answer) == {
        "fig": Reason("session", items=("egg",)),
        "bread": Reason("session", items=("egg",)),
        "apple": Reason("segment", segment="all"),
    }


def test_the_last_item_of_the_session_counts_most(shop: Recommender) -> None:
    answer = shop.recommend(Query(session=["apple", "egg"], n=7))

    # egg weighs 1/2, apple 1/4
    assert scores(answer) == {
        "bread": 0.125 + 0.125 + 0.0625,
        "fig": 0.25,
        "cherry": 0.0625 + 0.03125,
        KALE: 0.0625,
        DILL: 0.03125 + 0.015625,
    }
    assert reasons(answer)["bread"] == Reason(
        "session", items=("egg", "apple")
    )  # equal contributions: the newest first
    assert scores(shop.recommend(Query(session=["egg", "apple"], n=7)))["bread"] == 0.25 + 0.0625 + 0.0625


def test_the_item_in_view_counts_as_the_newest_of_the_session(shop: Recommender) -> None:
    assert shop.recommend(Query(session=["apple"], item="egg")) == shop.recommend(Query(session=["apple", "egg"]))


def test_only_the_newest_known_items_of_the_session_count(open_shop: OpenShop) -> None:
    shop = open_shop(session_length=2)

    long = shop.recommend(Query(session=["fig", "apple", "egg"], exclude=[], include_seen=True))
    short = shop.recommend(Query(session=["apple", "no such", "egg", "nor this"], include_seen=True))

    assert long.items == short.items
    assert short.unknown == Unknown(session=("nor this", "no such"))


def test_an_item_twice_in_the_session_counts_twice(shop: Recommender) -> None:
    assert scores(shop.recommend(Query(session=["egg", "egg"], n=1))) == {"fig": 0.25 + 0.125}


def test_a_known_user_gets_their_row_with_recent_items_as_reasons(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="ada", n=4))

    assert scores(answer) == {"egg": 1.0, "fig": 0.5, KALE: 0.25, "apple": 0.125}
    assert reasons(answer) == {
        "egg": Reason("user", items=("bread",)),  # apple, the other recent item, does not contribute
        "fig": Reason("user", items=()),
        KALE: Reason("user", items=()),
        "apple": Reason("segment", segment="all"),
    }


def test_recent_items_of_a_user_with_few_recommendations_are_not_recommended(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="bob", n=2))

    assert scores(answer) == {"cherry": 0.5 + 0.03125, "apple": 0.125}
    assert reasons(answer)["cherry"] == Reason("user", items=("apple",))


def test_the_reason_is_the_largest_contribution(shop: Recommender) -> None:
    # zoë's row gives bread 1/2; apple's neighbour row gives it 1/4, all users 1/16
    assert reasons(shop.recommend(Query(user="zoë", session=["apple"], n=1)))["bread"] == Reason("user", items=())
    # apple: 1/4 from bread's row, 1/8 from all users; with equal contributions the reason would be ada's row
    answer = shop.recommend(Query(user="ada", session=["bread"], n=7))
    assert reasons(answer)["apple"] == Reason("session", items=("bread",))


def test_the_most_specific_segment_is_scored_and_wider_ones_fill_up(shop: Recommender) -> None:
    answer = shop.recommend(Query(profile={"CITY": "Berlin", "AGE": 18}, n=4))

    assert list(scores(answer).items()) == [(KALE, 0.125), ("fig", 0.0), ("apple", 0.0), ("bread", 0.0)]
    assert [reason.segment for reason in reasons(answer).values() if reason] == [
        "CITY=Berlin|AGE=[18,35)",
        "CITY=Berlin",
        "all",
        "all",
    ]


@pytest.mark.parametrize(
    ("profile", "first"),
    [
        ({"CITY": "Berlin", "AGE": 35}, "fig"),  # [35,inf) has no segment
        ({"CITY": "Berlin", "AGE": "34.9"}, KALE),
        ({"CITY": "Berlin"}, "fig"),
        ({"CITY": "Paris", "AGE": 20}, "apple"),
        ({"AGE": 20}, "apple"),
    ],
)
def test_a_segment_needs_all_its_columns(shop: Recommender, profile: dict[str, str | float], first: str) -> None:
    assert shop.recommend(Query(profile=profile)).ids()[0] == first


def test_popular_items_fill_up_in_their_order_even_at_weight_0(open_shop: OpenShop) -> None:
    answer = open_shop(weights=(1.0, 0.5, 0.0)).recommend(Query(session=["fig"], n=4, exclude=["apple"]))

    assert list(scores(answer).items()) == [("egg", 0.25), ("cherry", 0.125), ("bread", 0.0), (DILL, 0.0)]
    assert reasons(answer)[DILL] == Reason("segment", segment="all")


def test_equal_scores_are_ordered_by_item_number(open_shop: OpenShop) -> None:
    shop = open_shop(segments={"": [(5, 1.0), (2, 1.0), (6, 1.0), (0, 1.0)]})

    assert shop.recommend(Query()).ids() == ["apple", "cherry", "fig", KALE]


def test_seen_and_excluded_items_are_left_out_by_default(shop: Recommender) -> None:
    assert shop.recommend(Query(session=["apple", "egg"], exclude=["fig", "unknown"])).ids() == [
        "bread",
        "cherry",
        KALE,
        DILL,
    ]

    again = shop.recommend(Query(session=["bread", "egg"], include_seen=True, exclude=["fig"]))

    assert again.ids() == ["apple", "bread", "egg", KALE, "cherry", DILL]


def test_the_requests_filter_and_the_releases_both_apply(open_shop: OpenShop) -> None:
    shop = open_shop(rules=("EXCLUDE ItemID WHERE Items.PRICE >= 4", 'EXCLUDE ItemID WHERE Items.KIND IN ("grain")'))

    assert shop.recommend(Query(n=9)).ids() == ["apple", DILL]
    filtered = Query(
        user="ada", filter="INCLUDE ItemID WHERE Items.KIND IN ($K)", filter_values={"K": ("fruit", "herb")}
    )
    assert shop.recommend(filtered).ids() == ["fig", KALE, "apple", DILL]
    assert shop.similar(Query(item="apple")).ids() == [DILL]
    assert shop.rank(Query(), ["bread", "apple"]).ids() == ["apple", "bread"]  # rank ignores filters


def test_a_response_warns_of_the_requests_filter_not_of_the_releases(open_shop: OpenShop) -> None:
    shop = open_shop(rules=('EXCLUDE ItemID WHERE Items.KIND IN ("meat")',))

    assert shop.recommend(Query()).warnings == ()
    filtered = shop.recommend(Query(filter='EXCLUDE ItemID WHERE Items.KIND IN ("fish")'))
    assert filtered.warnings == ("No item has the value 'fish' in Items.KIND.",)


def test_a_release_with_an_invalid_rule_does_not_load(open_shop: OpenShop) -> None:
    with pytest.raises(InvalidManifest) as raised:
        open_shop(rules=("EXCLUDE ItemID WHERE Items.PRICE < 1", "EXCLUDE ItemID WHERE Items.COST < 1", "nonsense"))

    assert [problem.split(": ")[0] for problem in raised.value.problems] == ["serving.rules.1", "serving.rules.2"]


def test_columns_are_returned_if_requested(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="ada", n=2, columns=["PRICE", "KIND", "TITLE"]))

    assert [item.columns for item in answer.items] == [
        {"PRICE": 0.25, "KIND": None, "TITLE": "Egg"},
        {"PRICE": 3.0, "KIND": "fruit", "TITLE": "Fig"},
    ]
    assert shop.recommend(Query()).items[0].columns is None


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ({"columns": ["COLOR"]}, "'COLOR' is not a column.*: use KIND, PRICE, TITLE"),
        ({"profile": {"TOWN": "x"}}, r"profile.TOWN is not a column.*AGE \(number\), CITY \(category\)"),
        ({"profile": {"CITY": 3.0}}, "profile.CITY is 3.0: send a text"),
        ({"profile": {"AGE": "old"}}, "profile.AGE is 'old': send a finite number"),
        ({"profile": {"AGE": float("nan")}}, "profile.AGE is nan"),
        ({"profile": {"AGE": 10**400}}, "profile.AGE is 1000"),
    ],
)
def test_an_unknown_column_or_value_is_refused(shop: Recommender, query: dict[str, object], hint: str) -> None:
    invalid = Query(item="apple", **query)  # type: ignore[arg-type]  # of any type

    for ask in (shop.recommend, shop.similar, partial(shop.rank, items=["apple"])):
        with pytest.raises(InvalidRequest, match=hint):
            ask(invalid)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("INCLUDE", "ItemID comes after INCLUDE"),
        ("INCLUDE ItemID WHERE Items.KIND IN ($X)", r"\$X has no value"),
        ("INCLUDE ItemID WHERE Items.COLOR IN ($X)", "no column COLOR"),
    ],
)
def test_an_invalid_filter_is_refused(shop: Recommender, text: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        shop.recommend(Query(filter=text))
    with pytest.raises(InvalidRequest, match=hint):
        shop.similar(Query(item="apple", filter=text))
    with pytest.raises(InvalidRequest, match=hint):
        shop.recommend(Query(promotions=[Promotion("p", 10, filter=text)]))


def test_compiled_filters_are_cached_within_a_limit(open_shop: OpenShop) -> None:
    shop = open_shop()
    text = "INCLUDE ItemID WHERE Items.KIND IN ($K)"
    for number in range(100):
        shop.recommend(Query(filter=text, filter_values={"K": f"fruit{number}"}))
    info = shop._filters._compiled.cache_info()
    assert info.currsize == info.maxsize

    large = Query(filter=text, filter_values={"K": ["fruit", *("x" * 500 + str(number) for number in range(10))]})

    assert shop.recommend(large).ids() == ["apple", "cherry"]
    assert shop._filters._compiled.cache_info().misses == info.misses  # compiled for this request only
