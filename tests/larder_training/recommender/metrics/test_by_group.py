from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.metrics import by_group
from larder_training.recommender.metrics.by_group import by_history, by_segment, diversity
from larder_training.recommender.models.segment_popularity import Segments
from larder_training.recommender.splits.tasks import Task

MakeLog = Callable[..., EventLog]


def seen(rows: list[list[int]], items: int = 60) -> sp.csr_array:
    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = np.array([item for row in rows for item in row], np.int64)
    return sp.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(rows), items))


def task_of(users: int, items: int = 60) -> Task:
    truth = sp.csr_array((np.ones(users, bool), np.zeros(users, np.int64), np.arange(users + 1)), shape=(users, items))
    return Task(np.arange(users), truth, ((),) * users)


@pytest.fixture(autouse=True)
def _few_users_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_group, "MIN_USERS", 1)


def test_users_are_grouped_by_their_number_of_items() -> None:
    histories = seen([[0], [1, 2], [1, 2, 3, 4], list(range(5)), list(range(60))])
    groups = {name: rows.tolist() for name, rows in by_history(task_of(5), histories)}
    assert groups == {"1": [0], "2 to 4": [1, 2], "5 to 9": [3], "50 and more": [4]}


def test_the_largest_segments_come_first() -> None:
    texts = ["", "CITY=A", "CITY=B", "CITY=B|AGE=[1,2)"]
    members = sp.csr_array(np.array([[1, 1, 1, 1], [0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], np.float64))
    segments = Segments(texts, (), members, np.zeros(0, np.int64))
    groups = {name: rows.tolist() for name, rows in by_segment(task_of(4), segments)}
    assert groups == {"CITY=B": [0, 2], "CITY=A": [1]}
    assert list(groups) == ["CITY=B", "CITY=A"]


def test_diversity_is_one_minus_the_mean_cosine_of_pairs() -> None:
    # GIVEN items 0 and 1 with the same two users, item 2 with one of them and another user
    histories = seen([[0, 1, 2], [0, 1], [2]], items=4)
    assert diversity(np.array([[0, 1]]), histories) == pytest.approx(0)
    assert diversity(np.array([[0, 2]]), histories) == pytest.approx(0.5)
    assert diversity(np.array([[0, 3]]), histories) == pytest.approx(1)
    assert diversity(np.array([[0, 1, 2, -1]]), histories) == pytest.approx(1 - (1 + 0.5 + 0.5) / 3)
    assert diversity(np.array([[0, -1]]), histories) == 0
