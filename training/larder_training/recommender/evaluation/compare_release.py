"""Compares the trained model (challenger) with an earlier release (champion), on the same users."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.recommender import Query
from larder_training.numerics.topk import NOTHING
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.evaluation.evaluate import open_release, repeats_allowed, trained_until
from larder_training.recommender.metrics.ranking import DEPTH
from larder_training.recommender.splits.tasks import Task
from larder_training.release.loader import open_tables


@dataclass(frozen=True, slots=True, eq=False)
class Champion:
    """An earlier release and its recommendations.

    Attributes:
        release: Name of the release.
        lists: int64 ``[users of the task, 25]``: items as the log numbers them; -1 for items that the log does not
            have, and at the end of shorter lists.
    """

    release: str
    lists: NDArray[np.int64]


def last_event(folder: Path, log: EventLog) -> int:
    """Epoch seconds of the last event that the release in ``folder`` was trained on.

    Raises InvalidRequest if the release does not state it, or if ``log`` does not continue after it.
    """
    manifest, _ = open_release(folder)
    end = trained_until(manifest)
    if not int(log.time[0]) < end < int(log.time[-1]):
        raise InvalidRequest(
            f"the release {manifest.release} was trained on events up to {end} (epoch seconds), this log goes "
            f"from {log.time[0]} to {log.time[-1]}: give a log that begins before and ends after that time, or omit "
            "--compare-with."
        )
    return end


def champion(folder: Path, task: Task, log: EventLog) -> Champion:
    """Recommendations of the release in ``folder`` for the users of ``task``, by the serving code."""
    manifest, serving = open_release(folder)
    recommender = open_tables(folder, serving)
    index = {item: row for row, item in enumerate(log.items)}
    include_seen = repeats_allowed(manifest)
    lists = np.full((len(task.users), DEPTH), NOTHING, np.int64)
    for row, user in enumerate(task.users.tolist()):
        answer = recommender.recommend(Query(user=log.users[user], include_seen=include_seen, n=DEPTH))
        items = [index.get(item, NOTHING) for item in answer.ids()]
        lists[row, : len(items)] = items
    return Champion(manifest.release, lists)
