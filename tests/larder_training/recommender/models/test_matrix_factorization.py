"""Matrix factorization by implicit against Hu et al.'s normal equations in numpy."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from tests.larder_training.recommender.models.test_models import toy, training_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from larder_training.recommender.models.base import LatentFactors, TrainingData
from larder_training.recommender.models.matrix_factorization import (
    AlternatingLeastSquares,
    BayesianPersonalizedRanking,
)

ESTIMATORS = (AlternatingLeastSquares(factors=6), BayesianPersonalizedRanking(factors=6))


def solved(
    own: NDArray[np.float64], other: NDArray[np.float64], confidence: NDArray[np.float64], ridge: float
) -> float:
    """The largest difference of ``own`` from the solutions of ``(Y'CY + ridge I) x = Y'C p`` by row."""
    worst = 0.0
    for row, weights in zip(own, confidence, strict=True):
        system = (other * weights[:, None]).T @ other + ridge * np.eye(other.shape[1])
        right = other.T @ (weights * (weights > 1))
        worst = max(worst, float(np.abs(np.linalg.solve(system, right) - row).max()))
    return worst


@pytest.mark.parametrize(("cg_steps", "tolerance"), [(0, 1e-4), (20, 1e-3)])
def test_least_squares_solve_the_papers_equations(cg_steps: int, tolerance: float) -> None:
    # GIVEN factors after many iterations, which have converged
    data = training_data(toy())
    estimator = AlternatingLeastSquares(factors=3, iterations=100, regularization=0.5, alpha=4.0, cg_steps=cg_steps)
    # WHEN
    found = estimator.fit(data)
    # THEN each row of users and of items solves its equations
    confidence = 1 + 4.0 * data.interactions.toarray()
    user, item = found.users.astype(np.float64), found.items.astype(np.float64)
    assert np.abs(user).max() > 0.1
    assert solved(user, item, confidence, 0.5) < tolerance
    assert solved(item, user, confidence.T, 0.5) < tolerance


def test_scores_are_the_products_of_the_factors() -> None:
    random = np.random.default_rng(0)
    user, item = (random.normal(size=(rows, 3)).astype(np.float32) for rows in (5, 7))
    assert np.allclose(LatentFactors(user, item).scores(np.array([4, 2])), (user @ item.T)[[4, 2]], atol=1e-6)


def test_a_users_scores_have_the_same_bits_in_every_batch() -> None:
    random = np.random.default_rng(0)
    factors = LatentFactors(*(random.normal(size=(rows, 64)).astype(np.float32) for rows in (150, 333)))
    together = factors.scores(np.arange(150))
    assert all(factors.scores(np.array([user])).tobytes() == together[user].tobytes() for user in range(150))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["ALS", "BPR"])
def test_users_and_items_without_events_have_scores_of_0(
    estimator: AlternatingLeastSquares | BayesianPersonalizedRanking,
) -> None:
    log = toy()
    found = estimator.fit(training_data(log.where(log.user != 3)))
    assert not found.scores(np.array([3])).any()
    assert not found.scores(np.arange(len(log.users)))[:, log.items.index("zzz")].any()
    assert found.scores(np.array([4])).any()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["ALS", "BPR"])
def test_the_result_depends_on_the_seed_and_not_on_blas_threads(
    estimator: AlternatingLeastSquares | BayesianPersonalizedRanking,
) -> None:
    with threadpool_limits(2, "blas"):
        two = estimator.fit(training_data(toy(), seed=1))
    with threadpool_limits(1, "blas"):
        one = estimator.fit(training_data(toy(), seed=1))
    assert one.items.tobytes() == two.items.tobytes()
    assert estimator.fit(training_data(toy(), seed=2)).items.tobytes() != one.items.tobytes()


@pytest.mark.parametrize(
    ("estimator", "steps"), [(AlternatingLeastSquares(iterations=7), 7), (BayesianPersonalizedRanking(iterations=9), 9)]
)
def test_every_iteration_is_reported(
    estimator: AlternatingLeastSquares | BayesianPersonalizedRanking, steps: int
) -> None:
    advanced: list[int] = []
    estimator.fit(training_data(toy()), advanced.append)
    assert advanced == [1] * steps


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["ALS", "BPR"])
def test_a_log_without_events_gives_zeros(estimator: AlternatingLeastSquares | BayesianPersonalizedRanking) -> None:
    log = toy()
    nothing = TrainingData(log.between(0, 0), log.end, sp.csr_array((len(log.users), len(log.items))))
    assert not estimator.fit(nothing).scores(np.arange(3)).any()


def test_a_fit_that_diverges_gives_zeros() -> None:
    found = BayesianPersonalizedRanking(factors=8, learning_rate=1e6, iterations=20).fit(training_data(toy()))
    assert not found.users.any()
    assert not found.items.any()
