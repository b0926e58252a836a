"""Evaluation tasks on a period after the cutoff: users, what is known of them, and their relevant items."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import PAUSE, EventLog, known_users
from larder_training.recommender.data.interaction_matrix import seen_pairs

MAX_TUNING_USERS: Final = 2000
MAX_TEST_USERS: Final = 10_000  # enough for narrow confidence intervals


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Users and their relevant items.

    Attributes:
        users: ``[n]``.
        truth: Bool ``[n, items]``: relevant items, at least one per user.
        sessions: For session tasks, the known items of each user's session, newest first; otherwise empty tuples.
    """

    users: NDArray[np.int64]
    truth: sp.csr_array
    sessions: tuple[tuple[int, ...], ...]

    @property
    def relevant(self) -> NDArray[np.int64]:
        """``[n]``: number of relevant items."""
        return np.diff(self.truth.indptr).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> "Task":
        """The task of some of its users."""
        return Task(self.users[rows], self.truth[rows], tuple(self.sessions[row] for row in rows))

    def sample(self, seed: int, n: int = MAX_TUNING_USERS) -> "Task":
        """At most ``n`` of its users, drawn by ``seed``."""
        if len(self.users) <= n:
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self.users), n, replace=False)))

    def keep(self, truth: sp.csr_array) -> "Task":
        """The task with fewer relevant items; users without one are dropped."""
        rows = np.flatnonzero(np.diff(truth.indptr))
        return Task(self.users[rows], truth[rows], tuple(self.sessions[row] for row in rows))


def next_items(history: EventLog, period: EventLog, *, known: bool = True) -> Task:
    """All items with positive feedback in the period, for users with history (``known=False``: without)."""
    period = period.wanted()
    active = known_users(period) & (known_users(history) == known)
    users = np.flatnonzero(active)
    return Task(users, seen_pairs(period)[users], ((),) * len(users))


def join(first: Task, second: Task) -> Task:
    """Both tasks, by user; a user must not be in both."""
    users = np.concatenate((first.users, second.users))
    order = np.argsort(users, kind="stable")
    both = Task(users, sp.vstack((first.truth, second.truth), format="csr"), first.sessions + second.sessions)
    return both.take(order)


def rest_of_session(period: EventLog, length: int, *, again: bool = False) -> Task:
    """The second half of each user's latest session that has relevant items, given its first half.

    Relevant are the items of the second half that are not in the first. Users may have history or not. A session ends
    with half an hour without an event.

    Args:
        period: Events after the cutoff.
        length: Most items of the first half that are given, the newest.
        again: Whether items of the first half are relevant too.
    """
    period = period.wanted()
    order = np.argsort(period.user, kind="stable")
    user, item, time = period.user[order], period.item[order], period.time[order]
    starts = np.flatnonzero(np.append(True, (np.diff(user) != 0) | (np.diff(time) > PAUSE)))[: len(user)]
    latest: dict[int, tuple[tuple[int, ...], NDArray[np.int32]]] = {}
    for events in np.split(np.arange(len(user)), starts[1:]):
        middle = (len(events) + 1) // 2
        first, rest = item[events[:middle]], np.unique(item[events[middle:]])
        rest = rest if again else np.setdiff1d(rest, first)
        if rest.size:
            latest[int(user[events[0]])] = (tuple(dict.fromkeys(first[::-1].tolist()))[:length], rest)
    ends = np.cumsum([0, *(rest.size for _, rest in latest.values())])
    columns = np.concatenate([np.empty(0, np.int32), *(rest for _, rest in latest.values())])
    truth = sp.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(latest), len(period.items)))
    return Task(np.array(list(latest), np.int64), truth, tuple(session for session, _ in latest.values()))


def of_event(task: Task, period: EventLog, event: str) -> Task:
    """The task with only the items that the user has an event of this type with."""
    pairs = seen_pairs(period.where(period.event == period.events.index(event)))
    return task.keep((task.truth * pairs[task.users]).tocsr())


def unseen(task: Task, history: EventLog) -> Task:
    """The task with only the items that the user has no event with before the cutoff."""
    seen = seen_pairs(history)[task.users]
    left = (task.truth.astype(np.int8) - task.truth.multiply(seen).astype(np.int8)).tocsr()
    left.eliminate_zeros()
    return task.keep(left.astype(bool))
