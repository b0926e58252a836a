"""What a model must beat, each given its best chance: popularity, recent popularity, and a user's own items again."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import rank
from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.data.interaction_matrix import seen_pairs
from larder_training.recommender.evaluation.serving_formula import fixed
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.splits.tasks import Task

WINDOWS: Final = (1, 3, 7, 14, 30, 90)  # days


def popularity(log: Log, since: int | None = None) -> NDArray[np.float64]:
    """``[items]``: how many different users have an event with each item, from ``since`` (epoch seconds) on."""
    if since is not None:
        log = log.between(since, log.end)
    return had_by(seen_pairs(log))


def had_by(seen: sp.csr_array) -> NDArray[np.float64]:
    """``[items]``: how many users have an entry with each item in ``seen``, bool ``[users, items]``."""
    return np.bincount(seen.indices, minlength=seen.shape[1]).astype(np.float64)


def choose_window(history: Log, now: int, task: Task, hidden: sp.csr_array | None) -> int:
    """The days of recent popularity that do best on a (validation) task, by NDCG@20; 30 where nobody is there."""
    if not len(task.users):
        return 30

    def metric(days: int) -> float:
        ranking = fixed(popularity(history, now - days * DAY), task, 20, hidden)
        return float(by_user(hits(ranking, task.truth), task.relevant, (20,))["ndcg@20"].mean())

    return max(WINDOWS, key=metric)


def own_again(affinity: sp.csr_array, popular: NDArray[np.float64], task: Task, n: int) -> NDArray[np.int64]:
    """The items that each user had, by his affinity, and then popular ones: no model at all, and hard to beat where
    people buy the same again.
    """
    own = affinity[task.users]
    tail = popular / max(popular.max(initial=0.0), 1.0) * np.finfo(np.float32).tiny

    def scores(block: slice) -> NDArray[np.float64]:
        result: NDArray[np.float64] = own[block].toarray() + tail
        return result

    return rank(scores, len(task.users), len(popular), n)
