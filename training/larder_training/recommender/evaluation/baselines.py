"""Baselines, each with tuned parameters: popularity, recent popularity, and each user's own items again."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import rank
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import seen_pairs
from larder_training.recommender.evaluation.serving_formula import same_for_all
from larder_training.recommender.metrics.ranking import by_user, hits
from larder_training.recommender.splits.tasks import Task

WINDOWS: Final = (1, 3, 7, 14, 30, 90)  # days


def popularity(log: EventLog, since: int | None = None) -> NDArray[np.float64]:
    """``[items]``: number of distinct users with an event with each item, from ``since`` (epoch seconds) on."""
    if since is not None:
        log = log.between(since, log.end)
    return users_per_item(seen_pairs(log))


def users_per_item(seen: sp.csr_array) -> NDArray[np.float64]:
    """``[items]``: number of users with an entry for each item in ``seen``, bool ``[users, items]``."""
    return np.bincount(seen.indices, minlength=seen.shape[1]).astype(np.float64)


def choose_window(history: EventLog, now: int, task: Task, hidden: sp.csr_array | None) -> int:
    """The window of recent popularity, in days, with the best NDCG@20 on a validation task; 30 if it has no users."""
    if not len(task.users):
        return 30

    def metric(days: int) -> float:
        ranking = same_for_all(popularity(history, now - days * DAY), task, 20, hidden)
        return float(by_user(hits(ranking, task.truth), task.relevant, (20,))["ndcg@20"].mean())

    return max(WINDOWS, key=metric)


def own_items(interactions: sp.csr_array, popular: NDArray[np.float64], task: Task, n: int) -> NDArray[np.int64]:
    """Each user's own items by interactions, then popular items: int64 ``[users of the task, n]``.

    A strong baseline where users buy the same items again.
    """
    own = interactions[task.users]
    tail = popular / max(popular.max(initial=0.0), 1.0) * np.finfo(np.float32).tiny

    def scores(block: slice) -> NDArray[np.float64]:
        result: NDArray[np.float64] = own[block].toarray() + tail
        return result

    return rank(scores, len(task.users), len(popular), n)
