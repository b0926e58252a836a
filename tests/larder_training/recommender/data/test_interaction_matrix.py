import numpy as np
import pytest

from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import (
    event_strengths,
    interaction_matrix,
    presence_matrix,
    seen_pairs,
)


def test_strengths_halve_per_half_life(small_log: EventLog) -> None:
    strengths = event_strengths(small_log, {"pay": 3.0}, 10 * DAY, half_life_days=5)
    assert strengths == pytest.approx([0.25, 3 * 0.5**1.6, 0.5**1.2, 0.5, 0.5**0.8, 3 * 0.5**0.4, 1.0])


def test_without_a_half_life_strengths_do_not_decay(small_log: EventLog) -> None:
    assert event_strengths(small_log, {}, 99 * DAY, None).tolist() == [1.0] * 7


def test_entries_grow_with_the_logarithm_of_the_sum(small_log: EventLog) -> None:
    found = interaction_matrix(small_log, event_strengths(small_log, {"pay": 3.0}, 0, None)).toarray()
    one = np.log(2)
    assert found == pytest.approx(np.array([[np.log(5), one, one, 0, 0], [0, one, one, 0, 0], [0, 0, 0, np.log(4), 0]]))


def test_presence_is_the_strongest_event_of_a_pair(small_log: EventLog) -> None:
    found = presence_matrix(small_log, np.array([0.5, 0.2, 0.1, 0.4, 0.3, 0.0, 0.7])).toarray()
    assert found.tolist() == [[0.5, 0.1, 0.7, 0, 0], [0, 0.4, 0.3, 0, 0], [0, 0, 0, 0, 0]]


def test_seen_pairs(small_log: EventLog) -> None:
    assert seen_pairs(small_log).toarray().astype(int).tolist() == [[1, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]]
