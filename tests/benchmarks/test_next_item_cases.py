"""Next-item evaluation: cases by hand, ranks compared with a full sort, random ties, and the serving formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from next_item_models.cases import (
    Cases,
    every_next,
    leave_one_out,
    next_item_values,
    ranks,
)
from next_item_models.markov import Markov
from next_item_models.session_ensemble import SessionFormula, blend_tables
from tests.larder_training.recommender.models.test_models import toy, training_data
from tests.toys.event_log import event_log

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.models.co_visitation import CoVisitation


def two_users() -> EventLog:
    rows = [("ann", item, t, "view") for t, item in enumerate("abcd")] + [
        ("bob", "a", 9, "pay"),
        ("bob", "b", 10, "view"),
    ]
    return event_log(rows)


def test_leave_one_out_trains_on_neither_of_the_last_two_items() -> None:
    split = leave_one_out(two_users())
    assert split.validation.target.tolist() == [2]  # ann's c; bob has too few events
    assert split.test.target.tolist() == [3]
    assert split.validation.recent(0.5).toarray().tolist() == [[0.5, 1, 0, 0]]
    assert split.test.recent(0.5).toarray().tolist() == [[0.25, 0.5, 1, 0]]
    assert split.test.last_two().tolist() == [[1, 2]]
    assert sorted(zip(split.train.user.tolist(), split.train.item.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_every_next_has_a_case_for_each_event_but_the_first_of_a_sequence() -> None:
    cases = every_next(two_users())
    assert cases.target.tolist() == [1, 2, 3, 1]
    assert cases.last_two().tolist() == [[-1, 0], [0, 1], [1, 2], [-1, 0]]
    late = every_next(two_users(), since=3)
    assert late.target.tolist() == [3, 1]
    assert late.recent(1.0).sum(axis=1).tolist() == [3, 1]


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_ranks_equal_those_of_a_full_sort(hide: bool, dense: bool) -> None:
    cases = every_next(toy())
    random = np.random.default_rng(2)
    values = random.normal(size=(len(cases), cases.items)) * (random.random((len(cases), cases.items)) < 0.6)
    values[np.arange(len(cases)), cases.target] += 1e-3  # no other item ties with the target
    scores = values if dense else sp.csr_array(values)
    result = ranks(cases, lambda _: scores, hide)
    known = cases.recent(1.0).toarray() > 0
    for case, target in enumerate(cases.target):
        order = np.argsort(-np.where(known[case] & hide, -np.inf, values[case]), kind="stable")
        if not (hide and known[case, target]):
            assert order[result[case]] == target
        else:
            assert result[case] >= cases.items - known[case].sum()


def test_ranks_within_ties_are_uniform() -> None:
    # GIVEN scores that are all 0, and targets that are all item 0
    cases = Cases(10, np.zeros(4001, np.int64), np.zeros(4001, np.int64), np.zeros(4000, np.int64), np.arange(1, 4001))
    result = ranks(cases, lambda part: sp.csr_array((len(part), 10)), hide_known=False)
    # THEN all ranks are about equally frequent
    assert np.bincount(result, minlength=10).min() > 320
    assert result.tobytes() == ranks(cases, lambda part: sp.csr_array((len(part), 10)), hide_known=False).tobytes()


def test_metrics_of_known_ranks() -> None:
    values = next_item_values(np.array([0, 1, 2, 10]), 3)
    assert values["hit_rate@3"].tolist() == [1, 1, 1, 0]
    assert np.allclose(values["mrr@3"], [1, 1 / 2, 1 / 3, 0])
    assert np.allclose(values["ndcg@3"], [1, 1 / np.log2(3), 0.5, 0])


def test_the_formula_for_many_sessions_equals_the_formula_for_one() -> None:
    log = toy()
    cases = every_next(log)
    neighbours = CoVisitation(gaps=3).fit(training_data(log)).matrix
    transitions = Markov().fit(training_data(log)).matrix
    formula = SessionFormula(0.3, 1.1, 0.7, 0.9, 0.5, 0.8)
    scores = formula.scores(cases.recent, neighbours, transitions).toarray()
    for case in range(0, len(cases), 7):
        newest = cases.item[cases.start[case] : cases.end[case]][::-1].tolist()
        assert np.allclose(scores[case], formula.score_one(newest, neighbours.toarray(), transitions.toarray()))


def test_blended_tables_are_scaled_and_have_positive_entries_only() -> None:
    left = sp.csr_array(np.array([[0.0, 4.0, -9.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    right = sp.csr_array(np.array([[0.0, 0.0, 30.0], [0.0, 0.0, 10.0], [20.0, 0.0, 0.0]]))
    expected = np.array([[0, 4 / 3, 0], [2 / 3, 0, 0.25], [0.5, 0, 0]])  # bests: (4 + 2) / 2 and (30 + 10 + 20) / 3
    assert np.allclose(blend_tables([(1.0, left), (0.5, right)], 3).toarray(), expected)
    assert (np.diff(blend_tables([(1.0, left), (0.5, right)], 1).indptr) == 1).all()
