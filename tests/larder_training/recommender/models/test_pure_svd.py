"""The factors against numpy's own decomposition of the dense matrix."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from tests.larder_training.recommender.conftest import _log

from larder_training.recommender.models import pure_svd
from larder_training.recommender.models.base import Material
from larder_training.recommender.models.pure_svd import LowRank, Projection, right_vectors


@pytest.fixture
def affinity() -> sp.csr_array:
    random = np.random.default_rng(7)
    taste = random.random((90, 5)) @ random.random((5, 24))
    return sp.csr_array(np.where(random.random((90, 24)) < 0.5, taste, 0.0))


def material(affinity: sp.csr_array, seed: int = 0) -> Material:
    return Material(_log([("ann", "a", 0, "view")]), 1, affinity, seed=seed)


def expected(affinity: sp.csr_array, settings: LowRank) -> NDArray[np.float64]:
    dense = affinity.toarray()
    users, items = dense.sum(axis=1), dense.sum(axis=0)
    scaled = users[:, None] ** -settings.user_exponent * dense * items**-settings.item_exponent
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    low = (left[:, : settings.rank] * values[: settings.rank]) @ right[: settings.rank]
    result: NDArray[np.float64] = low * items**settings.rescale
    return result


@pytest.mark.parametrize(
    "settings",
    [LowRank(3, 0.3, 0.5, 0.4, iterations=8), LowRank(6, 0.5, 0.2, 0.0, iterations=20), LowRank(24, 0.0, 0.4, 0.3)],
)
def test_scores_are_those_of_the_truncated_decomposition(affinity: sp.csr_array, settings: LowRank) -> None:
    found = settings.fit(material(affinity)).scores(np.arange(90))
    np.testing.assert_allclose(found, expected(affinity, settings), atol=2e-5)


def test_all_directions_give_the_matrix_back(affinity: sp.csr_array) -> None:
    """GIVEN a rank beyond both sides and exponents of 0 THEN scores are the affinities."""
    found = LowRank(1000, 0.0, 0.0, 0.0).fit(material(affinity)).scores(np.arange(90))
    np.testing.assert_allclose(found, affinity.toarray(), atol=2e-5)


def test_directions_that_a_matrix_does_not_have_say_nothing() -> None:
    """GIVEN a matrix of rank 1 THEN a fit of rank 4 gives it back, and nothing of what rounding leaves."""
    one = sp.csr_array(np.outer(np.arange(1.0, 31.0), np.arange(1.0, 9.0)))
    found = LowRank(4, 0.0, 0.0, 0.0).fit(material(one)).scores(np.arange(30))
    np.testing.assert_allclose(found, one.toarray(), rtol=1e-4)


def test_vectors_are_orthonormal_and_ordered(affinity: sp.csr_array) -> None:
    matrix = affinity.astype(np.float32)
    vectors = right_vectors(matrix, 10, 4, seed=3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(10), atol=1e-5)
    strengths = np.linalg.norm(matrix @ vectors, axis=0)
    assert (np.diff(strengths) <= 1e-4).all()


def test_any_number_of_threads_gives_the_same_bytes(affinity: sp.csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pure_svd, "_ROWS", 7)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(pure_svd, "cpu_count", lambda threads=threads: threads)
        found = LowRank(6).fit(material(affinity))
        results.append(found.users.tobytes() + found.items.tobytes())
    assert len(set(results)) == 1


def test_a_users_scores_have_the_same_bits_in_every_batch() -> None:
    random = np.random.default_rng(0)
    projection = Projection(*(random.normal(size=(rows, 70)).astype(np.float32) for rows in (150, 333)))
    together = projection.scores(np.arange(150))
    assert all(projection.scores(np.array([user])).tobytes() == together[user].tobytes() for user in range(150))


def test_another_seed_starts_elsewhere_and_ends_in_the_same_place(affinity: sp.csr_array) -> None:
    settings = LowRank(3, iterations=12)
    first, second = (settings.fit(material(affinity, seed)).scores(np.arange(90)) for seed in (0, 1))
    assert first.tobytes() != second.tobytes()
    np.testing.assert_allclose(first, second, atol=1e-5)
