"""For whom a model is good: the same lists, told apart by the users' history and by their segment; and how alike the
items of one list are.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.segment_popularity import Segments
from larder_training.recommender.splits.tasks import Task

Lists = Mapping[str, NDArray[np.int64]]
HISTORY_EDGES: Final = (1, 2, 5, 10, 20, 50)  # items that a user had before the cut-off
MIN_USERS: Final = 50  # fewer give intervals that say nothing
MAX_SEGMENTS: Final = 12
_DIVERSITY_LISTS: Final = 1000
_DIVERSITY_ITEMS: Final = 20


def by_history(task: Task, seen: sp.csr_array) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Rows of the task by how many different items its users had: ``("1", rows), ("2 to 4", rows), ...``."""
    lengths = np.diff(seen[task.users].indptr)
    for low, high in zip(HISTORY_EDGES, (*HISTORY_EDGES[1:], None), strict=True):
        rows = np.flatnonzero((lengths >= low) & ((lengths < high) if high is not None else True))
        if len(rows) >= MIN_USERS:
            yield _range(low, high), rows


def by_segment(task: Task, segments: Segments) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Rows of the task by their users' segments of one column, the largest first."""
    members = segments.members[:, task.users].tocsr()
    sizes = np.diff(members.indptr)
    single = [place for place, text in enumerate(segments.texts) if text and "|" not in text]
    for place in sorted(single, key=lambda place: (-sizes[place], place))[:MAX_SEGMENTS]:
        if sizes[place] >= MIN_USERS:
            yield segments.texts[place], np.sort(members.indices[members.indptr[place] : members.indptr[place + 1]])


def diversity(lists: NDArray[np.int64], seen: sp.csr_array) -> float:
    """Mean over lists of one minus the mean cosine of their items' users, pair by pair: 0 where all items of a list are
    had by the same people, 1 where no two are had by anybody (Ziegler et al., "Improving Recommendation Lists Through
    Topic Diversification", WWW 2005). Over the first 20 items of at most 1,000 lists, evenly spaced.
    """
    columns = seen.astype(np.float64).tocsc()
    norms = np.sqrt(np.maximum(np.diff(columns.indptr), 1))
    chosen = lists[:: max(1, len(lists) // _DIVERSITY_LISTS), :_DIVERSITY_ITEMS]
    found = []
    for row in chosen:
        items = row[row >= 0]
        if len(items) > 1:
            users = columns[:, items]
            together = (users.T @ users).toarray() / np.outer(norms[items], norms[items])
            found.append(1 - (together.sum() - np.trace(together)) / (len(items) * (len(items) - 1)))
    return float(np.mean(found)) if found else 0.0


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} and more"
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
