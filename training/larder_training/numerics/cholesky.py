"""Solver of small symmetric positive definite systems that releases Python's lock.

numpy and scipy hold the lock while they solve a system of a few hundred unknowns, so that two threads are not faster
than one. This module calls LAPACK's Cholesky solver through the pointer that scipy publishes for such use
(``scipy.linalg.cython_lapack``). Cholesky also halves the work of a general solver.
"""

from ctypes import CFUNCTYPE, addressof, c_char, c_char_p, c_int, c_void_p, py_object, pythonapi
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def solve(system: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solves ``system @ x = right``.

    Args:
        system: Float64 ``[n, n]`` in C order; it is overwritten.
        right: Float64 ``[n]``.

    Returns:
        x, float64 ``[n]``.

    Raises:
        numpy.linalg.LinAlgError: The system is not positive definite.
    """
    n, columns, info = c_int(len(right)), c_int(1), c_int()
    solution = np.array(right, np.float64)
    if not (system.flags.c_contiguous and system.dtype == np.float64 and system.shape == (len(right),) * 2):
        raise ValueError("the system must be a float64 array [n, n] in C order")
    lower = c_char(b"L")
    size, right_side = addressof(n), solution.ctypes.data
    _dposv()(addressof(lower), size, addressof(columns), system.ctypes.data, size, right_side, size, addressof(info))
    if info.value:
        raise np.linalg.LinAlgError(f"the system is not positive definite (dposv returned {info.value})")
    return solution


@cache
def _dposv() -> Any:  # noqa: ANN401  # ctypes has no type for a pointer to a function
    """LAPACK's dposv(uplo, n, nrhs, a, lda, b, ldb, info); ctypes releases the lock while it runs."""
    from scipy.linalg import cython_lapack

    name, pointer = pythonapi.PyCapsule_GetName, pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = c_char_p, [py_object]
    pointer.restype, pointer.argtypes = c_void_p, [py_object, c_char_p]
    capsule = cython_lapack.__pyx_capi__["dposv"]
    signature = name(capsule)
    if signature.count(b"int *") != 5:
        raise RuntimeError(f"scipy's dposv is {signature!r}, without 32-bit integers: install another build of scipy")
    return CFUNCTYPE(None, *[c_void_p] * 8)(pointer(capsule, signature))
