import numpy as np
import pytest
import scipy.sparse as sp

from larder.recommender.segments import most_specific_first
from larder.release.serving import ProfileColumn
from larder_training.recommender.data.columns.profiles import LabelPairs, Profiles
from larder_training.recommender.models.segment_popularity import MIN_USERS, Segments, segment_rows, segment_users

USERS = 60


@pytest.fixture
def segments() -> Segments:
    """Sixty users: forty in Berlin, twenty in Rome, one of them without events; ages 10 and 30 alternate."""
    cities = ["Berlin"] * 40 + ["Rome"] * 20
    ages = [10.0, 30.0] * 30
    profiles = Profiles(
        [f"u{n}" for n in range(USERS)],
        {"CITY": cities, "AGE": ages},
        {"CITY": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0,))},
        {"CITY": np.array([0] * 40 + [1] * 20, np.int32), "AGE": np.array([0, 1] * 30, np.int32)},
    )
    known = np.ones(USERS, bool)
    known[59] = False
    return segment_users(known, profiles, np.arange(USERS))


def test_segments_need_enough_users(segments: Segments) -> None:
    """GIVEN 19 users with events in Rome and 40 in Berlin, 20 of each age THEN only Berlin is a segment."""
    assert MIN_USERS == 20
    assert segments.texts == [
        "",
        "AGE=(-inf,18)",
        "AGE=[18,inf)",
        "CITY=Berlin",
        "AGE=(-inf,18)|CITY=Berlin",
        "AGE=[18,inf)|CITY=Berlin",
    ]
    assert segments.sets == (("AGE", "CITY"), ("AGE",), ("CITY",))
    assert segments.sizes.tolist() == [59, 30, 29, 40, 20, 20]
    assert segments.of_profile[[0, 1, 58, 59]].tolist() == [4, 5, 1, 2]


def test_a_row_is_the_smoothed_share_of_users(segments: Segments) -> None:
    """GIVEN item 0 of all users, item 1 of Berlin only, item 2 without users."""
    present = np.zeros((USERS, 3))
    present[:59, 0] = 0.5
    present[:40, 1] = 0.4
    rows = segment_rows(sp.csr_array(present), segments, prior_users=10)
    assert rows.items[0].tolist() == [0, 1, 0xFFFFFFFF]
    assert rows.scores[0, 1] == pytest.approx((40 * 0.4 / 59) / 0.5, rel=1e-3)
    berlin = (40 * 0.4 + 10 * (40 * 0.4 / 59)) / (40 + 10)
    assert rows.scores[3, :2] == pytest.approx([1.0, berlin / 0.5], rel=1e-3)


def test_with_a_model_a_row_is_the_smoothed_mean_of_its_scores(segments: Segments) -> None:
    present = sp.csr_array(np.random.default_rng(0).random((USERS, 3)))
    model = sp.csr_array([[0.0, 0.5, 0.0], [0.2, 0.0, 0.0], [0.0, 0.7, 0.1]])
    rows = segment_rows(present, segments, 10, model=model)
    expected = segment_rows(sp.csr_array(present @ model), segments, 10)
    assert rows.items.tolist() == expected.items.tolist()
    assert rows.scores == pytest.approx(expected.scores, rel=2e-3)
    assert rows.items.tolist() != segment_rows(present, segments, 10).items.tolist()


def test_without_profiles_all_users_are_one_segment() -> None:
    segments = segment_users(np.array([True, False, True]), None, None)
    assert segments.texts == [""]
    assert segments.sets == ()
    assert segments.members.toarray().tolist() == [[1, 0, 1]]


def test_a_user_with_several_values_is_in_the_segments_of_each() -> None:
    """GIVEN forty users who like tea, twenty of them also jazz, and ages that alternate."""
    likes: list[object] = ["tea|jazz", "tea"] * 20
    pairs = LabelPairs.of(likes)
    assert pairs.texts == ["jazz", "tea"]
    profiles = Profiles(
        [f"u{n}" for n in range(40)],
        {"LIKES": likes, "AGE": [10.0, 30.0] * 20},
        {"LIKES": ProfileColumn("category"), "AGE": ProfileColumn("number", (18.0,))},
        {"LIKES": np.array([1, 1] * 20, np.int32), "AGE": np.array([0, 1] * 20, np.int32)},
        {"LIKES": pairs},
    )
    segments = segment_users(np.ones(40, bool), profiles, np.arange(40))

    assert dict(zip(segments.texts, segments.sizes.tolist(), strict=True)) == {
        "": 40,
        "AGE=(-inf,18)": 20,
        "AGE=[18,inf)": 20,
        "LIKES=jazz": 20,
        "LIKES=tea": 40,
        "AGE=(-inf,18)|LIKES=jazz": 20,
        "AGE=(-inf,18)|LIKES=tea": 20,
        "AGE=[18,inf)|LIKES=tea": 20,
    }
    # As in serving, the first value of the cell has priority.
    for row in range(2):
        names = most_specific_first(segments.sets, profiles.profile(row), profiles.specification)
        expected = next(name for name in names if name in segments.texts)
        assert segments.texts[segments.of_profile[row]] == expected
    assert segments.texts[segments.of_profile[0]] == "AGE=(-inf,18)|LIKES=tea"
