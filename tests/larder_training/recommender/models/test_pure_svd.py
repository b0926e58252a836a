"""PureSVD against numpy's decomposition of the dense matrix."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from tests.toys.event_log import event_log

from larder_training.recommender.models import pure_svd
from larder_training.recommender.models.base import TrainingData
from larder_training.recommender.models.pure_svd import PureSVD, right_vectors


@pytest.fixture
def interactions() -> sp.csr_array:
    random = np.random.default_rng(7)
    taste = random.random((90, 5)) @ random.random((5, 24))
    return sp.csr_array(np.where(random.random((90, 24)) < 0.5, taste, 0.0))


def training_data(interactions: sp.csr_array, seed: int = 0) -> TrainingData:
    return TrainingData(event_log([("ann", "a", 0, "view")]), 1, interactions, seed=seed)


def expected(interactions: sp.csr_array, settings: PureSVD) -> NDArray[np.float64]:
    dense = interactions.toarray()
    users, items = dense.sum(axis=1), dense.sum(axis=0)
    scaled = users[:, None] ** -settings.user_exponent * dense * items**-settings.item_exponent
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    low = (left[:, : settings.rank] * values[: settings.rank]) @ right[: settings.rank]
    result: NDArray[np.float64] = low * items**settings.rescale
    return result


@pytest.mark.parametrize(
    "settings",
    [PureSVD(3, 0.3, 0.5, 0.4, iterations=8), PureSVD(6, 0.5, 0.2, 0.0, iterations=20), PureSVD(24, 0.0, 0.4, 0.3)],
)
def test_scores_are_those_of_the_truncated_svd(interactions: sp.csr_array, settings: PureSVD) -> None:
    found = settings.fit(training_data(interactions)).scores(np.arange(90))
    np.testing.assert_allclose(found, expected(interactions, settings), atol=2e-5)


def test_the_full_rank_reproduces_the_matrix(interactions: sp.csr_array) -> None:
    """GIVEN a rank beyond both dimensions and exponents of 0 THEN scores are the interaction matrix."""
    found = PureSVD(1000, 0.0, 0.0, 0.0).fit(training_data(interactions)).scores(np.arange(90))
    np.testing.assert_allclose(found, interactions.toarray(), atol=2e-5)


def test_missing_directions_do_not_add_noise() -> None:
    """GIVEN a matrix of rank 1 THEN a fit of rank 4 reproduces it."""
    one = sp.csr_array(np.outer(np.arange(1.0, 31.0), np.arange(1.0, 9.0)))
    found = PureSVD(4, 0.0, 0.0, 0.0).fit(training_data(one)).scores(np.arange(30))
    np.testing.assert_allclose(found, one.toarray(), rtol=1e-4)


def test_vectors_are_orthonormal_and_ordered(interactions: sp.csr_array) -> None:
    matrix = interactions.astype(np.float32)
    vectors = right_vectors(matrix, 10, 4, seed=3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(10), atol=1e-5)
    strengths = np.linalg.norm(matrix @ vectors, axis=0)
    assert (np.diff(strengths) <= 1e-4).all()


def test_any_number_of_threads_gives_the_same_bytes(
    interactions: sp.csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pure_svd, "_ROWS", 7)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
        found = PureSVD(6).fit(training_data(interactions))
        results.append(found.users.tobytes() + found.items.tobytes())
    assert len(set(results)) == 1


def test_another_seed_converges_to_the_same_scores(interactions: sp.csr_array) -> None:
    settings = PureSVD(3, iterations=12)
    first, second = (settings.fit(training_data(interactions, seed)).scores(np.arange(90)) for seed in (0, 1))
    assert first.tobytes() != second.tobytes()
    np.testing.assert_allclose(first, second, atol=1e-5)
