"""The answer's formula over many users at once, from the rows that the tables store (ARCHITECTURE.md, "Recommender
scores"): what is measured is what is served.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.recommender.model import Choices, Fitted
from larder_training.recommender.ranking import NOTHING, Rows, blocks, rank
from larder_training.recommender.tasks import Task


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """``users`` float64 ``[users, items]`` and ``neighbours`` ``[items, items]`` are the tables' rows; ``popular``
    ``[items]`` is the segment of all users.
    """

    users: sp.csr_array
    neighbours: sp.csr_array
    popular: NDArray[np.float64]

    @classmethod
    def of(cls, fitted: Fitted, users: NDArray[np.int64]) -> "Served":
        """Cuts and rounds a model as its tables do; all users but ``users`` (ascending) are left without a row."""
        items = fitted.linear.shape[0]
        rows = fitted.user_rows(users).matrix(items)
        lengths = np.zeros(fitted.affinity.shape[0], np.int64)
        lengths[users] = np.diff(rows.indptr)
        ends = np.concatenate(([0], np.cumsum(lengths)))
        placed = sp.csr_array((rows.data, rows.indices, ends), shape=fitted.affinity.shape)
        return cls(placed, fitted.neighbour_rows().matrix(items), stored(fitted.popularity))


def stored(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values as they come back from a table: float16."""
    return values.astype(np.float16).astype(np.float64)


def lists(
    served: Served, choices: Choices, task: Task, n: int, hidden: sp.csr_array | None = None
) -> NDArray[np.int64]:
    """int64 ``[task's users, n]``: the best items for each user and his session; -1 where there are no more.

    Items of the session are left out, as serving leaves them out unless it is asked not to; so are the entries of
    ``hidden``, bool ``[users, items]``, as a request's ``exclude`` leaves them out.
    """
    users = served.users[task.users] * choices.user_weight
    sessions = session_matrix(task, choices, served.neighbours.shape[0])
    segment = served.popular * choices.segment_weight

    def scores(block: slice) -> NDArray[np.float64]:
        clicked = sessions[block]
        total: NDArray[np.float64] = (users[block] + clicked @ served.neighbours).toarray() + segment
        total[np.repeat(np.arange(clicked.shape[0]), np.diff(clicked.indptr)), clicked.indices] = 0
        if hidden is not None:
            total[hidden[task.users[block]].toarray()] = 0
        return total

    return rank(scores, len(task.users), served.neighbours.shape[0], n)


def session_matrix(task: Task, choices: Choices, items: int) -> sp.csr_array:
    """float64 ``[task's users, items]``: ``session_weight * session_decay**k`` at each session's k-th newest item."""
    cut = [session[: choices.session_length] for session in task.sessions]
    ends = np.concatenate(([0], np.cumsum([len(session) for session in cut]))).astype(np.int64)
    columns = np.array([item for session in cut for item in session], np.int64)
    ages = np.arange(len(columns)) - np.repeat(ends[:-1], np.diff(ends))
    values = choices.session_weight * choices.session_decay**ages
    return sp.csr_array((values, columns, ends), shape=(len(task.users), items))


def fixed(values: NDArray[np.float64], task: Task, n: int, hidden: sp.csr_array | None = None) -> NDArray[np.int64]:
    """The same ranking for everybody (popularity); ``hidden`` bool ``[users, items]`` is left out for each."""
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 0]
    result = np.full((len(task.users), n), NOTHING, np.int64)
    if hidden is None:
        result[:, : order[:n].size] = order[:n]
        return result
    for block in blocks(len(task.users), len(values)):
        mask = hidden[task.users[block]].toarray()
        for row, away in zip(range(block.start, block.stop), mask, strict=True):
            shown = order[~away[order]][:n]
            result[row, : shown.size] = shown
    return result


def segment_lists(rows: Rows, segments: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The first ``n`` items of each user's segment, int64 ``[users, n]``."""
    items = rows.items[:, :n].astype(np.int64)
    items[rows.items[:, :n] == EMPTY] = NOTHING
    result = np.full((len(segments), n), NOTHING, np.int64)
    result[:, : items.shape[1]] = items[segments]
    return result
