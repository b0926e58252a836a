"""The contract of all live stores. To test another store, make a subclass, and a fixture ``live`` beside it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from larder.events.base import LiveStore, Recent, RecentEvent
from larder.events.event import Event

DAY = 86400.0
T0 = 1_790_000_000.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


def event(number: int, *, user: str | None = None, session: str | None = None, item: str = "") -> Event:
    return Event(f"e{number}", "view", item or f"i{number}", T0 + number, user=user, session=session)


def items(recent: Recent) -> list[str]:
    return [event.item for event in recent.events]


def add(live: LiveStore, *events: Event, keep: int = 50) -> list[bool]:
    return live.add("shop", events, keep=keep, seconds=30 * DAY)


class LiveStoreContract:
    """Ids of every kind, order, and sessions that log in."""

    def test_events_are_kept_once_and_in_the_order_of_time(self, live: LiveStore) -> None:
        # GIVEN events that come in any order, one of them twice in a request and one in a later request
        first, second, third = (event(number, user="ada") for number in range(3))
        assert add(live, third, first, first) == [True, True, False]
        assert add(live, second, third) == [True, False]
        # THEN they are there once, oldest first, with their type and time
        assert live.read("shop", "ada", None).events == tuple(RecentEvent(f"i{n}", "view", T0 + n) for n in range(3))
        # AND other users, models and visitors have nothing
        for model, user, session in (("shop", "bob", None), ("other", "ada", None), ("shop", None, "ada")):
            assert live.read(model, user, session) == Recent()

    @pytest.mark.parametrize("odd", ["a#b/c\\d", "\u0000\n\t", "€漢🎈" * 85, "x" * 256, "s#1", " ", "\"'{}", "null"])
    def test_ids_may_have_any_characters(self, live: LiveStore, odd: str) -> None:
        assert add(live, Event(odd, odd, odd, T0, user=odd, session=odd)) == [True]
        assert live.read("shop", odd, odd).events == (RecentEvent(odd, odd, T0),)
        assert live.export_user("shop", odd).sessions == (odd,)
        live.delete_user("shop", odd)
        assert live.read("shop", odd, odd) == Recent()

    def test_500_of_the_longest_ids_fit(self, live: LiveStore) -> None:
        odd = "漢" * 250
        events = [
            Event(f"{number:06}{odd}", odd, f"{number:06}{odd}", T0 + number, user="ada") for number in range(500)
        ]
        assert live.add("shop", events, keep=100, seconds=DAY) == [True] * 500
        assert [event.item[:6] for event in live.read("shop", "ada", None).events] == [
            f"{n:06}" for n in range(400, 500)
        ]

    def test_what_a_visitor_did_becomes_the_users_who_logs_in(self, live: LiveStore) -> None:
        # GIVEN an anonymous visitor
        add(live, event(1, session="v1"), event(2, session="v1"))
        assert items(live.read("shop", None, "v1")) == ["i1", "i2"]
        assert items(live.read("shop", "v1", None)) == ["i1", "i2"]  # Personalize's clients send a session as the user
        # WHEN they log in
        add(live, event(3, user="ada", session="v1"))
        # THEN their events are the user's, without the session too, each once with it
        assert items(live.read("shop", "ada", None)) == ["i1", "i2", "i3"]
        assert items(live.read("shop", "ada", "v1")) == ["i1", "i2", "i3"]
        # AND so are those that come late
        assert add(live, event(0, session="v1")) == [True]
        assert items(live.read("shop", "ada", None)) == ["i0", "i1", "i2", "i3"]

    def test_one_request_may_have_the_visit_and_the_login(self, live: LiveStore) -> None:
        assert add(live, event(2, user="ada", session="v1"), event(1, session="v1")) == [True, True]
        assert items(live.read("shop", "ada", None)) == ["i1", "i2"]

    def test_a_session_stays_the_first_users(self, live: LiveStore) -> None:
        add(live, event(1, session="v1"))
        add(live, event(2, user="ada", session="v1"))
        add(live, event(3, user="bob", session="v1"))
        assert items(live.read("shop", "bob", None)) == ["i3"]
        # AND deleting the second user leaves it
        live.delete_user("shop", "bob")
        assert items(live.read("shop", None, "v1")) == ["i1"]
        assert live.export_user("shop", "ada").sessions == ("v1",)

    def test_of_writers_at_once_one_gets_the_session_and_no_event_is_lost(self, live: LiveStore) -> None:
        add(live, event(0, session="v1"))
        # WHEN two users and the visitor act in the session at once, from eight threads
        events = [event(n, user=(None, "ada", "bob")[n % 3], session="v1") for n in range(1, 49)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda one: add(live, one), events)) == [[True]] * 48
        # THEN each user has their own events, and exactly one of them the visitor's
        read = {user: set(items(live.read("shop", user, None))) for user in ("ada", "bob")}
        anonymous = {"i0", *(one.item for one in events if one.user is None)}
        own = {user: {one.item for one in events if one.user == user} for user in read}
        assert all(own[user] <= read[user] for user in read)
        assert sorted(read[user] - own[user] == anonymous for user in read) == [False, True]
        assert sum(bool(read[user] & anonymous) for user in read) == 1
