"""Dense products have the same bits for a row in every batch."""

import os
import subprocess
import sys

import numpy as np
import pytest

from larder_training.numerics.blas import batch_product

# Each row in a batch of its own, and all rows in batches of several sizes: prints "same" if all bits are equal.
BATCHES = """
import numpy as np
from larder_training.numerics.blas import batch_product
random = np.random.default_rng(0)
for columns, width in ((7, 3), (333, 64), (4200, 65), (100, 700)):
    left, right = (random.normal(size=(rows, width)).astype(np.float32) for rows in (300, columns))
    alone = np.concatenate([batch_product(left[[row]], right) for row in range(0, 300, 7)])
    for size in (5, 64, 97, 300):
        parts = [batch_product(left[start:start + size], right) for start in range(0, 300, size)]
        assert np.concatenate(parts)[::7].tobytes() == alone.tobytes(), (columns, width, size)
print("same")
"""


@pytest.mark.parametrize("rows", [0, 1, 70])
@pytest.mark.parametrize("columns", [0, 1, 257, 5000])
def test_it_is_the_product(rows: int, columns: int) -> None:
    random = np.random.default_rng(1)
    left, right = (random.normal(size=(count, 9)).astype(np.float32) for count in (rows, columns))
    product = batch_product(left, right)
    assert product.dtype == np.float32
    np.testing.assert_allclose(product, left @ right.T, atol=1e-5)


@pytest.mark.parametrize("cpu", ["", "Haswell", "Nehalem", "Zen"])
def test_a_rows_bits_do_not_depend_on_its_batch(cpu: str) -> None:
    """OpenBLAS takes its kernels by ``OPENBLAS_CORETYPE``; other libraries ignore it."""
    environment = {**os.environ, **({"OPENBLAS_CORETYPE": cpu} if cpu else {})}
    process = subprocess.run(  # noqa: S603  # this file's own code
        [sys.executable, "-c", BATCHES], check=False, env=environment, capture_output=True, text=True
    )
    assert process.stdout == "same\n", process.stderr
