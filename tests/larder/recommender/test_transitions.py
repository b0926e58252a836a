"""What followed an item, and coming back to it: the toy shop with a table of transitions, worked out by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.toys.shop import TRANSITIONS

from larder.recommender import Query, Reason, Recommender

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"
DILL = "dill, fresh"


@pytest.fixture(scope="module")
def following(open_shop: OpenShop) -> Recommender:
    """Transitions weigh 1/4, a half of that for each click further back; nobody comes back."""
    return open_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25}, transition_decay=0.5)


@pytest.fixture(scope="module")
def returning(open_shop: OpenShop) -> Recommender:
    """What was just clicked weighs 1, a half of that for each click further back."""
    return open_shop(more_weights={"revisit": 1.0}, revisit_decay=0.5)


def told(shop: Recommender, query: Query) -> dict[str, tuple[float | None, Reason | None]]:
    return {item.id: (item.score, item.because) for item in shop.recommend(query).items}


def test_what_followed_the_newest_click_counts_most(following: Recommender) -> None:
    found = told(following, Query(session=["apple", "egg"], n=9))

    # neighbours: 1/2 of egg's row and 1/4 of apple's; transitions: 1/4 of egg's and 1/8 of apple's; 1/8 of everybody's
    session = ("egg", "apple")
    assert found == {
        "fig": (0.25 + 0.0625 + 0.125, Reason("session", ("egg", "apple"))),  # 1/4 + 1/16 by egg, 1/8 by apple
        "bread": (0.125 + 0.125 + 0.03125 + 0.0625, Reason("session", ("apple", "egg"))),  # 1/8 + 1/32 by apple
        DILL: (0.125 + 0.03125 + 0.015625, Reason("session", session)),
        "cherry": (0.0625 + 0.03125, Reason("session", ("apple",))),
        KALE: (0.0625, Reason("session", ("egg",))),
    }


def test_transitions_speak_where_neighbours_are_silent(following: Recommender) -> None:
    # kale has no neighbours at all, and nothing but itself followed it
    assert told(following, Query(session=["cherry", KALE], n=1, include_seen=True)) == {
        "apple": (0.0625 + 0.125, Reason("segment", segment="all"))
    }
    assert told(following, Query(session=[DILL], n=9))[KALE] == (0.0625, Reason("session", (DILL,)))


def test_only_the_newest_clicks_have_transitions(open_shop: OpenShop) -> None:
    shop = open_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25}, session_length=2)

    long = shop.recommend(Query(session=["fig", "apple", "egg"], include_seen=True))

    assert long == shop.recommend(Query(session=["apple", "egg"], include_seen=True))


def test_a_table_that_weighs_nothing_changes_nothing(open_shop: OpenShop, shop: Recommender) -> None:
    idle = open_shop(transitions=TRANSITIONS)

    for query in (Query(session=["apple", "egg"]), Query(user="ada", session=[DILL])):
        assert idle.recommend(query) == shop.recommend(query)


def test_a_user_without_a_session_is_answered_by_his_row_alone(following: Recommender, shop: Recommender) -> None:
    assert following.recommend(Query(user="ada")) == shop.recommend(Query(user="ada"))


def test_people_who_come_back_are_shown_what_they_had(returning: Recommender) -> None:
    found = told(returning, Query(session=["apple", "egg"], n=3))

    assert found == {
        "egg": (1.0, Reason("revisit", ("egg",))),
        "apple": (0.5 + 0.125, Reason("revisit", ("apple",))),
        "bread": (0.125 + 0.125 + 0.0625, Reason("session", ("egg", "apple"))),
    }


def test_an_item_clicked_twice_is_come_back_to_twice(returning: Recommender) -> None:
    assert told(returning, Query(session=["egg", "fig", "egg"], n=1))["egg"][0] == 1.0 + 0.25 + 0.5 * 0.25


@pytest.mark.parametrize(
    ("include_seen", "shown"),
    [(None, True), (True, True), (False, False)],
)
def test_the_release_decides_whether_clicked_items_come_back_unless_the_request_does(
    returning: Recommender, include_seen: bool | None, shown: bool
) -> None:
    query = Query(session=["egg"], include_seen=include_seen)

    assert ("egg" in returning.recommend(query).ids()) is shown


def test_other_releases_hide_what_was_clicked_unless_they_are_asked(following: Recommender, shop: Recommender) -> None:
    for each in (following, shop):
        query = Query(session=["apple"])
        assert "apple" not in each.recommend(query).ids()
        assert "apple" not in each.recommend(replace(query, include_seen=False)).ids()
        assert "apple" in each.recommend(replace(query, include_seen=True)).ids()


def test_a_users_row_speaks_before_a_revisit_of_equal_weight(returning: Recommender) -> None:
    # ada's row gives egg 1, and so does the click on it
    found = told(returning, Query(user="ada", session=["egg"], n=1))

    assert found == {"egg": (2.0, Reason("user", ("bread",)))}


def test_rank_has_the_same_totals(open_shop: OpenShop) -> None:
    shop = open_shop(
        transitions=TRANSITIONS,
        more_weights={"transition": 0.25, "revisit": 1.0},
        transition_decay=0.5,
        revisit_decay=0.5,
    )
    query = Query(user="bob", session=["bread", "apple"], n=9)
    answer = shop.recommend(query)

    ranked = shop.rank(query, list(reversed(answer.ids())))

    assert ranked == answer
    assert {item.because.source for item in ranked.items if item.because} == {"user", "session", "revisit"}


def test_similar_is_about_neighbours_alone(following: Recommender, shop: Recommender) -> None:
    assert following.similar(Query(item="apple")) == shop.similar(Query(item="apple"))
