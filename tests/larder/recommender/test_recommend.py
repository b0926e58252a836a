"""The toy shop's answers, worked out by hand from its tables in conftest.py."""

from collections.abc import Callable
from functools import partial

import pytest

from larder.errors import InvalidManifest, InvalidRequest
from larder.recommender import Promotion, Query, Reason, Recommendations, Recommender

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"
DILL = "dill, fresh"


def scores(answer: Recommendations) -> dict[str, float | None]:
    return {item.id: item.score for item in answer.items}


def reasons(answer: Recommendations) -> dict[str, Reason | None]:
    return {item.id: item.because for item in answer.items}


def test_somebody_unknown_gets_what_is_popular_among_all(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="nobody", n=3))

    assert answer.ids() == ["apple", "bread", "cherry"]
    assert scores(answer) == {"apple": 0.125, "bread": 0.0625, "cherry": 0.03125}
    assert set(reasons(answer).values()) == {Reason("segment", segment="all")}


def test_one_click_changes_the_answer_of_a_new_user(shop: Recommender) -> None:
    answer = shop.recommend(Query(session=["egg"], n=3))

    # 1/2 of egg's row, and 1/8 of the row of all users
    assert list(scores(answer).items()) == [("fig", 0.25), ("bread", 0.125 + 0.0625), ("apple", 0.125)]
    assert reasons(answer) == {
        "fig": Reason("session", items=("egg",)),
        "bread": Reason("session", items=("egg",)),
        "apple": Reason("segment", segment="all"),
    }


def test_the_newest_click_stands_last_and_counts_most(shop: Recommender) -> None:
    answer = shop.recommend(Query(session=["apple", "egg"], n=7))

    # egg weighs 1/2, apple 1/4
    assert scores(answer) == {
        "bread": 0.125 + 0.125 + 0.0625,
        "fig": 0.25,
        "cherry": 0.0625 + 0.03125,
        KALE: 0.0625,
        DILL: 0.03125 + 0.015625,
    }
    assert reasons(answer)["bread"] == Reason("session", items=("egg", "apple"))  # equal shares: the newest first
    assert scores(shop.recommend(Query(session=["egg", "apple"], n=7)))["bread"] == 0.25 + 0.0625 + 0.0625


def test_the_item_in_view_counts_as_the_newest_click(shop: Recommender) -> None:
    assert shop.recommend(Query(session=["apple"], item="egg")) == shop.recommend(Query(session=["apple", "egg"]))


def test_only_the_newest_clicks_count_and_unknown_ones_do_not(open_shop: OpenShop) -> None:
    shop = open_shop(session_length=2)

    long = shop.recommend(Query(session=["fig", "apple", "egg"], exclude=[], include_seen=True))
    short = shop.recommend(Query(session=["apple", "no such", "egg", "nor this"], include_seen=True))

    assert long == short


def test_an_item_clicked_twice_counts_twice(shop: Recommender) -> None:
    assert scores(shop.recommend(Query(session=["egg", "egg"], n=1))) == {"fig": 0.25 + 0.125}


def test_a_known_user_has_his_row_and_is_told_which_of_his_items_led_to_it(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="ada", n=4))

    assert scores(answer) == {"egg": 1.0, "fig": 0.5, KALE: 0.25, "apple": 0.125}
    assert reasons(answer) == {
        "egg": Reason("user", items=("bread",)),  # his other recent item, apple, does not lead there
        "fig": Reason("user", items=()),
        KALE: Reason("user", items=()),
        "apple": Reason("segment", segment="all"),
    }


def test_a_user_with_few_recommendations_keeps_his_recent_items_apart(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="bob", n=2))

    assert scores(answer) == {"cherry": 0.5 + 0.03125, "apple": 0.125}
    assert reasons(answer)["cherry"] == Reason("user", items=("apple",))


def test_the_largest_share_names_the_reason(shop: Recommender) -> None:
    # zoë's row gives bread 1/2; apple's neighbour row gives it 1/4, all users 1/16
    assert reasons(shop.recommend(Query(user="zoë", session=["apple"], n=1)))["bread"] == Reason("user", items=())
    # apple: 1/4 from bread's row, 1/8 from all users; equal shares of egg's row and of ada's would name ada
    answer = shop.recommend(Query(user="ada", session=["bread"], n=7))
    assert reasons(answer)["apple"] == Reason("session", items=("bread",))


def test_the_most_specific_segment_answers_and_wider_ones_fill_up(shop: Recommender) -> None:
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


def test_without_a_weight_popular_items_still_fill_up_in_their_order(open_shop: OpenShop) -> None:
    answer = open_shop(weights=(1.0, 0.5, 0.0)).recommend(Query(session=["fig"], n=4, exclude=["apple"]))

    assert list(scores(answer).items()) == [("egg", 0.25), ("cherry", 0.125), ("bread", 0.0), (DILL, 0.0)]
    assert reasons(answer)[DILL] == Reason("segment", segment="all")


def test_equal_scores_are_ordered_by_item_number(open_shop: OpenShop) -> None:
    shop = open_shop(segments={"": [(5, 1.0), (2, 1.0), (6, 1.0), (0, 1.0)]})

    assert shop.recommend(Query()).ids() == ["apple", "cherry", "fig", KALE]


def test_seen_and_excluded_items_do_not_come_back_unless_asked_for(shop: Recommender) -> None:
    assert shop.recommend(Query(session=["apple", "egg"], exclude=["fig", "unknown"])).ids() == [
        "bread",
        "cherry",
        KALE,
        DILL,
    ]

    again = shop.recommend(Query(session=["bread", "egg"], include_seen=True, exclude=["fig"]))

    assert again.ids() == ["apple", "bread", "egg", KALE, "cherry", DILL]


def test_a_filter_and_the_releases_rules_both_hold(open_shop: OpenShop) -> None:
    shop = open_shop(rules=("EXCLUDE ItemID WHERE Items.PRICE >= 4", 'EXCLUDE ItemID WHERE Items.KIND IN ("grain")'))

    assert shop.recommend(Query(n=9)).ids() == ["apple", DILL]
    filtered = Query(
        user="ada", filter="INCLUDE ItemID WHERE Items.KIND IN ($K)", filter_values={"K": ("fruit", "herb")}
    )
    assert shop.recommend(filtered).ids() == ["fig", KALE, "apple", DILL]
    assert shop.similar(Query(item="apple")).ids() == [DILL]
    assert shop.rank(Query(), ["bread", "apple"]).ids() == ["apple", "bread"]  # rank keeps all


def test_a_release_with_a_rule_that_does_not_fit_is_not_opened(open_shop: OpenShop) -> None:
    with pytest.raises(InvalidManifest) as raised:
        open_shop(rules=("EXCLUDE ItemID WHERE Items.PRICE < 1", "EXCLUDE ItemID WHERE Items.COST < 1", "nonsense"))

    assert [problem.split(": ")[0] for problem in raised.value.problems] == ["serving.rules.1", "serving.rules.2"]


def test_columns_are_told_when_asked_for(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="ada", n=2, columns=["PRICE", "KIND", "TITLE"]))

    assert [item.columns for item in answer.items] == [
        {"PRICE": 0.25, "KIND": None, "TITLE": "Egg"},
        {"PRICE": 3.0, "KIND": "fruit", "TITLE": "Fig"},
    ]
    assert shop.recommend(Query()).items[0].columns is None


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ({"columns": ["COLOR"]}, "'COLOR' is no column.*: ask for KIND, PRICE, TITLE"),
        ({"profile": {"TOWN": "x"}}, r"profile.TOWN is no column.*AGE \(number\), CITY \(category\)"),
        ({"profile": {"CITY": 3.0}}, "profile.CITY is 3.0: send a text"),
        ({"profile": {"AGE": "old"}}, "profile.AGE is 'old': send a finite number"),
        ({"profile": {"AGE": float("nan")}}, "profile.AGE is nan"),
        ({"profile": {"AGE": 10**400}}, "profile.AGE is 1000"),
    ],
)
def test_what_the_release_does_not_have_is_refused(shop: Recommender, query: dict[str, object], hint: str) -> None:
    asked = Query(item="apple", **query)  # type: ignore[arg-type]  # a test's own words

    for ask in (shop.recommend, shop.similar, partial(shop.rank, items=["apple"])):
        with pytest.raises(InvalidRequest, match=hint):
            ask(asked)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("INCLUDE", "ItemID comes after INCLUDE"),
        ("INCLUDE ItemID WHERE Items.KIND IN ($X)", r"\$X has no value"),
        ("INCLUDE ItemID WHERE Items.COLOR IN ($X)", "no column COLOR"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused(shop: Recommender, text: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=hint):
        shop.recommend(Query(filter=text))
    with pytest.raises(InvalidRequest, match=hint):
        shop.similar(Query(item="apple", filter=text))
    with pytest.raises(InvalidRequest, match=hint):
        shop.recommend(Query(promotions=[Promotion("p", 10, filter=text)]))


def test_filters_are_kept_within_a_bound(open_shop: OpenShop) -> None:
    shop = open_shop()
    text = "INCLUDE ItemID WHERE Items.KIND IN ($K)"
    for number in range(100):
        shop.recommend(Query(filter=text, filter_values={"K": f"fruit{number}"}))
    kept = shop._ruling._compiled.cache_info()
    assert kept.currsize == kept.maxsize

    large = Query(filter=text, filter_values={"K": ["fruit", *("x" * 500 + str(number) for number in range(10))]})

    assert shop.recommend(large).ids() == ["apple", "cherry"]
    assert shop._ruling._compiled.cache_info().misses == kept.misses  # compiled for this request alone
