"""The answer's formula over many users at once, from the rows that the tables store (ARCHITECTURE.md, "Answers"): what
is measured is what is formula, item by item. Sums are taken in the order in which serving takes them, so that scores
that are equal there are equal here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.numerics.topk import NOTHING, Rows, best, blocks, rank
from larder_training.recommender.ensemble.fitted import FittedEnsemble
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.models.segment_popularity import SEGMENT_SLOTS
from larder_training.recommender.splits.tasks import Task


@dataclass(frozen=True, slots=True, eq=False)
class ServingFormula:
    """``users`` float64 ``[users, items]``, ``neighbours`` and ``transitions`` ``[items, items]`` are the tables' rows;
    ``popular`` ``[items]`` is the segment of all users.
    """

    users: sp.csr_array
    neighbours: sp.csr_array
    popular: NDArray[np.float64]
    transitions: sp.csr_array | None = None

    @classmethod
    def of(cls, fitted: FittedEnsemble, users: NDArray[np.int64]) -> "ServingFormula":
        """Cuts and rounds a model as its tables do; all users but ``users`` (ascending) are left without a row."""
        items = fitted.matrix.shape[0]
        follows = fitted.transition_rows()
        transitions = None if follows is None else follows.matrix(items)
        neighbours = fitted.neighbour_rows().matrix(items)
        return cls(rows_of(fitted, users), neighbours, segment_row(fitted.popularity), transitions)


def rows_of(fitted: FittedEnsemble, users: NDArray[np.int64]) -> sp.csr_array:
    """Float64 ``[users, items]``: the rows of ``users`` (ascending) as their table says them; all others are empty."""
    rows = fitted.user_rows(users).matrix(fitted.matrix.shape[0])
    lengths = np.zeros(fitted.affinity.shape[0], np.int64)
    lengths[users] = np.diff(rows.indptr)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    return sp.csr_array((rows.data, rows.indices, ends), shape=fitted.affinity.shape)


def stored(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values as they come back from a table: float16."""
    return values.astype(np.float16).astype(np.float64)


def segment_row(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Popularity as the segment of all users says it: rounded, and nothing beyond the row's last slot."""
    values = stored(popularity)
    kept = best(values, SEGMENT_SLOTS)
    row = np.zeros_like(values)
    row[kept] = values[kept]
    return row


def lists(
    formula: ServingFormula, params: Hyperparameters, task: Task, n: int, hidden: sp.csr_array | None = None
) -> NDArray[np.int64]:
    """int64 ``[task's users, n]``: the best items for each user and his session; -1 where there are no more.

    Items of the session are left out where the model knows no revisits, as serving leaves them out then unless it is
    asked not to; so are the entries of ``hidden``, bool ``[users, items]``, as a request's ``exclude`` leaves them out.
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
    segment = formula.popular * params.segment_weight

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
    """float64 ``[task's users, len(parts) * items]``: for each (weight, decay) of ``parts``, in columns of its own,
    ``weight * decay**k`` at each session's k-th newest item of the newest ``length`` (None: of all).

    Entries lie in the order of ``parts``, in each the newest first: a product with tables one above the other sums a
    session's rows as serving does.
    """
    cut = [session[:length] for session in task.sessions]
    longest = max(map(len, cut), default=0)
    # Not numpy's powers, whose last bit may differ.
    powers = [[weight * decay**k for k in range(longest)] for weight, decay in parts]
    values = [value for session in cut for part in powers for value in part[: len(session)]]
    firsts = range(0, len(parts) * items, items)
    columns = [first + item for session in cut for first in firsts for item in session]
    ends = np.cumsum([0, *(len(parts) * len(session) for session in cut)])
    matrix = (np.array(values, np.float64), np.array(columns, np.int64), ends)
    return sp.csr_array(matrix, shape=(len(task.users), len(parts) * items))


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
