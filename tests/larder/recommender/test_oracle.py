"""Random tables, weights and queries compared with the formula of ARCHITECTURE.md on dense arrays.

Scores are multiples of 1/64 and weights powers of two, so that every sum is exact in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from larder.recommender import Query, Recommender

OpenShop = Callable[..., Recommender]
Slots = list[tuple[int, float]]


@dataclass(frozen=True)
class World:
    """A shop of ``items`` items and one query, as item numbers; the user lives in city B."""

    items: int
    neighbours: list[Slots]
    transitions: list[Slots] | None
    users: dict[str, Slots]
    segments: dict[str, Slots]
    weights: tuple[float, float, float]
    transition: float
    revisit: float
    decay: float
    transition_decay: float
    revisit_decay: float
    length: int
    user: str
    session: list[int]
    exclude: set[int]
    include_seen: bool | None
    age: int
    n: int
    allowed: set[int]


def rows(items: int, width: int, low: int) -> st.SearchStrategy[Slots]:
    numbers = st.lists(st.integers(0, items - 1), max_size=width, unique=True)
    return numbers.flatmap(
        lambda chosen: st.lists(st.integers(low, 32), min_size=len(chosen), max_size=len(chosen)).map(
            lambda scores: [
                (item, score / 64) for item, score in zip(chosen, sorted(scores, reverse=True), strict=True)
            ]
        )
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    items = draw(st.integers(2, 9))
    number = st.integers(0, items - 1)
    decay = st.sampled_from([0.0, 0.5, 1.0])
    power = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
    keys = draw(st.sets(st.sampled_from(["CITY=B", "CITY=B|AGE=[18,35)", "CITY=B|AGE=(-inf,18)"])))
    return World(
        items=items,
        neighbours=[draw(rows(items, 4, -16)) for _ in range(items)],
        transitions=draw(st.none() | st.just([draw(rows(items, 4, 1)) for _ in range(items)])),
        users={"u": draw(rows(items, 3, 1))},
        segments={key: draw(rows(items, 5, 1)) for key in sorted({"", *keys})},
        weights=(draw(power), draw(power), draw(power)),
        transition=draw(power),
        revisit=draw(power),
        decay=draw(decay),
        transition_decay=draw(decay),
        revisit_decay=draw(decay),
        length=draw(st.integers(1, 4)),
        user=draw(st.sampled_from(["u", "unknown"])),
        session=draw(st.lists(number, max_size=6)),
        exclude=draw(st.sets(number, max_size=3)),
        include_seen=draw(st.sampled_from([None, None, True, False])),
        age=draw(st.integers(10, 40)),
        n=draw(st.integers(1, 12)),
        allowed=draw(st.sets(number)),
    )


def texts(world: World) -> list[str]:
    bins = "(-inf,18)" if world.age < 18 else "[18,35)" if world.age < 35 else "[35,inf)"
    return [text for text in (f"CITY=B|AGE={bins}", "CITY=B", "") if text in world.segments]


def dense(slots: Slots, items: int) -> NDArray[np.float64]:
    row = np.zeros(items)
    for item, score in slots:
        row[item] = score
    return row


def contributions(world: World) -> NDArray[np.float64]:
    """[4, items]: the contributions of the user's row, the session, repeat consumption and the segment."""
    nothing: list[Slots] = [[]] * world.items
    neighbours, transitions = (
        np.stack([dense(slots, world.items) for slots in table])
        for table in (world.neighbours, world.transitions or nothing)
    )
    newest_first = list(enumerate(world.session[::-1][: world.length]))

    def summed(weight: float, decay: float, table: NDArray[np.float64]) -> NDArray[np.float64]:
        return sum((weight * decay**k * table[i] for k, i in newest_first), np.zeros(world.items))

    user_weight, session_weight, segment_weight = world.weights
    return np.stack(
        [
            user_weight * dense(world.users.get(world.user, []), world.items),
            summed(session_weight, world.decay, neighbours)
            + summed(world.transition, world.transition_decay, transitions),
            summed(world.revisit, world.revisit_decay, np.eye(world.items)),
            segment_weight * dense(world.segments[texts(world)[0]], world.items),
        ]
    )


def expected(world: World, totals: NDArray[np.float64]) -> list[int]:
    """Items with positive scores in order, ties by number; then the rows of the segments, in their order."""
    order = [int(item) for item in np.lexsort((np.arange(world.items), -totals)) if totals[item] > 0]
    for text in texts(world):
        order += [item for item, _ in world.segments[text] if item not in order]
    shown = world.revisit > 0 if world.include_seen is None else world.include_seen
    taken = world.exclude | (set() if shown else set(world.session))
    return [item for item in order if item not in taken][: world.n]


def open_world(open_shop: OpenShop, world: World) -> tuple[Recommender, Query]:
    shop = open_shop(
        neighbours=world.neighbours,
        transitions=world.transitions,
        more_weights={"revisit": world.revisit, **({"transition": world.transition} if world.transitions else {})},
        transition_decay=world.transition_decay,
        revisit_decay=world.revisit_decay,
        users=world.users,
        segments=world.segments,
        widths=(4, 5, 5),
        ids=[f"i{item}" for item in range(world.items)],
        columns={"KIND": ("category", ["yes" if item in world.allowed else "no" for item in range(world.items)])},
        weights=world.weights,
        session_decay=world.decay,
        session_length=world.length,
    )
    query = Query(
        user=world.user,
        session=[f"i{item}" for item in world.session],
        exclude=[f"i{item}" for item in world.exclude],
        include_seen=world.include_seen,
        profile={"CITY": "B", "AGE": world.age},
        n=world.n,
    )
    return shop, query


@settings(max_examples=150)
@given(worlds())
def test_recommendations_match_the_formula(open_shop: OpenShop, world: World) -> None:
    shop, query = open_world(open_shop, world)
    parts = contributions(world)
    totals = parts.sum(axis=0)

    answer = shop.recommend(query)

    assert answer.ids() == [f"i{item}" for item in expected(world, totals)]
    for item in answer.items:
        number = int(item.id[1:])
        assert item.score == totals[number]
        assert item.because is not None
        best = int(parts[:, number].argmax())
        sources = ("user", "session", "revisit", "segment")
        assert item.because.source == (sources[best] if parts[best, number] > 0 else "segment")


@settings(max_examples=100)
@given(worlds())
def test_ranking_all_items_gives_all_totals(open_shop: OpenShop, world: World) -> None:
    shop, query = open_world(open_shop, world)
    totals = contributions(world).sum(axis=0)

    answer = shop.rank(query, [f"i{item}" for item in range(world.items)])

    order = np.argsort(-totals, kind="stable")
    assert [(item.id, item.score) for item in answer.items] == [(f"i{item}", totals[item]) for item in order]


@settings(max_examples=100)
@given(worlds())
def test_a_filter_only_removes_items(open_shop: OpenShop, world: World) -> None:
    shop, query = open_world(open_shop, world)
    everything = shop.recommend(replace(query, n=500)).items

    filtered = shop.recommend(replace(query, filter='EXCLUDE ItemID WHERE Items.KIND IN ("no")')).items

    assert filtered == tuple(item for item in everything if int(item.id[1:]) in world.allowed)[: world.n]
