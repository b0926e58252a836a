"""Top-k: the items with the best scores of each row; equal scores by item number, as serving orders them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.numerics.parallel import in_blocks
from larder_training.numerics.sparse import place_within
from larder_training.numerics.sparse_products import dense_product, is_long

NOTHING: Final = -1  # fills lists with fewer items than requested
CELLS: Final = 2**23  # scores per dense block, 64 MiB
_TOGETHER: Final = 64  # rows of a dense block that are cut at once: they fit the cache


@dataclass(frozen=True, slots=True, eq=False)
class TopK:
    """The best items of each row, as tables store them.

    Attributes:
        items: Item numbers, uint32 ``[rows, width]``; 0xFFFFFFFF: unused slot.
        scores: Float16 ``[rows, width]``.
    """

    items: NDArray[np.uint32]
    scores: NDArray[np.float16]

    @classmethod
    def empty(cls, rows: int, width: int) -> "TopK":
        """Rows whose slots are all unused."""
        return cls(np.full((rows, width), EMPTY, np.uint32), np.zeros((rows, width), np.float16))

    def matrix(self, items: int) -> sp.csr_array:
        """Float64 ``[rows, items]``: the values that serving reads."""
        used = self.items != EMPTY
        ends = np.concatenate(([0], np.cumsum(used.sum(axis=1))))
        parts = (self.scores[used].astype(np.float64), self.items[used].astype(np.int64), ends)
        return sp.csr_array(parts, shape=(len(self.items), items))


def best(scores: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Indices of the ``n`` largest scores above 0 of one row, best first; equal scores by index.

    argpartition alone is slow on rows of mostly zeros and ties, and leaves the choice among ties open.
    """
    places = _among_best(scores, n)
    return places[np.argsort(-scores[places], kind="stable")[:n]]


def _among_best(scores: NDArray[np.number], n: int) -> NDArray[np.intp]:
    """Indices of the ``n`` largest scores above 0, and of all scores that equal the last of them; ascending."""
    (places,) = np.nonzero(scores > 0)
    if places.size <= n:
        return places
    values = scores[places]
    among: NDArray[np.intp] = places[values >= np.partition(values, places.size - n)[places.size - n]]
    return among


def top_rows(matrix: sp.csr_array, width: int) -> TopK:
    """The ``width`` largest entries above 0 of each row, by the stored float16, then by item number.

    Columns within a row may have any order.
    """
    rows = TopK.empty(matrix.shape[0], width)
    halves = matrix.data.astype(np.float16)
    # Positive float16 are ordered as their bits, and integers compare twenty times as fast.
    bits = halves.view(np.int16)
    for row, (start, end) in enumerate(zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)):
        places = start + _among_best(bits[start:end], width)
        places = places[np.lexsort((matrix.indices[places], -bits[places]))[:width]]
        rows.items[row, : places.size] = matrix.indices[places]
        rows.scores[row, : places.size] = halves[places]
    return rows


def top(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """int64 ``[rows, n]``: indices of the ``n`` largest scores of each row, best first; equal scores by index.

    Scores of minus infinity are omitted; rows with fewer items end with -1. It runs on all cores. A partition of values
    (which numpy does with vector instructions) finds the n-th largest; ``argpartition`` is slower and leaves the choice
    among ties open.
    """
    rows, items = scores.shape
    lists = np.full((rows, n), NOTHING, np.int64)
    kept = min(n, items)
    if kept:
        in_blocks(rows, _TOGETHER, lambda start, end: _fill(scores[start:end], lists[start:end, :kept]))
    return lists


def _fill(scores: NDArray[np.float32], lists: NDArray[np.int64]) -> None:
    rows, n = lists.shape
    place = scores.shape[1] - n
    bound = np.partition(scores, place, axis=1)[:, place, None]
    reach = scores >= bound
    for row in np.flatnonzero(np.count_nonzero(reach, axis=1) > n):
        (tied,) = np.nonzero(scores[row] == bound[row])
        reach[row, tied[n - np.count_nonzero(scores[row] > bound[row]) :]] = False
    places = np.flatnonzero(reach).reshape(rows, n) % scores.shape[1]
    values = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    ordered = np.take_along_axis(places, order, axis=1)
    lists[:] = np.where(np.take_along_axis(values, order, axis=1) == -np.inf, NOTHING, ordered)


def dense_rows(scores: NDArray[np.floating], width: int) -> TopK:
    """``top_rows`` of a dense block, on all cores."""
    rows = TopK.empty(len(scores), width)
    kept = min(width, scores.shape[1])

    def fill(start: int, end: int) -> None:
        _fill_rows(scores[start:end], rows.items[start:end, :kept], rows.scores[start:end, :kept])

    if kept:
        in_blocks(len(scores), _TOGETHER, fill)
    return rows


def _fill_rows(scores: NDArray[np.floating], items: NDArray[np.uint32], halves: NDArray[np.float16]) -> None:
    width = items.shape[1]
    place = scores.shape[1] - width
    bound = np.partition(scores, place, axis=1)[:, place, None].astype(np.float16)
    # Scores above the next smaller float16 may round to the bound or more; only these few are rounded.
    reach = (scores > np.nextafter(bound, np.float16(-np.inf)).astype(np.float32)) & (scores > 0)
    row, column = np.nonzero(reach)
    stored = scores[reach].astype(np.float16)
    order = np.lexsort((-stored.astype(np.float32), row))  # stable: columns stay ascending among equals
    rank = place_within(row)
    used = (rank < width) & (stored[order] > 0)
    items[row[used], rank[used]] = column[order][used]
    halves[row[used], rank[used]] = stored[order][used]


def hide(scores: NDArray[np.floating], hidden: sp.csr_array) -> None:
    """Sets the scores of the entries of ``hidden`` ``[rows, items]`` to minus infinity."""
    scores[np.repeat(np.arange(hidden.shape[0]), np.diff(hidden.indptr)), hidden.indices] = -np.inf


def multiply_top(left: sp.csr_array, right: sp.csr_array, width: int, hidden: sp.csr_array | None = None) -> TopK:
    """``top_rows(left @ right)`` in blocks of rows on all cores, without the whole product in memory.

    Args:
        left: ``[rows, k]``.
        right: ``[k, items]``.
        width: Items per row.
        hidden: Bool ``[rows, items]``: entries that are omitted.
    """
    rows = TopK.empty(left.shape[0], width)
    kept = min(width, right.shape[1])

    def fill(start: int, end: int) -> None:
        product = left[start:end] @ right
        if hidden is not None:
            product = without(product, hidden[start:end])
        block = top_rows(product, width)
        rows.items[start:end], rows.scores[start:end] = block.items, block.scores

    def fill_long(start: int, end: int) -> None:
        product = dense_product(left[start:end], right)
        if hidden is not None:
            hide(product, hidden[start:end])
        _fill_rows(product, rows.items[start:end, :kept], rows.scores[start:end, :kept])

    if kept and is_long(left, right):
        in_blocks(left.shape[0], max(1, min(_TOGETHER, CELLS // right.shape[1])), fill_long)
    else:
        in_blocks(left.shape[0], 1024, fill)
    return rows


def without(matrix: sp.csr_array, hidden: sp.csr_array) -> sp.csr_array:
    """``matrix`` without the entries of ``hidden``."""
    shown: sp.csr_array = (matrix - matrix.multiply(hidden)).tocsr()
    return shown


def blocks(rows: int, items: int) -> Iterator[slice]:
    """Slices of rows with at most ``CELLS`` scores."""
    size = max(1, CELLS // max(items, 1))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def rank(scores: Callable[[slice], NDArray[np.float64]], rows: int, items: int, n: int) -> NDArray[np.int64]:
    """int64 ``[rows, n]``: the best items with a score above 0 of each row; -1: none left.

    Args:
        scores: Computes the scores of a block of rows, ``[block, items]``.
        rows: Number of rows.
        items: Number of items.
        n: Items per row.
    """
    lists = np.full((rows, n), NOTHING, np.int64)
    for block in blocks(rows, items):
        for row, values in zip(range(block.start, block.stop), scores(block), strict=True):
            places = best(values, n)
            lists[row, : places.size] = places
    return lists
