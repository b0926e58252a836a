"""Both ways to multiply give the bits of scipy's sparse product."""

import numpy as np
import pytest
import scipy.sparse as sp

from larder_training.numerics.sparse_products import dense_product, is_long, row_maxima


def matrices(density: float, kind: type[np.floating]) -> tuple[sp.csr_array, sp.csr_array]:
    """Signed values, so that sums cancel and maxima may be negative; the first row is empty."""
    random = np.random.default_rng(3)
    left = sp.random_array((20, 400), density=density, rng=random, data_sampler=random.normal).toarray()
    left[0] = 0
    right = sp.random_array((400, 500), density=density, rng=random, data_sampler=random.normal)
    return sp.csr_array(left.astype(kind)), sp.csr_array(right.astype(kind))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("density", "long"), [(0.01, False), (0.5, True)])
def test_a_product_has_the_bits_of_scipys(density: float, long: bool, kind: type[np.floating]) -> None:
    left, right = matrices(density, kind)
    assert is_long(left, right) == long
    expected = (left @ right).toarray()
    found = dense_product(left, right)
    assert found.dtype == kind
    assert found.tobytes() == expected.tobytes()
    assert row_maxima(left, right).tolist() == expected.max(axis=1, initial=0).tolist()


def test_rows_that_would_be_mostly_zeros_stay_sparse() -> None:
    """GIVEN many multiplications per row but far more columns THEN no dense row is computed."""
    left, right = matrices(0.5, np.float64)
    assert not is_long(left, sp.csr_array((right.data, right.indices, right.indptr), shape=(400, 10**6)))


def test_a_product_of_no_rows_is_empty() -> None:
    left, right = matrices(0.5, np.float64)
    assert dense_product(left[:0], right).shape == (0, 500)
    assert row_maxima(left[:0], right).shape == (0,)
