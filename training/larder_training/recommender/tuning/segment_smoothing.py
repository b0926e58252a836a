"""How many users of everybody's taste stand beside a segment's own: chosen by how well segments serve people whom they
do not know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.ensemble.fitted import present_at
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import segment_lists
from larder_training.recommender.models.segment_popularity import Segments, segment_rows
from larder_training.recommender.splits.rolling_origin import MIN_USERS, Fold
from larder_training.recommender.splits.tasks import Task, join, next_items
from larder_training.recommender.tuning.fold_cache import ndcg
from larder_training.recommender.tuning.trials import Trials

_PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0)  # the last is next to everybody's taste
_PARTS: Final = 5  # of all users: each part is formula by the segments of the others
_DEPTH: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutUsers:
    """Some users (``task``), asked by ``segments`` that do not count them; ``segment_of`` int64 ``[task's users]``."""

    present: sp.csr_array
    segments: Segments
    segment_of: NDArray[np.int64]
    task: Task

    def values(self, prior: float) -> NDArray[np.float64]:
        """NDCG@20 of each of the task's users."""
        rows = segment_rows(self.present, self.segments, prior, _DEPTH)
        return ndcg(segment_lists(rows, self.segment_of, _DEPTH), self.task)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A validation period, the segments of its history, and int64 ``[users]`` each user's own, 0 without one."""

    fold: Fold
    segments: Segments
    segment_of: NDArray[np.int64]

    def parts(self, params: Hyperparameters, seed: int) -> Iterator[HeldOutUsers]:
        """Users who are in a segment, known before the period or not, each by a segment without him: his own taste
        would say that small segments know best.
        """
        history, period = self.fold.history, self.fold.period
        task = join(next_items(history, period), next_items(history, period, known=False))
        task = task.take(np.flatnonzero(self.segment_of[task.users] > 0)).sample(seed)
        if not len(task.users):
            return
        present = present_at(history, self.fold.now, params)
        part = np.arange(present.shape[0]) % _PARTS
        for number in range(_PARTS):
            members = (self.segments.members @ sp.diags_array((part != number).astype(np.float64))).tocsr()
            some = task.take(np.flatnonzero(part[task.users] == number))
            yield HeldOutUsers(present, replace(self.segments, members=members), self.segment_of[some.users], some)


def choose_prior(cases: Sequence[Case], params: Hyperparameters, seed: int, trials: Trials) -> Hyperparameters:
    """Chooses ``prior_users`` by how well segments alone rank for users who are in one; too few choose nothing."""
    parts = [part for case in cases for part in case.parts(params, seed)]
    if sum(len(part.task.users) for part in parts) < MIN_USERS:
        return params
    tried = []
    for prior in _PRIORS:
        values = np.concatenate([part.values(prior) for part in parts])
        tried.append((float(values.mean()), trials.add("prior_users", prior, "segment", values)))
    return replace(params, prior_users=_PRIORS[trials.keep_best(tried)])
