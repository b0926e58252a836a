"""Metrics by group of users (length of history, segment), and the diversity of lists."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.models.segment_popularity import Segments
from larder_training.recommender.splits.tasks import Task

Lists = Mapping[str, NDArray[np.int64]]
HISTORY_EDGES: Final = (1, 2, 5, 10, 20, 50)  # distinct items of a user before the cutoff
MIN_USERS: Final = 50  # smaller groups have too wide confidence intervals
MAX_SEGMENTS: Final = 12
_DIVERSITY_LISTS: Final = 1000
_DIVERSITY_ITEMS: Final = 20


def by_history(task: Task, seen: sp.csr_array) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Rows of the task by the number of distinct items in the history: ``("1", rows), ("2 to 4", rows), ...``."""
    lengths = np.diff(seen[task.users].indptr)
    for low, high in zip(HISTORY_EDGES, (*HISTORY_EDGES[1:], None), strict=True):
        rows = np.flatnonzero((lengths >= low) & ((lengths < high) if high is not None else True))
        if len(rows) >= MIN_USERS:
            yield _range(low, high), rows


def by_segment(task: Task, segments: Segments) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Rows of the task by segments of one column, the largest segment first."""
    members = segments.members[:, task.users].tocsr()
    sizes = np.diff(members.indptr)
    single = [number for number, text in enumerate(segments.texts) if text and "|" not in text]
    for number in sorted(single, key=lambda number: (-sizes[number], number))[:MAX_SEGMENTS]:
        if sizes[number] >= MIN_USERS:
            rows = members.indices[members.indptr[number] : members.indptr[number + 1]]
            yield segments.texts[number], np.sort(rows)


def diversity(lists: NDArray[np.int64], seen: sp.csr_array) -> float:
    """Mean over lists of one minus the mean cosine of pairs of items by their users.

    It is 0 if all items of a list have the same users, and 1 if no two items share a user (Ziegler et al., "Improving
    Recommendation Lists Through Topic Diversification", WWW 2005). Computed on the first 20 items of at most 1,000
    lists, evenly spaced.
    """
    columns = seen.astype(np.float64).tocsc()
    norms = np.sqrt(np.maximum(np.diff(columns.indptr), 1))
    chosen = lists[:: max(1, len(lists) // _DIVERSITY_LISTS), :_DIVERSITY_ITEMS]
    diversities = []
    for row in chosen:
        items = row[row >= 0]
        if len(items) > 1:
            users = columns[:, items]
            together = (users.T @ users).toarray() / np.outer(norms[items], norms[items])
            diversities.append(1 - (together.sum() - np.trace(together)) / (len(items) * (len(items) - 1)))
    return float(np.mean(diversities)) if diversities else 0.0


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} and more"
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
