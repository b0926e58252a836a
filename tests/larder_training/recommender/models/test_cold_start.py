import numpy as np
import pytest
import scipy.sparse as sp

from larder_training.recommender.models.cold_start import fill_cold

LINEAR = np.array([[0.0, 0.4, 0.0, 0.0], [0.2, 0.0, 0.3, 0.0], [0.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
MANY = 100


def fill(
    content: np.ndarray[tuple[int, ...], np.dtype[np.float64]], counts: list[int], gamma: float = 1.0
) -> sp.csr_array:
    return fill_cold(sp.csr_array(LINEAR), sp.csr_array(content), np.array(counts), gamma, enough=10)


def similar(pairs: dict[tuple[int, int], float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    content = np.zeros((4, 4))
    for (one, other), cosine in pairs.items():
        content[one, other] = content[other, one] = cosine
    return content


def test_an_item_without_events_gets_the_weights_of_its_neighbour() -> None:
    """GIVEN item 3 is similar to item 1 THEN 3 has the row and the column of 1, and a weight from 1 itself."""
    found = fill(similar({(3, 1): 0.7}), [MANY, MANY, MANY, 0]).toarray()
    assert found[:3, :3] == pytest.approx(LINEAR[:3, :3])
    assert found[:, 3] == pytest.approx([0.4, 0.4, 0.1, 0.0], rel=1e-3)
    assert found[3, :3] == pytest.approx([0.2, 0.4, 0.3], rel=1e-3)


def test_neighbours_are_weighted_by_the_fourth_power_of_the_cosine() -> None:
    found = fill(similar({(3, 0): 0.5, (3, 2): 1.0}), [MANY, MANY, MANY, 0]).toarray()
    near, far = 1 / (1 + 0.5**4), 0.5**4 / (1 + 0.5**4)
    assert found[1, 3] == pytest.approx(near * 0.3 + far * 0.2, rel=1e-3)


def test_content_counts_less_with_more_events() -> None:
    columns = [fill(similar({(3, 1): 0.7}), [MANY, MANY, MANY, events], gamma=2.0)[0, 3] for events in (0, 5, 10)]
    assert columns == pytest.approx([2 * 0.4, 0.4, 0.0], rel=1e-3)


def test_a_neighbour_with_few_events_counts_less() -> None:
    found = fill(similar({(3, 0): 1.0, (3, 2): 1.0}), [1, MANY, MANY, 0]).toarray()
    assert found[1, 3] > 0.9 * 0.3


def test_without_neighbours_or_cold_items_or_weight_nothing_changes() -> None:
    content = similar({(3, 1): 0.7})
    for found in (
        fill(similar({}), [MANY, MANY, MANY, 0]),
        fill(content, [MANY] * 4),
        fill(content, [MANY, MANY, MANY, 0], gamma=0.0),
    ):
        assert found.toarray() == pytest.approx(LINEAR)


def test_the_diagonal_stays_zero() -> None:
    assert not fill(similar({(3, 1): 0.7, (0, 1): 0.9}), [2, 3, MANY, 0]).diagonal().any()
