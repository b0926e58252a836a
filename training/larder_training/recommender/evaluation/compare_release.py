"""A finished release, mostly the live one, asked for the same users as the model in training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder.recommender import Query
from larder_training.numerics.topk import NOTHING
from larder_training.recommender.data.event_log import Log
from larder_training.recommender.evaluation.evaluate import open_release, repeats_allowed, trained_until
from larder_training.recommender.metrics.ranking import DEPTH
from larder_training.recommender.splits.tasks import Task
from larder_training.release.loader import open_tables


@dataclass(frozen=True, slots=True, eq=False)
class ChampionAnswers:
    """A release and its answers: int64 ``lists`` ``[task's users, 25]`` in the log's item numbers, -1 for items that
    the log does not know and where there are no more.
    """

    release: str
    lists: NDArray[np.int64]


def last_event(folder: Path, log: Log) -> int:
    """Epoch seconds of the last event that the release in ``folder`` was trained on.

    Raises InvalidRequest where the release does not tell, or ``log`` does not go on after it.
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


def ask(folder: Path, task: Task, log: Log) -> ChampionAnswers:
    """Asks the release in ``folder``, through the code that serves it, for the users of ``task``."""
    manifest, serving = open_release(folder)
    recommender = open_tables(folder, serving)
    number = {item: place for place, item in enumerate(log.items)}
    again = repeats_allowed(manifest)
    lists = np.full((len(task.users), DEPTH), NOTHING, np.int64)
    for row, user in enumerate(task.users.tolist()):
        answer = recommender.recommend(Query(user=log.users[user], include_seen=again, n=DEPTH))
        shown = [number.get(item, NOTHING) for item in answer.ids()]
        lists[row, : len(shown)] = shown
    return ChampionAnswers(manifest.release, lists)
