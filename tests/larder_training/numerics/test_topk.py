import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from larder.tables import EMPTY
from larder_training.numerics.sparse_products import is_long
from larder_training.numerics.topk import (
    NOTHING,
    best,
    blocks,
    dense_rows,
    hide,
    multiply_top,
    rank,
    top,
    top_rows,
    without,
)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.5, 2.0]), max_size=40), st.integers(1, 10))
def test_best_is_a_stable_sort_of_positive_scores(scores: list[float], n: int) -> None:
    expected = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])[:n]
    assert best(np.array(scores), n).tolist() == expected


@given(
    st.lists(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5, 2.0]), min_size=7, max_size=7), max_size=4),
    st.integers(0, 9),
)
def test_top_is_a_stable_sort_of_every_row_without_hidden_items(rows: list[list[float]], n: int) -> None:
    expected = []
    for row in rows:
        places = sorted((place for place, score in enumerate(row) if score > -np.inf), key=lambda place: -row[place])
        expected.append((places + [NOTHING] * n)[:n])
    assert top(np.array(rows, np.float32).reshape(-1, 7), n).tolist() == expected


def test_top_handles_several_blocks() -> None:
    scores = np.random.default_rng(0).normal(size=(300, 50)).astype(np.float32)
    assert top(scores, 9).tolist() == np.argsort(-scores, axis=1)[:, :9].tolist()


def test_dense_and_sparse_rows_are_equal() -> None:
    scores = np.round(np.random.default_rng(3).normal(size=(70, 40)), 1).astype(np.float32)  # ties, and half below 0
    expected, found = top_rows(sp.csr_array(scores.astype(np.float64)), 30), dense_rows(scores, 30)
    assert found.items.tobytes() == expected.items.tobytes()
    assert found.scores.tobytes() == expected.scores.tobytes()


def test_hidden_items_are_omitted() -> None:
    scores = np.ones((2, 3), np.float32)
    hide(scores, sp.csr_array(np.array([[0, 1, 0], [1, 0, 1]], bool)))
    assert top(scores, 3).tolist() == [[0, 2, NOTHING], [1, NOTHING, NOTHING]]


def test_rows_are_ordered_by_float16_and_item() -> None:
    """GIVEN scores that are equal in float16 THEN the lower item number is first."""
    matrix = sp.csr_array(np.array([[0.1, 1.00001, 1.0, 1.00002, -1.0, 1e-9]]))
    rows = top_rows(matrix, 5)
    assert rows.items.tolist() == [[1, 2, 3, 0, EMPTY]]
    assert rows.scores[0, :3].tolist() == [1.0, 1.0, 1.0]
    assert rows.scores[0, 4] == 0


@given(st.permutations(range(8)), st.integers(1, 9))
def test_rows_do_not_depend_on_the_order_of_entries(order: list[int], width: int) -> None:
    values = np.array([0.5, 2.0, 0.5, -1.0, 0.0, 0.5, 1e-9, 0.25])
    ascending, shuffled = (
        sp.csr_array((values[list(columns)], list(columns), [0, 8]), shape=(1, 8)) for columns in (range(8), order)
    )
    expected, found = top_rows(ascending, width), top_rows(shuffled, width)
    assert found.items.tolist() == expected.items.tolist()
    assert found.items[0, : min(width, 5)].tolist() == [1, 0, 2, 5, 7][:width]
    assert found.scores.tobytes() == expected.scores.tobytes()


def test_a_product_in_blocks_is_the_product() -> None:
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


def test_long_rows_of_a_product_are_those_of_the_product() -> None:
    random = np.random.default_rng(6)
    left = sp.csr_array(sp.random_array((130, 900), density=0.4, rng=random))
    right = sp.csr_array(sp.random_array((900, 800), density=0.05, rng=random))
    right.data = np.round(right.data, 1)  # so that scores tie
    hidden = sp.csr_array(sp.random_array((130, 800), density=0.2, rng=random) > 0)
    assert is_long(left, right)
    product = left @ right
    product.sort_indices()
    for found, expected in (
        (multiply_top(left, right, 7), top_rows(product, 7)),
        (multiply_top(left, right, 7, hidden), top_rows(without(product, hidden), 7)),
    ):
        assert found.items.tobytes() == expected.items.tobytes()
        assert found.scores.tobytes() == expected.scores.tobytes()


def test_rows_convert_to_a_matrix() -> None:
    matrix = sp.csr_array(np.array([[0.5, 0.0, 0.25], [0.0, 0.0, 0.0]]))
    assert top_rows(matrix, 2).matrix(3).toarray().tolist() == matrix.toarray().tolist()


def test_rank_fills_short_lists() -> None:
    scores = np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 0.0]])
    assert rank(lambda block: scores[block], 2, 3, 3).tolist() == [[1, 2, -1], [-1, -1, -1]]


def test_blocks_cover_all_rows() -> None:
    assert [row for block in blocks(10, 2**22) for row in range(block.start, block.stop)] == list(range(10))
