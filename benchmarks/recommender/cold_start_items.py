"""Items by number of known events: content compared with popularity and chance. Part of cold_start.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import scipy.sparse as sp
from cold_start_tables import KNOWN, REPEAT, Period, Results, Scores, metrics_of, report
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
    """Items with few known events: as in the data, or a random fifth whose other events are held back."""
    gamma = tune_gamma(validation) if gamma is None else gamma
    history = test.history
    counts = np.bincount(history.item, minlength=len(history.items))
    catalogue = HeldBackItems(test, counts < 0, content_of(test, history))
    for n in KNOWN:
        report(f"all items with at most {n} known events", catalogue.values(history, counts <= n, gamma))
    report("all items (the cost of filling)", catalogue.values(history, counts >= 0, gamma))
    held_back = HeldBackItems.of(test)
    for n in KNOWN:
        report(f"a fifth of the items, {n} known events", held_back.values(held_back.known(n), held_back.mask, gamma))


def tune_gamma(validation: Period) -> float:
    """The gamma with the best mean NDCG@20 of held-back items with 0 and with 5 known events."""
    held_back = HeldBackItems.of(validation)
    logs = [held_back.known(n) for n in (0, 5)]
    ndcg = {gamma: held_back.ndcg(logs, gamma) for gamma in GAMMAS}
    print("NDCG@20 on the validation period by gamma:", {gamma: round(value, 4) for gamma, value in ndcg.items()})
    return max(GAMMAS, key=lambda gamma: ndcg[gamma])


@dataclass(frozen=True, slots=True, eq=False)
class HeldBackItems:
    """Items whose events are held back.

    Attributes:
        period: The evaluated period.
        mask: bool ``[items]``: items whose events are held back.
        content: Content neighbours, fitted without these events.
    """

    period: Period
    mask: NDArray[np.bool_]
    content: sp.csr_array

    @classmethod
    def of(cls, period: Period) -> "HeldBackItems":
        """A random fifth of the items."""
        mask = np.random.default_rng(1).random(len(period.history.items)) < 0.2
        return cls(period, mask, content_of(period, period.history.where(~mask[period.history.item])))

    def known(self, n: int) -> EventLog:
        """The history with the latest ``n`` events of each held-back item."""
        log = self.period.history
        newest = np.lexsort((-np.arange(len(log)), log.item))
        age = np.empty(len(log), np.int64)  # 0 for the newest event of an item
        age[newest] = place_within(log.item[newest])
        return log.where(~self.mask[log.item] | (age < n))

    def ndcg(self, logs: Sequence[EventLog], gamma: float) -> float:
        """Mean NDCG@20 of content on the held-back items, over logs."""
        values = [self.values(log, self.mask, gamma, only_content=True)["content"]["ndcg@20"] for log in logs]
        return float(np.mean([per_user.mean() for per_user in values]))

    def values(
        self, log: EventLog, candidates: NDArray[np.bool_], gamma: float, *, only_content: bool = False
    ) -> Results:
        """Metrics by system when only ``candidates`` are ranked, for known users with a relevant candidate."""
        indices = np.flatnonzero(candidates)
        truth = seen_pairs(self.period.later)[:, indices]
        users = np.flatnonzero((np.diff(truth.indptr) > 0) & known_users(log))
        random = np.random.default_rng(2)
        users = np.sort(random.permutation(users)[:MAX_USERS])
        linear = linear_of(self.period, log)
        filled = filled_of(self, log, gamma)
        history = linear.history[users]
        popular = sp.csr_array(popularity(log)[None])
        own = np.full(filled.shape[0], REPEAT)
        systems: dict[str, tuple[sp.csr_array, sp.csr_array]] = {  # the product has the scores
            "content": (history, with_diagonal(filled, own)),
            "linear model alone": (history, with_diagonal(linear.matrix, own)),
            "content neighbours alone": (history, self.content),
            "popularity": (sp.csr_array(np.ones((len(users), 1))), popular),
            "random": (sp.csr_array(np.ones((len(users), 1))), 0 * popular),
        }
        ties = 1e-9 * random.random(len(indices))  # equal scores are in random order
        if not only_content:
            print(f"\n{len(indices)} candidates, {truth.nnz} relevant pairs")
        metrics = {}
        for name in list(systems)[: 1 if only_content else None]:
            left, right = systems[name][0], systems[name][1][:, indices]

            def scores(rows: slice, left: sp.csr_array = left, right: sp.csr_array = right) -> Scores:
                dense: Scores = (left[rows] @ right).toarray() + ties
                return dense

            metrics[name] = metrics_of(scores, truth[users], np.arange(len(indices)))
        return metrics


@cache
def linear_of(period: Period, log: EventLog) -> ItemToItem:
    """EASE, fitted to a log."""
    return period.linear(log)


@lru_cache(maxsize=1)
def filled_of(items: HeldBackItems, log: EventLog, gamma: float) -> sp.csr_array:
    """EASE with content neighbours in the rows of items with few events."""
    counts = np.bincount(log.item, minlength=len(log.items))
    return fill_cold(linear_of(items.period, log).matrix, items.content, counts, gamma)


def content_of(period: Period, log: EventLog) -> sp.csr_array:
    """Content neighbours, with weights fitted to this log."""
    return ContentKNN().fit(period.training_data(log)).matrix
