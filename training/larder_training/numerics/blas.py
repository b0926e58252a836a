"""BLAS calls whose results depend neither on the batch nor on the number of cores.

The last bits of a row of a matrix product depend on its place among the other rows: BLAS multiplies rows in groups,
each size of group by another kernel. OpenBLAS for Haswell and Zen even differs within its group of 12. A matrix-vector
product has no other rows.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from os import cpu_count
from typing import Final

import numpy as np

from larder_training.numerics.arrays import Floats

_COLUMNS: Final = 256  # of a call: its part of the matrix stays in the cache while all rows are multiplied


def batch_product(left: Floats, right: Floats) -> Floats:
    """``left @ right.T`` on all cores, float32 ``[n, m]``; a row's result has the same bits in every batch.

    It takes up to twice as long as a matrix product.

    Args:
        left: float32 ``[n, k]``: the batch.
        right: float32 ``[m, k]``.
    """
    product = np.empty((len(left), len(right)), np.float32)

    def multiply(start: int) -> None:
        columns = slice(start, start + _COLUMNS)
        np.vecmat(left, np.ascontiguousarray(right[columns].T), out=product[:, columns])

    with single_threaded_blas():
        list(_pool().map(multiply, range(0, len(right), _COLUMNS)))
    return product


@cache
def _pool() -> ThreadPoolExecutor:
    """One pool for all callers, who may themselves run on all cores."""
    return ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="larder-blas")


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limits BLAS to one thread per call, for work that has a thread per core already.

    More threads would compete for the cores, and the last bits would depend on their number. The limit is the
    process's. Enter it before threads that call BLAS start: the first of several threads to leave lifts it.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

    with threadpool_limits(1, "blas"):
        yield
