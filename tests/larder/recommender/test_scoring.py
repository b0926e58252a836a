"""The parts of a recommendation, one by one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.recommender import bin_text, segment_text
from larder.recommender.reasons import main_causes, matching_slots
from larder.recommender.scoring import Scores, best_first, split_user_row
from larder.recommender.segments import most_specific_first
from larder.release.serving import ProfileColumn
from larder.tables import Row

PROFILE = {
    "CITY": ProfileColumn("category"),
    "AGE": ProfileColumn("number", (18.0, 35.0)),
    "X": ProfileColumn("number"),
}


@pytest.mark.parametrize("count", [1, 7, 100, 1000])
def test_best_first_is_a_full_sort_for_any_count(count: int) -> None:
    chance = random.Random(1)
    totals = {number: chance.randrange(-20, 100) / 4 for number in chance.sample(range(10_000), 500)}

    best = list(best_first(totals, count))

    assert best == sorted((n for n in totals if totals[n] > 0), key=lambda n: (-totals[n], n))


@given(st.dictionaries(st.integers(0, 50), st.sampled_from([-1.0, 0.0, 0.5, 1.0])), st.integers(1, 20))
def test_best_first_leaves_out_items_without_a_positive_score(totals: dict[int, float], count: int) -> None:
    assert list(best_first(totals, count)) == sorted(
        (n for n in totals if totals[n] > 0), key=lambda n: (-totals[n], n)
    )


@pytest.mark.parametrize(
    ("user", "session", "segment", "source"),
    [
        (1, 1, 1, "user"),
        (0, 1, 1, "session"),
        (1, 2, 1, "session"),
        (1, 1, 2, "segment"),
        (-1, 0, 0, None),
        (-1, -1, 1, "segment"),
    ],
)
def test_of_equal_contributions_the_more_personal_is_the_main_source(
    user: float, session: float, segment: float, source: str | None
) -> None:
    scores = Scores(user={7: user}, session={7: session}, segment={7: segment})

    assert scores.main_sources([8, 7]) == [None, source]


@pytest.mark.parametrize(
    ("row", "recommended", "recent"),
    [
        (Row((1, 2, 3, 4), (0.5, 0.25, 0, 0)), (1, 2), (3, 4)),
        (Row((1, 2, 3), (0.5, 0, 0)), (1,), (2, 3)),  # fewer recommendations than slots
        (Row((1, 2), (0, 0)), (), (1, 2)),  # recent items without recommendations
        (Row((1, 2), (0.5, 0.25)), (1, 2), ()),
        (Row((1,), (0.5,)), (1,), ()),
        (Row((), ()), (), ()),
    ],
)
def test_a_users_row_is_split_into_recommendations_and_recent_items(
    row: Row, recommended: tuple[int, ...], recent: tuple[int, ...]
) -> None:
    first, last = split_user_row(row, 2)

    assert (first.items, last) == (recommended, recent)
    assert len(first.scores) == len(first.items)


def test_main_causes_are_the_three_largest_contributions() -> None:
    rows = [(number, weight, {9: 0.5, 8: -1.0}) for number, weight in ((1, 0.5), (2, 1), (3, 0.5), (4, 0.25))]

    assert main_causes({9, 8, 7}, rows) == {9: [2, 1, 3], 8: [], 7: []}


def test_contributions_of_an_item_with_two_rows_are_summed() -> None:
    rows = [(1, 1.0, {9: 0.5}), (2, 1.0, {9: 0.75}), (1, 0.5, {9: 1.0})]

    assert main_causes({9}, rows) == {9: [1, 2]}


def test_matching_slots_are_those_of_the_given_items() -> None:
    assert matching_slots(Row((4, 9, 2), (0.5, 0.25, 0.125)), {2, 4, 7}) == {4: 0.5, 2: 0.125}


@pytest.mark.parametrize(
    ("value", "edges", "text"),
    [
        (17.9, (18.0, 35.0), "(-inf,18)"),
        (18, (18.0, 35.0), "[18,35)"),
        (35.0, (18.0, 35.0), "[35,inf)"),
        (-1, (0.1, 1234567.0), "(-inf,0.1)"),
        (0.1, (0.1, 1234567.0), "[0.1,1234567.0)"),  # six digits would not distinguish it from its neighbours
        (5, (), "(-inf,inf)"),
    ],
)
def test_a_number_is_named_by_its_bin(value: float, edges: tuple[float, ...], text: str) -> None:
    assert bin_text(value, edges) == text


def test_a_segment_is_named_by_its_columns_in_order() -> None:
    profile: dict[str, str | float] = {"AGE": 20.0, "CITY": "Köln"}

    assert segment_text(("CITY", "AGE"), profile, PROFILE) == "CITY=Köln|AGE=[18,35)"
    assert segment_text(("AGE", "X"), profile, PROFILE) is None
    assert segment_text((), profile, PROFILE) == ""
    assert list(most_specific_first((("AGE", "X"), ("AGE",), ("CITY",)), profile, PROFILE)) == [
        "AGE=[18,35)",
        "CITY=Köln",
        "",
    ]
