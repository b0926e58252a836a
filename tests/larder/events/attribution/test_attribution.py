"""Answers and events of a log become the counts of what recommendations earned, exactly."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.toys.event_rows import DAY

from larder.errors import InvalidRequest, StoreError
from larder.events.attribution.document import (
    EXPRESSION,
    OTHER,
    Place,
    TypeCount,
    TypeTotal,
    dump_attribution,
    parse_attribution,
)
from larder.events.attribution.metrics import metric_documents
from larder.events.attribution.report import BY, check_days, earned_by, last_days, read_attribution, wilson
from larder.events.attribution.update import attribute, attribute_day
from larder.events.base import LogRow
from larder.events.log.compaction import compact
from larder.events.log.deletions import request_deletion
from larder.events.log.forgetting import forget
from larder.events.log.parts import write_parts
from larder.events.settings import AttributionMetric
from larder.release.keys import attribution_key
from larder.store import Store, open_store

HOUR = 3600.0
FIRST, SECOND, THIRD = "2026-12-01", "2026-12-02", "2026-12-03"
RELEASES = ("20261130t000000z-aaaaaaaa", "20261130t120000z-bbbbbbbb")


def answer(number: int, *items: str, time: float = 0.0, model: str = "shop", **columns: object) -> LogRow:
    """The answer ``r<number>`` of the first release, ``time`` seconds after the first day began."""
    row: dict[str, object] = {
        "RECOMMENDATION_ID": f"r{number}",
        "RELEASE": RELEASES[0],
        "TIMESTAMP": DAY + time,
        "USER_ID": "ann",
        "ITEMS": [[item, "session"] for item in items],
    }
    return LogRow(model, "recommendations", row | columns)


def event(number: int, answered: int, item: str, *, time: float = 60.0, type_: str = "click", **more: object) -> LogRow:
    """The event ``e<number>`` with an item that names the answer ``r<answered>``."""
    row: dict[str, object] = {
        "EVENT_ID": f"e{number}",
        "USER_ID": "ann",
        "ITEM_ID": item,
        "EVENT_TYPE": type_,
        "TIMESTAMP": DAY + time,
        "RECOMMENDATION_ID": f"r{answered}",
    }
    return LogRow("shop", "events", row | more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/store")


def logged(store: Store, *rows: LogRow) -> list[str]:
    """Write rows to the log, compact it, and count; returns the days that were made."""
    write_parts(store, rows)
    compact(store)
    made = attribute(store)
    assert (made.problems, made.remaining) == ([], 0)
    return made.days


def totals(store: Store, last: str = THIRD) -> tuple[int, dict[str, TypeCount]]:
    """Impressions and events of all releases together."""
    groups = earned_by(read_attribution(store, "shop", FIRST, last), "release").values()
    events: dict[str, TypeCount] = {}
    for earned in groups:
        for name, count in earned.events.items():
            events.setdefault(name, TypeCount()).add(count)
    return sum(earned.impressions for earned in groups), events


def test_clicks_and_purchases_are_counted_by_release_source_position_and_filter(store: Store) -> None:
    items = [["mug", "session"], ["lamp", "popular"], ["kettle", None]]
    rows = [
        answer(1, ITEMS=items, FILTER="@in-stock"),
        answer(2, ITEMS=items, RELEASE=RELEASES[1], FILTER='EXCLUDE ItemID WHERE Items.MAKER IN ("ann")'),
        answer(3, "pan", ITEMS_BEFORE=2),
        event(1, 1, "lamp"),
        event(2, 1, "lamp"),
        event(3, 1, "lamp", type_="Purchase", EVENT_VALUE=12.5),
        event(4, 2, "kettle"),
        event(5, 3, "pan"),
    ]

    assert logged(store, *rows) == [f"shop/{FIRST}"]

    days = read_attribution(store, "shop", FIRST, FIRST)
    assert days[0].places[Place(RELEASES[0], "popular", 2, "in-stock")].events == {
        "click": TypeCount(1, 2, 0.0),
        "purchase": TypeCount(1, 1, 12.5),
    }
    clicked = {
        by: {
            name: (earned.impressions, earned.events.get("click", TypeCount()).impressions)
            for name, earned in earned_by(days, by).items()
        }
        for by in BY
    }
    assert clicked == {
        "release": {RELEASES[0]: (4, 2), RELEASES[1]: (3, 1)},
        "source": {"session": (3, 1), "": (2, 1), "popular": (2, 1)},
        "position": {"1": (2, 0), "2": (2, 1), "3": (3, 2)},
        "filter": {EXPRESSION: (3, 1), "in-stock": (3, 1), "": (1, 1)},
    }


@pytest.mark.parametrize(
    ("late", "counts"),
    [(24 * HOUR, True), (24 * HOUR + 1, False), (-HOUR, True), (-13 * HOUR, False)],
)
def test_an_event_counts_from_its_answers_day_to_a_day_later(store: Store, late: float, *, counts: bool) -> None:
    noon = 12 * HOUR
    logged(store, answer(1, "mug", time=noon), event(1, 1, "mug", time=noon + late))
    assert totals(store) == (1, {"click": TypeCount(1, 1, 0.0)} if counts else {})


def test_what_is_not_of_an_answer_of_the_model_is_not_attributed(store: Store) -> None:
    rows = [
        answer(1, "mug"),
        answer(2, "mug", model="market"),
        event(1, 2, "mug"),  # the answer of another model
        event(2, 9, "mug"),  # of none
        event(3, 1, "lamp"),  # an item that the answer does not have
    ]
    logged(store, *rows, replace(event(4, 1, "mug"), model="market"))
    assert totals(store) == (1, {})


def test_an_event_that_comes_twice_counts_once_also_on_two_days(store: Store) -> None:
    # GIVEN an event in two parts, and again with a time of the next day
    logged(store, answer(1, "mug", time=20 * HOUR), event(1, 1, "mug", time=21 * HOUR, EVENT_VALUE=2.0))
    logged(store, event(1, 1, "mug", time=21 * HOUR, EVENT_VALUE=2.0), event(1, 1, "mug", time=25 * HOUR))
    assert totals(store) == (1, {"click": TypeCount(1, 1, 2.0)})


def test_only_days_whose_rows_changed_are_made_again(store: Store) -> None:
    # GIVEN a day that is counted
    assert logged(store, answer(1, "mug", time=20 * HOUR)) == [f"shop/{FIRST}"]
    assert logged(store) == []

    # WHEN a click of the next day comes THEN both days are made
    assert logged(store, event(1, 1, "mug", time=30 * HOUR)) == [f"shop/{FIRST}", f"shop/{SECOND}"]
    assert totals(store) == (1, {"click": TypeCount(1, 1, 0.0)})

    # WHEN a run ended between the compaction and the counting THEN the next one finds it
    write_parts(store, [event(2, 1, "mug", time=31 * HOUR)])
    compact(store)
    assert logged(store) == [f"shop/{FIRST}", f"shop/{SECOND}"]
    assert totals(store) == (1, {"click": TypeCount(1, 2, 0.0)})


def test_a_removed_user_does_not_count_and_no_document_names_one(store: Store) -> None:
    logged(store, answer(1, "mug"), answer(2, "mug", USER_ID="bob"), event(1, 1, "mug"))
    assert totals(store)[0] == 2
    request_deletion(store, "ann", ["shop"], live=None, now=DAY + HOUR)
    forget(store)

    assert logged(store) == [f"shop/{FIRST}"]

    assert totals(store) == (1, {})
    data = store.get(attribution_key("shop", FIRST)).data
    assert b"ann" not in data
    assert b"bob" not in data


def test_a_damaged_document_is_named_and_made_again(store: Store) -> None:
    logged(store, answer(1, "mug"))
    for damage in (
        b"",
        b"[]",
        b'{"format": 2}',
        b'{"format": 1, "day": "x", "read": {}, "places": [[1]], "sources": {}}',
    ):
        store.put(attribution_key("shop", FIRST), damage)
        with pytest.raises(StoreError, match=r"logs/shop/attribution/2026-12-01\.json"):
            read_attribution(store, "shop", FIRST, FIRST)
        assert logged(store) == [f"shop/{FIRST}"]
    assert totals(store)[0] == 1


def test_a_damaged_day_is_a_problem_and_the_others_are_made(store: Store) -> None:
    logged(store, answer(1, "mug"), answer(2, "mug", time=48 * HOUR))
    store.put(f"logs/shop/recommendations/{FIRST}.jsonl.gz", b"not gzip")
    store.delete(attribution_key("shop", THIRD))

    made = attribute(store)

    assert made.days == [f"shop/{THIRD}"]
    assert "not intact gzip" in made.problems[0]


def test_a_run_without_time_makes_one_day_and_says_what_remains(store: Store) -> None:
    write_parts(store, [answer(1, "mug"), answer(2, "mug", time=48 * HOUR)])
    compact(store)
    first = attribute(store, seconds_left=lambda: 1.0)
    assert (first.days, first.remaining) == ([f"shop/{FIRST}"], 1)
    assert attribute(store).days == [f"shop/{THIRD}"]


def test_events_that_name_a_source_and_no_recommendation_count_for_it(store: Store) -> None:
    newsletter: dict[str, Any] = {"RECOMMENDATION_ID": None, "EVENT_ATTRIBUTION_SOURCE": "newsletter"}
    rows = [
        answer(1, "mug"),
        event(1, 1, "mug", type_="purchase", EVENT_VALUE=3.0, EVENT_ATTRIBUTION_SOURCE="newsletter"),
        event(2, 0, "mug", type_="Purchase", EVENT_VALUE=2.5, **newsletter),
        event(3, 0, "lamp", type_="purchase", EVENT_VALUE=2.0, **newsletter),
        event(4, 0, "lamp", type_="purchase", time=30 * HOUR, **newsletter),
        event(5, 0, "lamp", type_="purchase", RECOMMENDATION_ID=None, EVENT_VALUE=9.0),
        event(6, 9, "lamp", type_="purchase", EVENT_VALUE=9.0),  # of an unknown recommendation
    ]
    metrics = [AttributionMetric("revenue", "Purchase", "SUM"), AttributionMetric("orders", "purchase", "COUNT")]

    logged(store, *rows, *rows)

    # THEN each event counts once, for who showed the item, on its day
    days = read_attribution(store, "shop", FIRST, SECOND)
    assert [day.sources for day in days] == [
        {"newsletter": {"purchase": TypeTotal(2, 4.5)}},
        {"newsletter": {"purchase": TypeTotal(1, 0.0)}},
    ]
    assert [document["values"] for document in metric_documents(days, metrics)] == [
        {RELEASES[0]: 3.0, "newsletter": 4.5},
        {RELEASES[0]: 1.0, "newsletter": 3.0},
    ]


def test_sources_of_a_day_are_bounded(store: Store) -> None:
    logged(
        store,
        *(
            event(number, 0, "mug", RECOMMENDATION_ID=None, EVENT_ATTRIBUTION_SOURCE=f"source-{number}")
            for number in range(110)
        ),
    )
    sources = read_attribution(store, "shop", FIRST, FIRST)[0].sources
    assert (len(sources), sources[OTHER]["click"]) == (101, TypeTotal(10, 0.0))


def test_names_and_positions_of_a_day_are_bounded(store: Store) -> None:
    many = [answer(number, "mug", FILTER=f"@filter-{number}") for number in range(30)]
    long = answer(99, *(f"i{number}" for number in range(60)))
    clicks = [event(number, 0, "mug", type_=f"type-{number}") for number in range(60)]

    logged(store, *many, long, *clicks)

    days = read_attribution(store, "shop", FIRST, FIRST)
    filters, positions = earned_by(days, "filter"), earned_by(days, "position")
    assert (len(filters), filters[OTHER].impressions) == (22, 10)  # 20, the rest and none
    assert (len(positions), positions["51+"].impressions) == (51, 10)
    assert len(totals(store)[1]) == 51


def test_a_document_survives_and_odd_values_count_as_none(store: Store) -> None:
    odd = [event(number, 1, "mug", EVENT_VALUE=value) for number, value in enumerate(("12", 1e300, None, True))]
    logged(store, answer(1, "mug"), *odd)
    key = attribution_key("shop", FIRST)
    day = parse_attribution(store.get(key).data, key)
    assert dump_attribution(day) == store.get(key).data
    assert totals(store) == (1, {"click": TypeCount(1, 4, 0.0)})


def test_days_of_a_request() -> None:
    assert check_days("2026-11-01", "2026-11-30") == ("2026-11-01", "2026-11-30")
    assert check_days(None, "2026-11-30") == ("2026-11-03", "2026-11-30")
    assert check_days(None, None) == last_days(28)
    for first, last in (("2026-12-01", "2026-11-30"), ("2026-01-01", "2026-11-30"), ("today", None), (None, "x")):
        with pytest.raises(InvalidRequest):
            check_days(first, last)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_interval_is_the_shares_that_the_data_do_not_reject(trials: int, part: float) -> None:
    """Its ends are the shares p with |share - p| = 1.96 standard errors under p, which is how Wilson defines it."""
    successes = round(part * trials)
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    for end in (low, high):
        error = 1.959964 * (end * (1 - end) / trials) ** 0.5
        assert end in {0.0, 1.0} or abs(successes / trials - end) == pytest.approx(error, abs=1e-9)


# ---------------------------------------------------------------------------------------------- Against an oracle

ITEMS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4, unique=True)
TIMES = st.integers(0, 71).map(lambda hour: hour * HOUR + 1)
ANSWERS = st.lists(
    st.tuples(st.sampled_from(RELEASES), ITEMS, TIMES, st.sampled_from([None, "@sale", "INCLUDE ItemID WHERE x"])),
    max_size=6,
)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 12),  # its number: some come twice
        st.integers(0, 7),  # the answer: some do not exist
        st.sampled_from(["a", "b", "c", "d", "z"]),
        TIMES,
        st.sampled_from(["click", "cart", "PURCHASE"]),
        st.sampled_from([None, 0.25, 3]),
    ),
    max_size=25,
)


def expected(answers: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Any]:
    """Impressions, and events, impressions and value by type, of each place and day: straight from the definition."""
    impressions: Counter[tuple[Any, ...]] = Counter()
    hits: defaultdict[tuple[Any, ...], list[tuple[str, str, float]]] = defaultdict(list)
    for shown in answers:
        day = int(shown["TIMESTAMP"] - DAY) // 86400
        in_time = [row for row in events if day <= int(row["TIMESTAMP"] - DAY) // 86400 <= day + 1]
        in_time.sort(key=lambda row: cast("float", row["TIMESTAMP"]), reverse=True)
        once = {row["EVENT_ID"]: row for row in in_time}  # the earliest
        for position, (item, source) in enumerate(shown["ITEMS"], 1):
            text = shown.get("FILTER")
            name = "" if text is None else text[1:] if text.startswith("@") else "(expression)"
            place = (day, shown["RELEASE"], source, position, name)
            impressions[place] += 1
            hits[place] += [
                (row["EVENT_TYPE"].lower(), shown["RECOMMENDATION_ID"], row.get("EVENT_VALUE") or 0.0)
                for row in once.values()
                if row["RECOMMENDATION_ID"] == shown["RECOMMENDATION_ID"]
                and row["ITEM_ID"] == item
                and row["TIMESTAMP"] - shown["TIMESTAMP"] <= 86400
            ]
    return {
        place: (
            count,
            {
                type_: (
                    sum(hit[0] == type_ for hit in hits[place]),
                    len({hit[1] for hit in hits[place] if hit[0] == type_}),
                    sum(hit[2] for hit in hits[place] if hit[0] == type_),
                )
                for type_ in {hit[0] for hit in hits[place]}
            },
        )
        for place, count in impressions.items()
    }


@given(answers=ANSWERS, events=EVENTS, cut=st.integers(0, 30))
def test_counts_are_those_of_the_definition(
    answers: list[tuple[str, list[str], float, str | None]],
    events: list[tuple[int, int, str, float, str, float | None]],
    cut: int,
) -> None:
    # GIVEN a log of three days whose rows come in two halves, some of them in both
    shown = [
        answer(number, *items, time=time, RELEASE=release, **({"FILTER": text} if text else {}))
        for number, (release, items, time, text) in enumerate(answers)
    ]
    # One id is one event: of its rows, which may have any time, the log has the earliest of each day.
    first = {(one[0], one[3] // 86400): one for one in sorted(events, key=str)}
    happened = [
        event(number, answered, item, time=time, type_=type_, **({"EVENT_VALUE": value} if value is not None else {}))
        for number, answered, item, time, type_, value in first.values()
    ]
    rows = [*shown, *happened]
    store = open_store("memory://")
    logged(store, *rows[:cut])
    logged(store, *rows[max(0, cut - 3) :])

    found = {
        ((["2026-12-01", "2026-12-02", "2026-12-03"].index(day.day)), *place): (
            earned.impressions,
            {name: (count.events, count.impressions, count.value) for name, count in earned.events.items()},
        )
        for day in read_attribution(store, "shop", FIRST, THIRD)
        for place, earned in day.places.items()
    }

    assert found == expected([row.row for row in shown], [row.row for row in happened])


def test_a_day_is_made_alone(store: Store) -> None:
    write_parts(store, [answer(1, "mug")])
    compact(store)
    assert attribute_day(store, "shop", FIRST).read == {
        f"logs/shop/recommendations/{FIRST}.jsonl.gz": store.get(f"logs/shop/recommendations/{FIRST}.jsonl.gz").etag,
        f"logs/shop/events/{FIRST}.jsonl.gz": "",
        f"logs/shop/events/{SECOND}.jsonl.gz": "",
    }
