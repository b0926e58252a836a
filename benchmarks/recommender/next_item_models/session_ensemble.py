"""Several item-item models in one served table, and the scores of sessions by the serving formula."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.sparse import strongest


def blend_tables(tables: Sequence[tuple[float, sp.csr_array]], width: int) -> sp.csr_array:
    """float64 ``[items, items]``: the weighted sum of matrices, each divided by its ``typical_best``.

    Each row has its ``width`` largest entries above 0, as in the served table.
    """
    shape = tables[0][1].shape
    total = sp.csr_array(shape, dtype=np.float64)
    for weight, table in tables:
        total = (total + table.astype(np.float64) * (weight / typical_best(table))).tocsr()
    total.data = np.maximum(total.data, 0)
    total.eliminate_zeros()
    return strongest(total, width)


def typical_best(table: sp.csr_array) -> float:
    """Mean of the rows' largest entries, without empty rows; 1 for a table without entries above 0."""
    best = np.asarray(table.max(axis=1).todense(), np.float64).ravel()
    best = best[best > 0]
    return float(best.mean()) if best.size else 1.0


@dataclass(frozen=True, slots=True)
class SessionFormula:
    """Serving formula of a session with items i_0, i_1, ..., newest first (ARCHITECTURE.md, "Answers").

    score(item) = sum over k of session * session_decay**k * neighbours[i_k, item]
                + transition * transition_decay**k * transitions[i_k, item] + revisit * revisit_decay**k * [item == i_k]

    Attributes:
        session: Weight of the neighbours of the session's items.
        transition: Weight of the transitions.
        revisit: Weight of the session's own items.
        session_decay: Factor of the neighbours per step back in the session.
        transition_decay: Factor of the transitions per step back.
        revisit_decay: Factor of the own items per step back.
    """

    session: float = 0.0
    transition: float = 1.0
    revisit: float = 0.0
    session_decay: float = 0.9
    transition_decay: float = 0.5
    revisit_decay: float = 0.9

    def scores(
        self,
        recent: Callable[[float], sp.csr_array],
        neighbours: sp.csr_array | None,
        transitions: sp.csr_array | None,
    ) -> sp.csr_array:
        """float64 ``[sessions, items]`` for many sessions at once.

        ``recent(decay)`` returns ``[sessions, items]``, with ``decay**k`` for the k-th newest item of a session. Tables
        may be None.
        """
        total = self.revisit * recent(self.revisit_decay)
        if neighbours is not None and self.session:
            total = total + self.session * (recent(self.session_decay) @ neighbours)
        if transitions is not None and self.transition:
            total = total + self.transition * (recent(self.transition_decay) @ transitions)
        scores: sp.csr_array = total.tocsr()
        return scores

    def score_one(
        self, newest: Sequence[int], neighbours: NDArray[np.floating], transitions: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """``[items]`` for one session and dense tables, by the formula as written; tests compare it with ``scores``."""
        scores = np.zeros(neighbours.shape[1])
        for k, item in enumerate(newest):
            scores += self.session * self.session_decay**k * neighbours[item]
            scores += self.transition * self.transition_decay**k * transitions[item]
            scores[item] += self.revisit * self.revisit_decay**k
        return scores
