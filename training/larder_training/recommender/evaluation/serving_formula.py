"""The serving formula (ARCHITECTURE.md, "Answers") for many users at once, on rows as the tables store them.

Sums are in the order of serving, so that the lists are the same, equal scores included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.numerics.topk import NOTHING, TopK, best, blocks, rank
from larder_training.recommender.ensemble.fitted import FittedEnsemble
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.models.segment_popularity import SEGMENT_SLOTS
from larder_training.recommender.splits.tasks import Task


@dataclass(frozen=True, slots=True, eq=False)
class ServingFormula:
    """The rows of the tables, as float16 stores them.

    Attributes:
        users: float64 ``[users, items]``.
        neighbours: float64 ``[items, items]``.
        popularity: float64 ``[items]``: the segment of all users.
        transitions: float64 ``[items, items]``; None: not served.
    """

    users: sp.csr_array
    neighbours: sp.csr_array
    popularity: NDArray[np.float64]
    transitions: sp.csr_array | None = None

    @classmethod
    def of(cls, fitted: FittedEnsemble, users: NDArray[np.int64]) -> "ServingFormula":
        """Rows of a model, cut and rounded as its tables are; only ``users`` (ascending) have a row."""
        items = fitted.matrix.shape[0]
        transition_rows = fitted.transition_rows()
        transitions = None if transition_rows is None else transition_rows.matrix(items)
        neighbours = fitted.neighbour_rows().matrix(items)
        return cls(user_matrix(fitted, users), neighbours, segment_row(fitted.popularity), transitions)


def user_matrix(fitted: FittedEnsemble, users: NDArray[np.int64]) -> sp.csr_array:
    """float64 ``[users, items]``: the table rows of ``users`` (ascending); all other rows are empty."""
    rows = fitted.user_rows(users).matrix(fitted.matrix.shape[0])
    lengths = np.zeros(fitted.interactions.shape[0], np.int64)
    lengths[users] = np.diff(rows.indptr)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    return sp.csr_array((rows.data, rows.indices, ends), shape=fitted.interactions.shape)


def as_float16(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values rounded to float16, as tables store them."""
    return values.astype(np.float16).astype(np.float64)


def segment_row(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[items]``: the table row of the segment of all users; 0 for items beyond its last slot."""
    values = as_float16(popularity)
    kept = best(values, SEGMENT_SLOTS)
    row = np.zeros_like(values)
    row[kept] = values[kept]
    return row


def recommendations(
    formula: ServingFormula, params: Hyperparameters, task: Task, n: int, hidden: sp.csr_array | None = None
) -> NDArray[np.int64]:
    """int64 ``[users of the task, n]``: best items of each user, given the session; -1 at the end of shorter lists.

    As in serving, items of the session are left out unless ``revisit_weight`` is above 0. So are the entries of
    ``hidden``, bool ``[users, items]``, as if each request had them in ``exclude``.
    """
    items = formula.neighbours.shape[0]
    users = formula.users[task.users] * params.user_weight
    length, rows = params.session_length, formula.neighbours
    parts = [(params.session_weight, params.session_decay)]
    if formula.transitions is not None and params.transition_weight:
        parts.append((params.transition_weight, params.transition_decay))
        rows = sp.vstack((rows, formula.transitions), format="csr")
    sessions = session_matrix(task, parts, length, items)
    revisits = session_matrix(task, [(params.revisit_weight, params.revisit_decay)], length, items)
    seen = None if params.revisit_weight > 0 else session_matrix(task, [(1.0, 1.0)], None, items)
    segment = formula.popularity * params.segment_weight

    def scores(block: slice) -> NDArray[np.float64]:
        personal = users[block] + sessions[block] @ rows
        total: NDArray[np.float64] = (personal + revisits[block]).toarray() + segment
        if seen is not None:
            clicked = seen[block]
            total[np.repeat(np.arange(clicked.shape[0]), np.diff(clicked.indptr)), clicked.indices] = 0
        if hidden is not None:
            total[hidden[task.users[block]].toarray()] = 0
        return total

    return rank(scores, len(task.users), items, n)


def session_matrix(task: Task, parts: Sequence[tuple[float, float]], length: int | None, items: int) -> sp.csr_array:
    """Weights of session items, to multiply by tables that are stacked vertically.

    Args:
        task: Users and their sessions, newest item first.
        parts: (weight, decay) of each table.
        length: Newest items of a session that count; None: all.
        items: Number of items.

    Returns:
        float64 ``[users of the task, len(parts) * items]``: for each part, ``weight * decay**k`` at the session's k-th
        newest item. Entries are in the order of ``parts``, newest item first within each: the order in which serving
        sums.
    """
    sessions = [session[:length] for session in task.sessions]
    longest = max(map(len, sessions), default=0)
    # Python's powers: the last bit of numpy's may differ from serving's.
    powers = [[weight * decay**k for k in range(longest)] for weight, decay in parts]
    values = [value for session in sessions for part in powers for value in part[: len(session)]]
    firsts = range(0, len(parts) * items, items)
    columns = [first + item for session in sessions for first in firsts for item in session]
    ends = np.cumsum([0, *(len(parts) * len(session) for session in sessions)])
    matrix = (np.array(values, np.float64), np.array(columns, np.int64), ends)
    return sp.csr_array(matrix, shape=(len(task.users), len(parts) * items))


def same_for_all(
    values: NDArray[np.float64], task: Task, n: int, hidden: sp.csr_array | None = None
) -> NDArray[np.int64]:
    """int64 ``[users of the task, n]``: items by ``values`` (popularity), without each user's items in ``hidden``.

    Items with a value of 0 are not recommended; ``hidden`` is bool ``[users, items]``.
    """
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 0]
    lists = np.full((len(task.users), n), NOTHING, np.int64)
    if hidden is None:
        lists[:, : order[:n].size] = order[:n]
        return lists
    for block in blocks(len(task.users), len(values)):
        mask = hidden[task.users[block]].toarray()
        for row, hidden_items in zip(range(block.start, block.stop), mask, strict=True):
            visible = order[~hidden_items[order]][:n]
            lists[row, : visible.size] = visible
    return lists


def segment_lists(rows: TopK, segments: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """int64 ``[users, n]``: the first ``n`` items of each user's segment, int64 ``[users]``."""
    items = rows.items[:, :n].astype(np.int64)
    items[rows.items[:, :n] == EMPTY] = NOTHING
    lists = np.full((len(segments), n), NOTHING, np.int64)
    lists[:, : items.shape[1]] = items[segments]
    return lists
