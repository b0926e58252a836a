import numpy as np
import pytest
import scipy.sparse as sp

from larder_training.recommender.metrics.ranking import bootstrap, by_user, coverage, hits, novelty


def test_the_worked_example_of_amazon_personalize() -> None:
    """GIVEN two relevant items, found at ranks 2 and 5."""
    hit = np.array([[False, True, False, False, True]])
    values = by_user(hit, np.array([2]), (5,))
    assert values["mrr@5"] == pytest.approx([0.5])
    assert values["ndcg@5"] == pytest.approx([0.6241], abs=5e-5)
    assert values["precision@5"] == pytest.approx([0.4])
    assert values["recall@5"] == pytest.approx([1.0])
    assert values["hit_rate@5"] == pytest.approx([1.0])


def test_ndcg_may_be_one_with_more_relevant_items_than_ranks() -> None:
    values = by_user(np.ones((1, 5), bool), np.array([40]), (5,))
    assert values["ndcg@5"] == pytest.approx([1.0])
    assert values["recall@5"] == pytest.approx([5 / 40])


def test_without_hits_all_metrics_are_zero() -> None:
    values = by_user(np.zeros((3, 25), bool), np.array([1, 2, 3]))
    assert all((value == 0).all() for value in values.values())


def test_hits_are_those_of_a_loop() -> None:
    random = np.random.default_rng(1)
    truth = sp.csr_array(random.random((20, 30)) < 0.2)
    lists = np.array([random.permutation(30)[:10] for _ in range(20)])
    lists[3, 5:] = -1
    dense = truth.toarray()
    expected = [[bool(item >= 0 and dense[row, item]) for item in items] for row, items in enumerate(lists)]
    assert hits(lists, truth).tolist() == expected


def test_coverage_and_novelty_of_recommended_items() -> None:
    lists = np.array([[0, 1, -1], [0, -1, -1]])
    assert coverage(lists, 8) == 0.25
    # Half of the users have item 0, a quarter item 1: (1 + 2 + 1) / 3 bits.
    assert novelty(lists, np.array([0.5, 0.25, 0, 0])) == pytest.approx(4 / 3)


def test_the_bootstrap_interval_is_that_of_the_mean() -> None:
    """GIVEN 400 normal values THEN the interval is about mean +- 1.96 standard errors."""
    values = np.random.default_rng(2).normal(10, 2, 400)
    summary = bootstrap({"model": {"metric": values}}, seed=0)["model"]["metric"]
    error = 1.96 * values.std() / 20
    assert summary["mean"] == pytest.approx(values.mean(), abs=1e-6)
    assert summary["interval"] == pytest.approx([values.mean() - error, values.mean() + error], abs=error / 5)


def test_differences_are_paired_by_user() -> None:
    """GIVEN a model that is better by exactly 1 for every user THEN the interval has no width."""
    base = np.random.default_rng(2).normal(10, 5, 50)
    summary = bootstrap({"model": {"m": base + 1}, "base": {"m": base}}, seed=0)["base"]["m"]
    assert summary["difference"] == {"mean": 1.0, "interval": [1.0, 1.0]}
    assert summary["ratio"]["mean"] == pytest.approx((base.mean() + 1) / base.mean(), abs=1e-6)  # type: ignore[index]  # JSON


def test_without_users_there_are_no_metrics() -> None:
    assert bootstrap({"model": {"m": np.empty(0)}}, seed=0) == {"model": {}}
