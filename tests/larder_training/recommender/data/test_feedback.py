"""Returns, ratings and dwell time against values computed by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import Feedback, RecommenderOptions
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.feedback import dwell_factors, dwell_seconds, event_factors, with_feedback
from larder_training.recommender.data.interaction_matrix import event_strengths, interaction_matrix, presence_matrix
from larder_training.recommender.splits.tasks import next_items

MakeLog = Callable[..., EventLog]
LOG2 = np.log(2)


@pytest.fixture
def shop_log(make_log: MakeLog) -> EventLog:
    """Ann buys a and b and sends b back; Bob rates a and c; Cid buys b twice and sends one back."""
    log = make_log(
        [
            ("ann", "a", 0, "pay"),
            ("ann", "b", 1, "pay"),
            ("ann", "b", 2, "return"),
            ("bob", "a", 3, "review"),
            ("bob", "c", 4, "review"),
            ("cid", "b", 5, "pay"),
            ("cid", "b", 6, "pay"),
            ("cid", "b", 7, "return"),
        ]
    )
    value = np.array([np.nan, np.nan, np.nan, 5, 2, np.nan, np.nan, np.nan], np.float32)
    return replace(log, value=value)


def strengths(log: EventLog) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return event_strengths(log, {}, 100, None)


def test_a_return_cancels_one_purchase(shop_log: EventLog) -> None:
    log = with_feedback(shop_log, Feedback(returns=("return",)))
    found = interaction_matrix(log, strengths(log)).toarray()
    assert found == pytest.approx(np.array([[LOG2, 0, 0], [LOG2, 0, LOG2], [0, LOG2, 0]]))
    assert presence_matrix(log, strengths(log)).toarray().tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_an_event_value_below_0_is_a_return_without_options(shop_log: EventLog) -> None:
    log = with_feedback(replace(shop_log, value=np.where(shop_log.event == 1, np.float32(-1), np.nan)), Feedback())
    assert log.factor is not None
    assert log.factor.tolist() == [1, 1, -1, 1, 1, 1, 1, -1]


def test_ratings_are_scaled_to_minus_1_to_1(shop_log: EventLog) -> None:
    feedback = Feedback(scales={"review": (1.0, 5.0)})
    assert event_factors(shop_log, feedback).tolist() == [1, 1, 1, 1, -0.5, 1, 1, 1]
    beyond = replace(shop_log, value=np.array([np.nan, np.nan, np.nan, 9, np.nan, 1, 1, 1], np.float32))
    assert event_factors(beyond, feedback)[[3, 4]].tolist() == [1, 0]
    log = with_feedback(shop_log, feedback)
    assert interaction_matrix(log, strengths(log)).toarray()[1] == pytest.approx([LOG2, 0, 0])


def test_a_return_is_not_a_relevant_item(shop_log: EventLog) -> None:
    log = with_feedback(shop_log, Feedback(returns=("return",)))
    task = next_items(log.between(0, 6), log.between(6, 8))
    assert task.truth.toarray().astype(int).tolist() == [[0, 1, 0]]
    only_returned = next_items(log.between(0, 7), log.between(7, 8))
    assert only_returned.users.tolist() == []


def test_dwell_is_the_time_to_the_user_s_next_event_in_the_session(make_log: MakeLog) -> None:
    log = make_log(
        [
            ("ann", "a", 0, "view"),
            ("bob", "a", 10, "view"),
            ("ann", "b", 30, "view"),
            ("ann", "c", 30, "view"),  # as the event before it, until the next second with an event
            ("ann", "a", 90, "view"),
            ("ann", "b", 90 + 1800, "view"),
            ("ann", "c", 90 + 1800 + 1801, "view"),  # after a pause that ends the session
        ]
    )
    expected = [30, np.nan, 60, 60, 1800, np.nan, np.nan]
    assert dwell_seconds(log) == pytest.approx(np.array(expected), nan_ok=True)


def test_half_a_minute_has_factor_1() -> None:
    seconds = np.array([0, 30, 90, 1800, np.nan], np.float32)
    assert dwell_factors(seconds) == pytest.approx([0, 1, 2, np.log2(61), 1])


def test_only_named_types_have_a_duration_known_before_the_cutoff(make_log: MakeLog) -> None:
    """GIVEN a view whose next event is after the cutoff THEN its duration is unknown."""
    log = make_log(
        [("ann", "a", 0, "view"), ("ann", "b", 90, "pay"), ("ann", "c", 120, "view"), ("ann", "a", 150, "pay")]
    )
    timed = with_feedback(log, Feedback(dwell=("view",)))
    assert event_strengths(timed, {}, 1000, None).tolist() == [2, 1, 1, 1]
    before = timed.between(0, 125)
    assert event_strengths(before, {"view": 2.0}, 125, None).tolist() == [4, 1, 2]
    assert event_strengths(timed.between(0, 50), {}, 50, None).tolist() == [1]


def test_a_log_without_feedback_does_not_change(small_log: EventLog) -> None:
    log = with_feedback(small_log, Feedback())
    assert log.factor is None
    assert log.dwell is None
    assert log.wanted() is log


@pytest.mark.parametrize(
    "feedback", [Feedback(returns=("back",)), Feedback(scales={"back": (1, 5)}), Feedback(dwell=("back",))]
)
def test_a_type_without_an_event_is_an_error(small_log: EventLog, feedback: Feedback) -> None:
    with pytest.raises(
        InvalidRequest, match=r"no event has the type 'back'\. Choose from the types of the log: pay, view"
    ):
        with_feedback(small_log, feedback)


def test_a_negative_weight_makes_a_type_a_return() -> None:
    options = RecommenderOptions("log.csv", "shop", event_weights={"pay": 2.0, "back": -3.0}, returns=("refund",))
    assert options.feedback.returns == ("back", "refund")
    assert options.strengths == {"pay": 2.0, "back": 3.0}


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9), st.booleans()), min_size=1),
    half_life=st.sampled_from([None, 1.0, 30.0]),
)
def test_the_matrices_have_no_negative_entry(rows: list[tuple[int, int, int, bool]], half_life: float | None) -> None:
    rows = sorted(rows, key=lambda row: row[2])
    user, item, day, back = (np.array(column) for column in zip(*rows, strict=True))
    log = EventLog(
        ["a", "b", "c", "d"],
        ["w", "x", "y", "z"],
        ["event"],
        user.astype(np.int32),
        item.astype(np.int32),
        np.zeros(len(rows), np.int16),
        day.astype(np.int64) * DAY,
        np.where(back, -1, 1).astype(np.float32),
    )
    log = with_feedback(log, Feedback())
    strength = event_strengths(log, {}, log.end, half_life)
    interactions, present = interaction_matrix(log, strength), presence_matrix(log, strength)
    sums = np.zeros((4, 4))
    np.add.at(sums, (log.user, log.item), strength)
    assert interactions.toarray() == pytest.approx(np.log1p(np.maximum(sums, 0)))
    assert (present.toarray() >= 0).all()
    assert ((present.toarray() > 0) <= (sums > -1e-12)).all()
