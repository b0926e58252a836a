"""What both parts of cold_start.py share: a period, the metrics of scores, and a table of them."""

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
HALF_LIFE: Final = 90.0  # days, of what users have to do with items
REPEAT: Final = 0.1  # on the diagonal, as in Hyperparameters

Scores = NDArray[np.float64]
Results = dict[str, Values]


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """What is known at ``now``, and what people did then until the period's end; ``width`` is of regressions."""

    data: Dataset
    history: EventLog
    later: EventLog
    now: int
    width: int

    @classmethod
    def of(cls, data: Dataset, now: int, end: int, width: int) -> "Period":
        """From ``now`` to ``end``, epoch seconds."""
        return cls(data, data.log.between(0, now), data.log.between(now, end), now, width)

    def linear(self, log: EventLog) -> ItemToItem:
        """The linear model of a part of the history."""
        return EASE(EASEConfig(width=self.width)).fit(self.training_data(log))

    def training_data(self, log: EventLog) -> TrainingData:
        """Of a part of the history."""
        interactions = interaction_matrix(log, event_strengths(log, {}, self.now, HALF_LIFE))
        return TrainingData(log, self.now, interactions, align(self.data.items, log.items))


def measured(scores: Callable[[slice], Scores], truth: sp.csr_array, places: NDArray[np.int64]) -> Values:
    """Metrics of scores, which are given for a slice of users as ``[users, places]``; what the truth ``[users, items]``
    has elsewhere is not found.
    """
    lists = rank(scores, truth.shape[0], len(places), DEPTH)
    found = by_user(hits(lists, truth[:, places]), np.diff(truth.indptr).astype(np.int64), (DEPTH,))
    return {metric: found[metric] for metric in METRICS}


def report(title: str, results: Results) -> None:
    """One table: means with intervals, and how far each system is ahead of popularity, paired by user."""
    told = bootstrap({"popularity": results["popularity"], **results}, seed=0)
    print(f"\n**{title}** ({len(results['popularity'][METRICS[0]])} users)\n")
    print(f"| | {' | '.join(METRICS)} | lead in recall@20 | lead in NDCG@20 |\n|{' --- |' * (len(METRICS) + 3)}")
    for name in results:
        cells = [spread(told[name][metric]) for metric in METRICS]
        behind = [told[name][metric].get("difference") for metric in METRICS[:2]]  # popularity less this system
        leads = [spread(each, sign=-1) if each else "" for each in behind]
        print(f"| {name} | {' | '.join([*cells, *leads])} |", flush=True)


def spread(value: Any, sign: int = 1) -> str:  # noqa: ANN401  # JSON
    """A mean and its interval."""
    low, high = sorted(sign * end for end in value["interval"])
    return f"{sign * value['mean']:.4f} [{low:.4f}, {high:.4f}]"
