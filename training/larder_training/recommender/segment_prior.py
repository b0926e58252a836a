"""How many users of everybody's taste stand beside a segment's own: chosen by how well segments serve people whom they
do not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.bench import ndcg
from larder_training.recommender.choices import Choices
from larder_training.recommender.folds import MIN_USERS, Fold
from larder_training.recommender.model import present_at
from larder_training.recommender.segments import Segments, segment_rows
from larder_training.recommender.served import segment_lists
from larder_training.recommender.tasks import Task, join, next_items
from larder_training.recommender.trials import Trials

_PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0)  # the last is next to everybody's taste
_PARTS: Final = 5  # of all users: each part is served by the segments of the others
_DEPTH: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A validation period, the segments of its history, and int64 ``[users]`` each user's own, 0 without one."""

    fold: Fold
    segments: Segments
    segment_of: NDArray[np.int64]

    def task(self, seed: int) -> Task:
        """What users who are in a segment had in the period, whether they were known before or not."""
        history, period = self.fold.history, self.fold.period
        task = join(next_items(history, period), next_items(history, period, known=False))
        return task.take(np.flatnonzero(self.segment_of[task.users] > 0)).sample(seed)


def choose_prior(cases: Sequence[Case], choices: Choices, seed: int, trials: Trials) -> Choices:
    """Chooses ``prior_users`` by how well segments alone rank for users who are in one, each by a segment without him;
    too few choose nothing.
    """
    tasks = [case.task(seed) for case in cases]
    if sum(len(task.users) for task in tasks) < MIN_USERS:
        return choices
    presents = [present_at(case.fold.history, case.fold.now, choices) for case in cases]
    tried = []
    for prior in _PRIORS:
        values = [_values(*each, prior) for each in zip(cases, tasks, presents, strict=True)]
        found = np.concatenate(values)
        tried.append((float(found.mean()), trials.add("prior_users", prior, "segment", found)))
    place = int(np.argmax([mean for mean, _ in tried]))
    trials.keep(tried[place][1])
    return replace(choices, prior_users=_PRIORS[place])


def _values(case: Case, task: Task, present: sp.csr_array, prior: float) -> NDArray[np.float64]:
    """NDCG@20 of each of the task's users. His own taste would say that small segments know best."""
    found = np.zeros(len(task.users))
    part = np.arange(present.shape[0]) % _PARTS
    for number in range(_PARTS):
        members = (case.segments.members @ sp.diags_array((part != number).astype(np.float64))).tocsr()
        rows = segment_rows(present, replace(case.segments, members=members), prior, _DEPTH)
        asked = np.flatnonzero(part[task.users] == number)
        some = task.take(asked)
        found[asked] = ndcg(segment_lists(rows, case.segment_of[some.users], _DEPTH), some)
    return found
