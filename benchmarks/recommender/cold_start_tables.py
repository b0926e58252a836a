"""Shared by both parts of cold_start.py: a period, metrics of scores, and a table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.numerics.topk import rank
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interaction_matrix import event_strengths, interaction_matrix
from larder_training.recommender.data.metadata import align
from larder_training.recommender.dataset import Dataset
from larder_training.recommender.metrics.ranking import Values, bootstrap, by_user, hits
from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.ease import EASE, EASEConfig

KNOWN: Final = (0, 1, 2, 5, 10)
METRICS: Final = ("recall@20", "ndcg@20", "mrr@20")
DEPTH: Final = 20
HALF_LIFE: Final = 90.0  # days, of events in the interaction matrix
REPEAT: Final = 0.1  # weight of the diagonal, as in Hyperparameters

Scores = NDArray[np.float64]
Results = dict[str, Values]


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """An evaluated period.

    Attributes:
        data: All input.
        history: Events before ``now``.
        later: Events from ``now`` to the end of the period.
        now: Epoch seconds.
        width: Co-occurring items in each item's regression.
    """

    data: Dataset
    history: EventLog
    later: EventLog
    now: int
    width: int

    @classmethod
    def of(cls, data: Dataset, now: int, end: int, width: int) -> "Period":
        """The period from ``now`` to ``end``, epoch seconds."""
        return cls(data, data.log.between(0, now), data.log.between(now, end), now, width)

    def linear(self, log: EventLog) -> ItemToItem:
        """EASE, fitted to a part of the history."""
        return EASE(EASEConfig(width=self.width)).fit(self.training_data(log))

    def training_data(self, log: EventLog) -> TrainingData:
        """Training data of a part of the history."""
        interactions = interaction_matrix(log, event_strengths(log, {}, self.now, HALF_LIFE))
        return TrainingData(log, self.now, interactions, align(self.data.items, log.items))


def metrics_of(scores: Callable[[slice], Scores], truth: sp.csr_array, items: NDArray[np.int64]) -> Values:
    """Metrics per user, when only ``items`` are ranked.

    Args:
        scores: Returns ``[users, len(items)]`` for a slice of users.
        truth: bool ``[users, all items]``; relevant items that are not in ``items`` count as missed.
        items: The ranked items.
    """
    lists = rank(scores, truth.shape[0], len(items), DEPTH)
    metrics = by_user(hits(lists, truth[:, items]), np.diff(truth.indptr).astype(np.int64), (DEPTH,))
    return {metric: metrics[metric] for metric in METRICS}


def report(title: str, results: Results) -> None:
    """Prints a table: means with intervals, and each system's lead over popularity, paired by user."""
    metrics = bootstrap({"popularity": results["popularity"], **results}, seed=0)
    print(f"\n**{title}** ({len(results['popularity'][METRICS[0]])} users)\n")
    print(f"| | {' | '.join(METRICS)} | lead in recall@20 | lead in NDCG@20 |\n|{' --- |' * (len(METRICS) + 3)}")
    for name in results:
        cells = [spread(metrics[name][metric]) for metric in METRICS]
        differences = [metrics[name][metric].get("difference") for metric in METRICS[:2]]  # popularity - system
        leads = [spread(difference, sign=-1) if difference else "" for difference in differences]
        print(f"| {name} | {' | '.join([*cells, *leads])} |", flush=True)


def spread(value: Any, sign: int = 1) -> str:  # noqa: ANN401  # JSON
    """A mean with its interval."""
    low, high = sorted(sign * end for end in value["interval"])
    return f"{sign * value['mean']:.4f} [{low:.4f}, {high:.4f}]"
