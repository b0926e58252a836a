"""EASE against oracles: the dense closed form, and numpy's least squares."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics import gram
from larder_training.numerics.cholesky import solve
from larder_training.numerics.sparse import cut_histories
from larder_training.recommender.models import ease
from larder_training.recommender.models.ease import EASEConfig, fit_ease


@pytest.fixture
def interactions() -> sp.csr_array:
    random = np.random.default_rng(7)
    dense = random.random((90, 24)) * (random.random((90, 24)) < 0.4)
    return sp.csr_array(dense)


def gram_of(interactions: sp.csr_array, exponent: float) -> NDArray[np.float64]:
    dense = interactions.toarray()
    degree = np.maximum((dense > 0).sum(axis=1), 1.0)
    counts: NDArray[np.float64] = dense.T @ (dense * degree[:, None] ** -exponent)
    return counts


def exact_ease(counts: NDArray[np.float64], added: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steck 2019, equation 8: P the inverse of the regularized Gram matrix, B = I - P / diag(P)."""
    inverse = np.linalg.inv(counts + np.diag(added))
    result: NDArray[np.float64] = np.eye(len(counts)) - inverse / np.diag(inverse)
    return result


@pytest.mark.parametrize(("ridge", "dropout", "exponent"), [(0.5, 0.0, 0.0), (4.0, 0.4, 0.3), (0.1, 0.7, 0.5)])
def test_with_all_other_items_it_is_ease(
    interactions: sp.csr_array, ridge: float, dropout: float, exponent: float
) -> None:
    counts = gram_of(interactions, exponent)
    # Items that never co-occur are omitted here, but have a coefficient in EASE: in this data all co-occur.
    assert (counts > 0).all()
    added = ridge * np.diag(counts).mean() + dropout / (1 - dropout) * np.diag(counts)
    found = fit_ease(interactions, EASEConfig(ridge, dropout, width=23, user_exponent=exponent)).toarray()
    assert np.diag(found).tolist() == [0.0] * 24
    np.testing.assert_allclose(found, exact_ease(counts, added), atol=2e-6)  # G is float32


def test_a_narrow_regression_takes_the_items_that_co_occur_most(interactions: sp.csr_array) -> None:
    counts = gram_of(interactions, 0.3)
    added = 4.0 * np.diag(counts).mean() + 0.4 / 0.6 * np.diag(counts)
    found = fit_ease(interactions, EASEConfig(width=5)).toarray()
    for item in range(24):
        others = np.delete(np.arange(24), item)
        chosen = others[np.argsort(-counts[others, item])[:5]]
        expected = np.zeros(24)
        system = counts[np.ix_(chosen, chosen)] + np.diag(added[chosen])
        expected[chosen] = np.linalg.lstsq(system, counts[chosen, item])[0]
        np.testing.assert_allclose(found[:, item], expected, atol=2e-6)


@pytest.mark.parametrize("corner", [0, 10, 23])
def test_a_partly_dense_gram_matrix_gives_the_same_result(
    interactions: sp.csr_array, corner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = fit_ease(interactions, EASEConfig(width=6)).toarray()
    monkeypatch.setattr(gram, "DENSE_BYTES", 4 * corner**2)
    assert fit_ease(interactions, EASEConfig(width=6)).toarray().tolist() == dense.tolist()


def test_any_number_of_threads_gives_the_same_bytes(
    interactions: sp.csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ease, "_CHUNK", 2)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(ease, "cpu_count", lambda threads=threads: threads)
        results.append(fit_ease(interactions, EASEConfig(width=6)))
    assert len({result.data.tobytes() + result.indices.tobytes() for result in results}) == 1


def test_items_without_common_users_have_no_weights() -> None:
    alone = sp.csr_array(np.diag([1.0, 2.0, 0.0]))
    assert fit_ease(alone, EASEConfig()).nnz == 0


def test_it_reports_progress(interactions: sp.csr_array) -> None:
    steps: list[int] = []
    fit_ease(interactions, EASEConfig(width=3), steps.append)
    assert sum(steps) == 24


def test_a_long_history_keeps_its_largest_entries() -> None:
    matrix = sp.csr_array(np.array([[3.0, 1.0, 2.0, 2.0], [0.0, 1.0, 0.0, 0.0]]))
    assert cut_histories(matrix, 2).toarray().tolist() == [[3, 0, 2, 0], [0, 1, 0, 0]]


def test_cholesky_gives_the_solution_of_numpy() -> None:
    random = np.random.default_rng(0)
    for size in (1, 2, 17, 200):
        factor = random.normal(size=(size + 5, size))
        system, right = factor.T @ factor + np.eye(size), random.normal(size=size)
        np.testing.assert_allclose(solve(system.copy(), right), np.linalg.solve(system, right), rtol=1e-9)


def test_cholesky_raises_for_systems_that_it_cannot_solve() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        solve(np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones(2))
    with pytest.raises(ValueError, match="C order"):
        solve(np.asfortranarray([[2.0, 1.0], [0.0, 2.0]]), np.ones(2))
