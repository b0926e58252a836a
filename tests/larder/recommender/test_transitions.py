"""Co-visitation and repeat consumption: the toy shop with a table of transitions, computed by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.toys.shop import TRANSITIONS

from larder.recommender import Query, Reason, Recommender

OpenShop = Callable[..., Recommender]
KALE = "Grünkohl 🥬"
DILL = "dill, fresh"


@pytest.fixture(scope="module")
def with_transitions(open_shop: OpenShop) -> Recommender:
    """Transitions weigh 1/4, halved for each step back in the session; no repeat consumption."""
    return open_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25}, transition_decay=0.5)


@pytest.fixture(scope="module")
def with_revisits(open_shop: OpenShop) -> Recommender:
    """Repeat consumption weighs 1, halved for each step back in the session."""
    return open_shop(more_weights={"revisit": 1.0}, revisit_decay=0.5)


def results(shop: Recommender, query: Query) -> dict[str, tuple[float | None, Reason | None]]:
    return {item.id: (item.score, item.because) for item in shop.recommend(query).items}


def test_transitions_of_the_newest_item_count_most(with_transitions: Recommender) -> None:
    items = results(with_transitions, Query(session=["apple", "egg"], n=9))

    # neighbours: 1/2 of egg's row and 1/4 of apple's; transitions: 1/4 of egg's and 1/8 of apple's; 1/8 of all users'
    session = ("egg", "apple")
    assert items == {
        "fig": (0.25 + 0.0625 + 0.125, Reason("session", ("egg", "apple"))),  # 1/4 + 1/16 by egg, 1/8 by apple
        "bread": (0.125 + 0.125 + 0.03125 + 0.0625, Reason("session", ("apple", "egg"))),  # 1/8 + 1/32 by apple
        DILL: (0.125 + 0.03125 + 0.015625, Reason("session", session)),
        "cherry": (0.0625 + 0.03125, Reason("session", ("apple",))),
        KALE: (0.0625, Reason("session", ("egg",))),
    }


def test_transitions_score_items_without_neighbours(with_transitions: Recommender) -> None:
    # kale has no neighbours, and only itself in its transitions
    assert results(with_transitions, Query(session=["cherry", KALE], n=1, include_seen=True)) == {
        "apple": (0.0625 + 0.125, Reason("segment", segment="all"))
    }
    assert results(with_transitions, Query(session=[DILL], n=9))[KALE] == (0.0625, Reason("session", (DILL,)))


def test_only_the_newest_items_have_transitions(open_shop: OpenShop) -> None:
    shop = open_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25}, session_length=2)

    long = shop.recommend(Query(session=["fig", "apple", "egg"], include_seen=True))

    assert long == shop.recommend(Query(session=["apple", "egg"], include_seen=True))


def test_a_table_of_weight_0_changes_nothing(open_shop: OpenShop, shop: Recommender) -> None:
    unweighted = open_shop(transitions=TRANSITIONS)

    for query in (Query(session=["apple", "egg"]), Query(user="ada", session=[DILL])):
        assert unweighted.recommend(query) == shop.recommend(query)


def test_a_user_without_a_session_gets_only_their_row(with_transitions: Recommender, shop: Recommender) -> None:
    assert with_transitions.recommend(Query(user="ada")) == shop.recommend(Query(user="ada"))


def test_with_repeat_consumption_session_items_are_recommended(with_revisits: Recommender) -> None:
    items = results(with_revisits, Query(session=["apple", "egg"], n=3))

    assert items == {
        "egg": (1.0, Reason("revisit", ("egg",))),
        "apple": (0.5 + 0.125, Reason("revisit", ("apple",))),
        "bread": (0.125 + 0.125 + 0.0625, Reason("session", ("egg", "apple"))),
    }


def test_an_item_twice_in_the_session_counts_twice(with_revisits: Recommender) -> None:
    assert results(with_revisits, Query(session=["egg", "fig", "egg"], n=1))["egg"][0] == 1.0 + 0.25 + 0.5 * 0.25


@pytest.mark.parametrize(
    ("include_seen", "shown"),
    [(None, True), (True, True), (False, False)],
)
def test_the_release_decides_about_session_items_unless_the_request_does(
    with_revisits: Recommender, include_seen: bool | None, shown: bool
) -> None:
    query = Query(session=["egg"], include_seen=include_seen)

    assert ("egg" in with_revisits.recommend(query).ids()) is shown


def test_other_releases_hide_session_items_unless_the_request_shows_them(
    with_transitions: Recommender, shop: Recommender
) -> None:
    for release in (with_transitions, shop):
        query = Query(session=["apple"])
        assert "apple" not in release.recommend(query).ids()
        assert "apple" not in release.recommend(replace(query, include_seen=False)).ids()
        assert "apple" in release.recommend(replace(query, include_seen=True)).ids()


def test_a_users_row_is_the_reason_before_a_revisit_of_equal_weight(with_revisits: Recommender) -> None:
    # ada's row gives egg 1, and so does the session
    items = results(with_revisits, Query(user="ada", session=["egg"], n=1))

    assert items == {"egg": (2.0, Reason("user", ("bread",)))}


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


def test_similar_uses_only_neighbours(with_transitions: Recommender, shop: Recommender) -> None:
    assert with_transitions.similar(Query(item="apple")) == shop.similar(Query(item="apple"))
