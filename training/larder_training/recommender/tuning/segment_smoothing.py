"""Tunes the additive smoothing of segment popularity: how many users of the overall distribution are added to each
segment's own users. Users are held out of their segments while they are evaluated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.ensemble.fitted import presence_at
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import segment_lists
from larder_training.recommender.models.segment_popularity import Segments, segment_rows
from larder_training.recommender.splits.rolling_origin import MIN_USERS, Fold
from larder_training.recommender.splits.tasks import Task, join, next_items
from larder_training.recommender.tuning.fold_cache import ndcg
from larder_training.recommender.tuning.trials import TrialLog

_PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0)  # users; the last is close to overall popularity
_PARTS: Final = 5  # of all users; each part is ranked by segments of the other parts
_DEPTH: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutUsers:
    """Users who are evaluated by segments that do not include them.

    Attributes:
        present: The history's ``[users, items]``, aged by the trend's half-life.
        segments: Segments without these users.
        segment_of: int64 ``[users of the task]``: segment of each user.
        task: The users and their relevant items.
    """

    present: sp.csr_array
    segments: Segments
    segment_of: NDArray[np.int64]
    task: Task

    def values(self, prior: float) -> NDArray[np.float64]:
        """NDCG@20 of each user of the task, with ``prior`` users of smoothing."""
        rows = segment_rows(self.present, self.segments, prior, _DEPTH)
        return ndcg(segment_lists(rows, self.segment_of, _DEPTH), self.task)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFold:
    """A validation fold with its segments.

    Attributes:
        fold: The validation period and its history.
        segments: Segments of the history.
        segment_of: int64 ``[users]``: segment of each user; 0 without one.
    """

    fold: Fold
    segments: Segments
    segment_of: NDArray[np.int64]

    def parts(self, params: Hyperparameters, seed: int) -> Iterator[HeldOutUsers]:
        """Users in a segment, with or without history, each evaluated without their own events: with them, small
        segments would look better than they are.
        """
        history, period = self.fold.history, self.fold.period
        task = join(next_items(history, period), next_items(history, period, known=False))
        task = task.take(np.flatnonzero(self.segment_of[task.users] > 0)).sample(seed)
        if not len(task.users):
            return
        present = presence_at(history, self.fold.now, params)
        part_of = np.arange(present.shape[0]) % _PARTS
        for part in range(_PARTS):
            members = (self.segments.members @ sp.diags_array((part_of != part).astype(np.float64))).tocsr()
            held_out = task.take(np.flatnonzero(part_of[task.users] == part))
            segments = replace(self.segments, members=members)
            yield HeldOutUsers(present, segments, self.segment_of[held_out.users], held_out)


def choose_prior(folds: Sequence[SegmentFold], params: Hyperparameters, seed: int, trials: TrialLog) -> Hyperparameters:
    """Chooses ``prior_users`` by the NDCG@20 of segment popularity; with fewer than ``MIN_USERS`` users in segments,
    returns ``params`` unchanged.
    """
    parts = [part for fold in folds for part in fold.parts(params, seed)]
    if sum(len(part.task.users) for part in parts) < MIN_USERS:
        return params
    results = []
    for prior in _PRIORS:
        values = np.concatenate([part.values(prior) for part in parts])
        results.append((float(values.mean()), prior, trials.add("prior_users", prior, "segment", values)))
    _, prior, trial = max(results, key=lambda result: result[0])
    trials.keep(trial)
    return replace(params, prior_users=prior)
