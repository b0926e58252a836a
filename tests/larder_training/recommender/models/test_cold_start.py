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


def like(pairs: dict[tuple[int, int], float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    content = np.zeros((4, 4))
    for (one, other), cosine in pairs.items():
        content[one, other] = content[other, one] = cosine
    return content


def test_an_item_without_events_takes_the_place_of_its_neighbour() -> None:
    """GIVEN item 3 is like item 1 THEN what leads to 1 leads to 3, 1 itself leads to 3, and 3 leads to what 1 does."""
    found = fill(like({(3, 1): 0.7}), [MANY, MANY, MANY, 0]).toarray()
    assert found[:3, :3] == pytest.approx(LINEAR[:3, :3])
    assert found[:, 3] == pytest.approx([0.4, 0.4, 0.1, 0.0], rel=1e-3)
    assert found[3, :3] == pytest.approx([0.2, 0.4, 0.3], rel=1e-3)


def test_nearer_neighbours_count_more_by_the_fourth_power() -> None:
    found = fill(like({(3, 0): 0.5, (3, 2): 1.0}), [MANY, MANY, MANY, 0]).toarray()
    near, far = 1 / (1 + 0.5**4), 0.5**4 / (1 + 0.5**4)
    assert found[1, 3] == pytest.approx(near * 0.3 + far * 0.2, rel=1e-3)


def test_the_more_events_the_less_content_says() -> None:
    columns = [fill(like({(3, 1): 0.7}), [MANY, MANY, MANY, events], gamma=2.0)[0, 3] for events in (0, 5, 10)]
    assert columns == pytest.approx([2 * 0.4, 0.4, 0.0], rel=1e-3)


def test_a_neighbour_that_is_little_known_counts_less() -> None:
    found = fill(like({(3, 0): 1.0, (3, 2): 1.0}), [1, MANY, MANY, 0]).toarray()
    assert found[1, 3] > 0.9 * 0.3


def test_nothing_changes_where_nothing_is_alike_or_lacking_or_wanted() -> None:
    alike = like({(3, 1): 0.7})
    for found in (
        fill(like({}), [MANY, MANY, MANY, 0]),
        fill(alike, [MANY] * 4),
        fill(alike, [MANY, MANY, MANY, 0], gamma=0.0),
    ):
        assert found.toarray() == pytest.approx(LINEAR)


def test_an_item_never_leads_to_itself() -> None:
    assert not fill(like({(3, 1): 0.7, (0, 1): 0.9}), [2, 3, MANY, 0]).diagonal().any()
