"""Recommendations with what is known live: events, profiles and hidden event types."""

from collections.abc import Callable

import pytest
from tests.toys.shop import APPLE, CHERRY, TRANSITIONS

from larder.recommender import Live, LiveEvent, Pin, Query, Recommendation, Recommender

OpenShop = Callable[..., Recommender]
ADA_BOUGHT_APPLES = {"ada": [(APPLE, 1), (CHERRY, 0)]}  # types: 0 view, 1 Buy


def clicks(*items: str, begin: float = 100.0) -> tuple[LiveEvent, ...]:
    return tuple(LiveEvent(item, "click", begin + place) for place, item in enumerate(items))


def scored(items: tuple[Recommendation, ...]) -> list[tuple[str, float | None]]:
    return [(item.id, item.score) for item in items]


@pytest.fixture(scope="module")
def stating_shop(open_shop: OpenShop) -> Recommender:
    """A shop that states what its users did."""
    return open_shop(events=ADA_BOUGHT_APPLES)


def test_live_events_are_older_than_the_session_and_the_item_in_view(open_shop: OpenShop) -> None:
    # GIVEN a release whose order of the session decides the scores
    shop = open_shop(transitions=TRANSITIONS, more_weights={"transition": 0.25}, transition_decay=0.5)

    # WHEN two items are live events, and when the request states them
    live = shop.recommend(Query(session=["bread"], item="apple", live=Live(clicks("fig", "cherry"))))
    sent = shop.recommend(Query(session=["fig", "cherry", "bread"], item="apple"))

    # THEN the answers are the same: live ones first, in the order of time
    assert live.items == sent.items
    assert live.items != shop.recommend(Query(session=["cherry", "fig", "bread"], item="apple")).items


def test_an_item_counts_once_at_its_newest_place(shop: Recommender) -> None:
    live = Live(clicks("apple", "bread", "apple", "cherry", "fig"))

    assert shop.recommend(Query(session=["fig"], live=live)).items == (
        shop.recommend(Query(session=["bread", "apple", "cherry", "fig"])).items
    )


def test_the_length_of_sessions_limits_live_events_too(open_shop: OpenShop) -> None:
    shop = open_shop(session_length=2)
    long = shop.recommend(Query(live=Live(clicks("bread", "cherry", "fig")), include_seen=True))

    assert long.items == shop.recommend(Query(session=["cherry", "fig"], include_seen=True)).items


def test_items_that_the_release_does_not_know_are_ignored_and_not_reported(shop: Recommender) -> None:
    answer = shop.recommend(Query(session=["bread"], live=Live(clicks("plum", "fig"))))

    assert answer.items == shop.recommend(Query(session=["fig", "bread"])).items
    assert answer.unknown is not None
    assert answer.unknown.document() == {}


def test_events_that_made_the_users_row_do_not_count_again(shop: Recommender) -> None:
    # GIVEN a release that was trained until 101, and events before, at and after that time
    live = Live(clicks("fig", "bread", "cherry"), trained_until=101.0)

    # WHEN a user with a row asks THEN only the newest joins the session, and none of the three comes back
    ada = shop.recommend(Query(user="ada", live=live, n=500))
    sent = shop.recommend(Query(user="ada", session=["cherry"], exclude=["fig", "bread"], n=500))
    assert ada.items == sent.items

    # WHEN one without a row asks THEN all count
    eve = shop.recommend(Query(user="eve", live=live, n=500))
    assert eve.items == shop.recommend(Query(user="eve", session=["fig", "bread", "cherry"], n=500)).items


def test_seen_items_are_shown_where_the_request_or_the_release_wants_it(shop: Recommender) -> None:
    live = Live(clicks("apple", "egg"))

    assert not {"apple", "egg"} & set(shop.recommend(Query(live=live, n=500)).ids())
    assert "apple" in shop.recommend(Query(live=live, n=500, include_seen=True)).ids()


def test_a_release_that_recommends_again_what_users_had_does_so_after_live_events(shop: Recommender) -> None:
    # GIVEN a live event with an item that ada's row recommends, from a release that recommends repeats
    live = Live(clicks("fig"), repeats=True)

    # THEN it stays, unless the request forbids it or states the item itself
    assert "fig" in shop.recommend(Query(user="ada", live=live)).ids()
    assert "fig" not in shop.recommend(Query(user="ada", live=live, include_seen=False)).ids()
    assert "fig" not in shop.recommend(Query(user="ada", live=live, session=["fig"])).ids()


@pytest.mark.parametrize("user", ["ada", "eve"])
def test_hidden_event_types_hide_whatever_else_is_asked(stating_shop: Recommender, user: str) -> None:
    # GIVEN a user who bought an egg live, and ada, who bought apples before the release
    live = Live((LiveEvent("egg", "BUY", 1.0), LiveEvent("fig", "click", 2.0)), hidden=frozenset({"buy"}))

    # WHEN seen items may be shown THEN what was bought is not, and other seen items are
    answer = stating_shop.recommend(Query(user=user, live=live, include_seen=True, n=500))
    assert "egg" not in answer.ids()
    assert "fig" in answer.ids()
    assert ("apple" in answer.ids()) is (user == "eve")
    assert "egg" not in stating_shop.similar(Query(user=user, item="bread", live=live)).ids()

    # AND a pin is a merchandiser's own choice, and a ranking is the caller's list
    pinned = stating_shop.recommend(Query(user=user, live=live, pins=[Pin(1, "egg")]))
    assert pinned.ids()[0] == "egg"
    assert set(stating_shop.rank(Query(user=user, live=live), ["egg", "fig"]).ids()) == {"egg", "fig"}


def test_a_ranking_follows_live_events(shop: Recommender) -> None:
    items = ["fig", "egg", "apple", "bread"]

    ranked = shop.rank(Query(live=Live(clicks("egg"))), items)
    assert scored(ranked.items) == scored(shop.rank(Query(session=["egg"]), items).items)
    assert scored(ranked.items) != scored(shop.rank(Query(), items).items)


def passing(shop: Recommender, condition: str, **fields: object) -> set[str]:
    query = Query(n=500, include_seen=True, filter=f"INCLUDE ItemID WHERE {condition}", **fields)  # type: ignore[arg-type]  # of any type
    return set(shop.recommend(query).ids())


def test_filters_see_live_events_of_any_type(stating_shop: Recommender) -> None:
    live = Live((LiveEvent("fig", "buy", 1.0), LiveEvent("egg", "gift", 2.0)))

    assert passing(stating_shop, 'Interactions.EVENT_TYPE IN ("Buy")', user="ada", live=live) == {"apple", "fig"}
    assert passing(stating_shop, 'Interactions.EVENT_TYPE IN ("GIFT")', user="ada", live=live) == {"egg"}
    assert passing(stating_shop, 'Interactions.EVENT_TYPE IN ("*")', session_id="s1", live=live) == {"fig", "egg"}


def test_a_type_that_this_user_had_no_event_of_is_no_mistake(stating_shop: Recommender) -> None:
    query = Query(user="ada", filter='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("gift")', live=Live())

    assert stating_shop.recommend(query).warnings == ()


def test_a_filter_on_events_says_that_the_release_does_not_state_older_ones(shop: Recommender) -> None:
    text = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")'
    answer = shop.recommend(Query(user="ada", filter=text, live=Live(clicks("egg"))))

    assert "egg" not in answer.ids()
    assert answer.warnings == ("Interactions has live events only: this release does not state what its users did.",)


def test_a_live_profile_chooses_the_segment_unless_the_request_states_another(shop: Recommender) -> None:
    # GIVEN a live profile with a column and a value that the release does not have
    live = Live(profile={"CITY": "Berlin", "AGE": "old", "SHOE_SIZE": 44})

    berlin = shop.recommend(Query(profile={"CITY": "Berlin"}))
    assert shop.recommend(Query(live=live)).items == berlin.items
    assert shop.recommend(Query(live=live, profile={"CITY": "Ulm"})).items == shop.recommend(Query()).items
    assert berlin.items != shop.recommend(Query()).items


def test_an_answer_says_what_was_not_read(shop: Recommender) -> None:
    assert shop.recommend(Query(live=Live(warning="The store did not answer."))).warnings == (
        "The store did not answer.",
    )
    assert shop.recommend(Query(session_id="s1")).warnings == (
        "session_id has no effect: no live events are read here.",
    )
    assert shop.recommend(Query(session_id="s1", live=Live())).warnings == ()


def test_nothing_live_changes_nothing(stating_shop: Recommender) -> None:
    query = Query(user="ada", session=["bread", "bread"], item="fig")

    assert stating_shop.recommend(Query(user="ada", session=["bread", "bread"], item="fig", live=Live())) == (
        stating_shop.recommend(query)
    )
