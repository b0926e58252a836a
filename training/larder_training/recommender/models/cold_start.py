"""Cold start: items without events get the weights of their content neighbours in the item-item matrix.

The column of such an item is the mean of its content neighbours' columns, weighted by similarity; each neighbour also
gets a weight for the item itself. The row of the item is computed likewise. An item with a few events keeps its own
entries and has the mean added, with a smaller factor the more events it has.
"""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import strongest
from larder_training.numerics.topk import multiply_top, top_rows

ENOUGH: Final = 20.0  # events
_SHARPNESS: Final = 4  # neighbours are weighted by this power of the cosine


def fill_cold(
    linear: sp.csr_array,
    content: sp.csr_array,
    counts: NDArray[np.int64],
    gamma: float = 1.0,
    enough: float = ENOUGH,
    own: float = 1.0,
    width: int = 100,
) -> sp.csr_array:
    """Adds content to the rows and columns of the items with fewer than ``enough`` events.

    Entries between items with enough events do not change. Added entries have float16's precision. Memory: 24 bytes per
    added entry.

    Args:
        linear: B, ``[items, items]``.
        content: ``[items, items]``, entries from 0 to 1: content neighbours (``ContentKNN``).
        counts: ``[items]``: events.
        gamma: Weight of content for an item without events; with n events it is ``gamma * (1 - n/enough)``.
        enough: Events from which on content is not used.
        own: Weight of each neighbour for the item itself, in units of B's largest entry; the default was best on
            Online Retail's validation period (benchmarks/recommender).
        width: Largest entries of an added row or column that are kept.
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
        """``[items, items]``: means of the neighbours' rows of ``matrix``, in the rows of the cold items."""
        rows = multiply_top(mean, (matrix / top + itself_too).tocsr(), width, itself).matrix(len(counts)).tocoo()
        row, column = rows.coords
        values = rows.data * top * lacking[cold[row]]
        return sp.coo_array((values, (cold[row], column)), shape=linear.shape).tocsr()

    columns = strongest(linear.T.tocsr(), 2 * width)  # a popular item's column may have most items
    into = (linear + added(columns).T).tocsr()
    heads = (
        top_rows((into / top).tocsr(), width).matrix(len(counts)) * top
    )  # a known item's row may have all cold items
    return sp.csr_array(into + added(heads.tocsr()))


def _means(content: sp.csr_array, known: NDArray[np.float64]) -> sp.csr_array:
    """``[cold, items]``: weights of the neighbours. A row adds up to 1 or is empty. Cold neighbours weigh less."""
    near = content.tocoo()
    row, column = near.coords
    weight = near.data**_SHARPNESS * np.minimum(known[column], 1.0)
    sums = np.bincount(row, weight, minlength=near.shape[0])
    weight = weight / np.where(sums > 0, sums, 1)[row]
    means = sp.csr_array((weight, (row, column)), shape=near.shape)
    means.eliminate_zeros()
    return means
