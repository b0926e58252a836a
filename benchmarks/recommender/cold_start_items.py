"""Items by the number of their known events: content against popularity and chance. Part of cold_start.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import scipy.sparse as sp
from cold_start_tables import KNOWN, REPEAT, Period, Results, Scores, measured, report
from numpy.typing import NDArray

from larder_training.numerics.sparse import place_within, with_diagonal
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.interaction_matrix import seen_pairs
from larder_training.recommender.evaluation.baselines import popularity
from larder_training.recommender.models.base import ItemToItem
from larder_training.recommender.models.cold_start import fill_cold
from larder_training.recommender.models.content_knn import ContentKNN

GAMMAS: Final = (0.5, 1.0, 2.0)
MAX_USERS: Final = 2000


def items(validation: Period, test: Period, gamma: float | None) -> None:
    """Items of which few events are known: by nature, or because all others of a random fifth are held back."""
    gamma = chosen(validation) if gamma is None else gamma
    history = test.history
    counts = np.bincount(history.item, minlength=len(history.items))
    whole = Shelf(test, counts < 0, content_of(test, history))
    for n in KNOWN:
        report(f"all items with at most {n} known events", whole.values(history, counts <= n, gamma))
    report("all items (what filling costs the others)", whole.values(history, counts >= 0, gamma))
    shelf = Shelf.of(test)
    for n in KNOWN:
        report(f"a fifth of the items, {n} known events", shelf.values(shelf.known(n), shelf.held, gamma))


def chosen(validation: Period) -> float:
    """The gamma that does best for held-back items with 0 and with 5 known events."""
    shelf = Shelf.of(validation)
    few = {n: shelf.known(n) for n in (0, 5)}
    found = {gamma: shelf.ndcg(few, gamma) for gamma in GAMMAS}
    print("NDCG@20 on the validation period by gamma:", {each: round(value, 4) for each, value in found.items()})
    return max(GAMMAS, key=lambda gamma: found[gamma])


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """``held`` bool ``[items]`` are those whose events are held back, ``content`` was learnt without these events."""

    period: Period
    held: NDArray[np.bool_]
    content: sp.csr_array

    @classmethod
    def of(cls, period: Period) -> "Shelf":
        """A random fifth of the items."""
        held = np.random.default_rng(1).random(len(period.history.items)) < 0.2
        return cls(period, held, content_of(period, period.history.where(~held[period.history.item])))

    def known(self, n: int) -> EventLog:
        """The history with the latest ``n`` events of each held-back item."""
        log = self.period.history
        newest = np.lexsort((-np.arange(len(log)), log.item))
        place = np.empty(len(log), np.int64)
        place[newest] = place_within(log.item[newest])
        return log.where(~self.held[log.item] | (place < n))

    def ndcg(self, logs: Mapping[int, EventLog], gamma: float) -> float:
        """The mean over logs of held-back items of which little is known."""
        found = [self.values(log, self.held, gamma, only=True)["content"]["ndcg@20"] for log in logs.values()]
        return float(np.mean([each.mean() for each in found]))

    def values(self, log: EventLog, candidates: NDArray[np.bool_], gamma: float, *, only: bool = False) -> Results:
        """Each system's metrics among the ``candidates``, for known users who then had one of them."""
        places = np.flatnonzero(candidates)
        truth = seen_pairs(self.period.later)[:, places]
        users = np.flatnonzero((np.diff(truth.indptr) > 0) & known_users(log))
        random = np.random.default_rng(2)
        users = np.sort(random.permutation(users)[:MAX_USERS])
        linear = linear_of(self.period, log)
        filled = filled_of(self, log, gamma)
        history = linear.history[users]
        popular = sp.csr_array(popularity(log)[None])
        own = np.full(filled.shape[0], REPEAT)
        systems: dict[str, tuple[sp.csr_array, sp.csr_array]] = {  # users times items
            "content": (history, with_diagonal(filled, own)),
            "linear model alone": (history, with_diagonal(linear.matrix, own)),
            "content neighbours alone": (history, self.content),
            "popularity": (sp.csr_array(np.ones((len(users), 1))), popular),
            "random": (sp.csr_array(np.ones((len(users), 1))), 0 * popular),
        }
        ties = 1e-9 * random.random(len(places))  # what scores alike is in an order of chance
        if not only:
            print(f"\n{len(places)} candidates, {truth.nnz} pairs to find")
        found = {}
        for name in list(systems)[: 1 if only else None]:
            left, right = systems[name][0], systems[name][1][:, places]

            def scores(rows: slice, left: sp.csr_array = left, right: sp.csr_array = right) -> Scores:
                dense: Scores = (left[rows] @ right).toarray() + ties
                return dense

            found[name] = measured(scores, truth[users], np.arange(len(places)))
        return found


@cache
def linear_of(period: Period, log: EventLog) -> ItemToItem:
    """The linear model of a log."""
    return period.linear(log)


@lru_cache(maxsize=1)
def filled_of(shelf: Shelf, log: EventLog, gamma: float) -> sp.csr_array:
    """The linear model of a log, and what content says of its items."""
    counts = np.bincount(log.item, minlength=len(log.items))
    return fill_cold(linear_of(shelf.period, log).matrix, shelf.content, counts, gamma)


def content_of(period: Period, log: EventLog) -> sp.csr_array:
    """Content neighbours, with weights that this log teaches."""
    return ContentKNN().fit(period.training_data(log)).matrix
