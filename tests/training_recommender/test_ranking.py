import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from larder.tables import EMPTY
from larder_training.recommender.ranking import best, blocks, multiply_top, rank, top_rows


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.5, 2.0]), max_size=40), st.integers(1, 10))
def test_best_is_a_stable_sort_of_what_is_above_zero(scores: list[float], n: int) -> None:
    expected = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])[:n]
    assert best(np.array(scores), n).tolist() == expected


def test_rows_are_ordered_by_the_stored_half_and_then_by_item() -> None:
    """GIVEN two scores that are one number in float16 THEN the lower item number goes first."""
    matrix = sp.csr_array(np.array([[0.1, 1.00001, 1.0, 1.00002, -1.0, 1e-9]]))
    rows = top_rows(matrix, 5)
    assert rows.items.tolist() == [[1, 2, 3, 0, EMPTY]]
    assert rows.scores[0, :3].tolist() == [1.0, 1.0, 1.0]
    assert rows.scores[0, 4] == 0


def test_blocks_of_a_product_are_the_product() -> None:
    random = np.random.default_rng(5)
    left = sp.csr_array(sp.random_array((2500, 40), density=0.1, rng=random))
    right = sp.csr_array(sp.random_array((40, 60), density=0.3, rng=random))
    hidden = sp.csr_array(sp.random_array((2500, 60), density=0.2, rng=random) > 0)
    product = left @ right
    product.sort_indices()
    whole, blocked = top_rows(product, 7), multiply_top(left, right, 7)
    assert whole.items.tobytes() == blocked.items.tobytes()
    assert whole.scores.tobytes() == blocked.scores.tobytes()
    shown = multiply_top(left, right, 7, hidden)
    away = hidden.toarray()
    assert not any(away[row, item] for row, items in enumerate(shown.items) for item in items if item != EMPTY)


def test_a_table_row_comes_back_as_a_matrix() -> None:
    matrix = sp.csr_array(np.array([[0.5, 0.0, 0.25], [0.0, 0.0, 0.0]]))
    assert top_rows(matrix, 2).matrix(3).toarray().tolist() == matrix.toarray().tolist()


def test_rank_marks_places_that_nothing_fills() -> None:
    scores = np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 0.0]])
    assert rank(lambda block: scores[block], 2, 3, 3).tolist() == [[1, 2, -1], [-1, -1, -1]]


def test_blocks_cover_all_rows() -> None:
    assert [row for block in blocks(10, 2**22) for row in range(block.start, block.stop)] == list(range(10))
