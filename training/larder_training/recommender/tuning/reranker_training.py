"""Reranker training data: a model fitted at each past cutoff, and the interactions that followed."""

from dataclasses import replace
from typing import Final

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.ensemble.fitted import Metadata, fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.reranker.lambdamart import LambdaMART, RankingGroups, Reranker
from larder_training.recommender.splits.tasks import next_items

CUTOFFS: Final = 3  # of the training data, one period apart
USERS: Final = 1000  # sampled at each cutoff; fitting time is proportional
_LEAST_HISTORY: Final = 2  # periods before a cutoff
_DEFAULT_PRIOR: Final = Hyperparameters().prior_users  # segments are not part of the training data


class RerankerTrainer:
    """Fits rerankers for several moments, and reuses the training data of cutoffs that they share."""

    def __init__(self, log: EventLog, period: int, metadata: Metadata, seed: int) -> None:
        """Keeps the training data of the last hyperparameters in memory.

        Args:
            log: All events.
            period: Seconds between two cutoffs, and of the interactions that follow each.
            metadata: Item columns and user labels.
            seed: Seed of samples and trees.
        """
        self._log = log
        self._period = period
        self._metadata = metadata
        self._seed = seed
        self._hyperparameters: Hyperparameters | None = None  # of the cached groups
        self._groups: dict[int, RankingGroups] = {}  # by cutoff

    def fit(self, params: Hyperparameters, now: int) -> Reranker | None:
        """Fits a reranker to events before ``now`` (epoch seconds); None if the log is too short."""
        params = replace(params, prior_users=_DEFAULT_PRIOR)
        if params != self._hyperparameters:
            self._hyperparameters, self._groups = params, {}
        earliest = int(self._log.time[0]) + _LEAST_HISTORY * self._period
        cutoffs = [now - back * self._period for back in range(1, CUTOFFS + 1)]
        groups = [self._groups_at(params, cutoff) for cutoff in cutoffs if cutoff >= earliest]
        nonempty = [group for group in groups if len(group.users)]
        return LambdaMART(seed=self._seed).fit(nonempty) if nonempty else None

    def _groups_at(self, params: Hyperparameters, cutoff: int) -> RankingGroups:
        if cutoff not in self._groups:
            history = self._log.between(int(self._log.time[0]), cutoff)
            model = fit(history, cutoff, params, self._metadata, seed=self._seed)
            following = self._log.between(cutoff, cutoff + self._period)
            task = next_items(history, following).sample(self._seed, USERS)
            settings = LambdaMART(seed=self._seed)
            self._groups[cutoff] = settings.ranking_groups(model.scorers(), model.context, task, model.hidden)
        return self._groups[cutoff]
