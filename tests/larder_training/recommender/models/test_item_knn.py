"""Item kNN against its definition on dense matrices."""

import numpy as np
import pytest
import scipy.sparse as sp

from larder_training.recommender.models.item_knn import ItemKNN, fit_item_knn, own_entries


@pytest.fixture(name="interactions")
def random_interactions() -> sp.csr_array:
    random = np.random.default_rng(3)
    matrix = random.random((40, 15)) * (random.random((40, 15)) < 0.3)
    matrix[:, 7] = 0  # an item without events
    return sp.csr_array(matrix)


@pytest.mark.parametrize(("item", "user"), [(0.0, 0.0), (0.5, 0.3), (1.0, 0.5)])
def test_entries_and_diagonal_are_those_of_the_formula(interactions: sp.csr_array, item: float, user: float) -> None:
    dense = interactions.toarray()
    weights = np.maximum((dense > 0).sum(axis=1), 1.0) ** -user
    gram = dense.T @ (weights[:, None] * dense)
    own = np.diag(gram)
    scaled = gram / np.where(own > 0, own, 1.0)[:, None] ** item

    settings = ItemKNN(item, user)
    found = fit_item_knn(interactions, settings).toarray()

    np.testing.assert_allclose(found, scaled - np.diag(np.diag(scaled)), rtol=1e-6)
    np.testing.assert_allclose(own_entries(interactions, settings), np.diag(scaled), rtol=1e-6)


def test_with_exponent_one_a_weight_is_the_share_of_common_users(interactions: sp.csr_array) -> None:
    had = (interactions > 0).astype(np.float64)
    found = fit_item_knn(sp.csr_array(had), ItemKNN(item_exponent=1.0, user_exponent=0.0))
    both, users = (had[:, [0]].multiply(had[:, [1]])).sum(), had[:, [0]].sum()

    assert found[0, 1] == pytest.approx(both / users)


def test_a_row_keeps_its_largest_entries(interactions: sp.csr_array) -> None:
    whole = fit_item_knn(interactions, ItemKNN()).toarray()
    cut = fit_item_knn(interactions, ItemKNN(width=3)).toarray()

    largest = np.sort(whole, axis=1)[:, -3:]
    np.testing.assert_allclose(np.sort(cut, axis=1)[:, -3:], largest)
    assert (np.count_nonzero(cut, axis=1) <= 3).all()
