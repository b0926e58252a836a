"""Items without history get the places of their content neighbours in the linear model.

A column of B says what leads to an item. For an item that nobody has had yet it is the mean of its content neighbours'
columns, nearer ones counting more, where each neighbour also leads to it itself; its row, what having the item leads
to, likewise. An item with a few events keeps its own column and has that mean beside it, the less the more events.
"""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import strongest
from larder_training.numerics.topk import multiply_top, top_rows

ENOUGH: Final = 20.0  # events
_SHARPNESS: Final = 4  # the power of the cosine that a neighbour counts by


def fill_cold(
    linear: sp.csr_array,
    content: sp.csr_array,
    counts: NDArray[np.int64],
    gamma: float = 1.0,
    enough: float = ENOUGH,
    own: float = 1.0,
    width: int = 100,
) -> sp.csr_array:
    """``linear`` with what content says of the items below ``enough`` events in their rows and columns.

    Args:
        linear: B, ``[items, items]``.
        content: ``[items, items]``, entries from 0 to 1: content neighbours (``ContentKNN``).
        counts: ``[items]``, each item's events.
        gamma: the weight of what content says of an item without any event; with n events ``gamma * (1 - n/enough)``.
        enough: the events from which on an item's own history speaks for it alone.
        own: how much each neighbour itself leads to the item, in units of B's largest entry: what did best on Online
            Retail's validation period (benchmarks/recommender).
        width: entries of a filled row or column, the largest, that are kept.

    Entries between two items with enough events are those of ``linear``. Memory: 24 bytes for each entry filled, which
    are stored to float16's precision.
    """
    lacking = gamma * np.maximum(1 - counts / enough, 0.0)
    top = float(linear.data.max(initial=0.0))
    cold = np.flatnonzero(lacking > 0)
    if not cold.size or top <= 0:
        return linear
    mean = _means(content[cold], counts / enough)
    itself = sp.csr_array((np.ones(cold.size, bool), (np.arange(cold.size), cold)), shape=mean.shape)
    itself_too = sp.diags_array(np.full(len(counts), own))

    def added(matrix: sp.csr_array) -> sp.csr_array:
        """``[items, items]``: the means of the neighbours' rows of ``matrix``, in the rows of the items that lack."""
        rows = multiply_top(mean, (matrix / top + itself_too).tocsr(), width, itself).matrix(len(counts)).tocoo()
        row, column = rows.coords
        values = rows.data * top * lacking[cold[row]]
        return sp.coo_array((values, (cold[row], column)), shape=linear.shape).tocsr()

    columns = strongest(linear.T.tocsr(), 2 * width)  # what leads to a popular item may be most of the catalogue
    into = (linear + added(columns).T).tocsr()
    heads = top_rows((into / top).tocsr(), width).matrix(len(counts)) * top  # a known item may lead to all cold ones
    return sp.csr_array(into + added(heads.tocsr()))


def _means(content: sp.csr_array, known: NDArray[np.float64]) -> sp.csr_array:
    """``[cold, items]``: how much each neighbour counts; a row adds up to 1, or is empty. Neighbours of few events are
    themselves little ``known``, and count less.
    """
    near = content.tocoo()
    row, column = near.coords
    weight = near.data**_SHARPNESS * np.minimum(known[column], 1.0)
    sums = np.bincount(row, weight, minlength=near.shape[0])
    weight = weight / np.where(sums > 0, sums, 1)[row]
    found = sp.csr_array((weight, (row, column)), shape=near.shape)
    found.eliminate_zeros()
    return found
