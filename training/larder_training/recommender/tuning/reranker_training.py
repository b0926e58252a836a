"""Reranker training data: a model fitted at each past cutoff, and the interactions that followed."""

from dataclasses import dataclass, field, replace
from typing import Final

from larder_training.recommender.data.event_log import Log
from larder_training.recommender.ensemble.fitted import Attributes, fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.reranker.lambdamart import LambdaMART, RankingGroups, Reranker
from larder_training.recommender.splits.tasks import next_items

CUTOFFS: Final = 3  # of the training data, one period apart
USERS: Final = 1000  # sampled at each cutoff; time grows in proportion
_LEAST_HISTORY: Final = 2  # periods before a cutoff
_ANY_PRIOR: Final = Hyperparameters().prior_users  # segments do not enter the training data


@dataclass(slots=True)
class RerankerTrainer:
    """Trains rerankers at several moments and reuses the training data of cutoffs that they share.

    Attributes:
        log: All events.
        length: Seconds of a period, the distance between cutoffs.
        attributes: Item columns and user labels.
        seed: Seed of samples and trees.
    """

    log: Log
    length: int
    attributes: Attributes
    seed: int
    _hyperparameters: Hyperparameters | None = None  # of the cached groups
    _groups: dict[int, RankingGroups] = field(default_factory=dict)

    def fit(self, params: Hyperparameters, now: int) -> Reranker | None:
        """Fits a reranker to events before ``now``; None where the log is too short."""
        params = replace(params, prior_users=_ANY_PRIOR)
        if params != self._hyperparameters:
            self._hyperparameters, self._groups = params, {}
        first = int(self.log.time[0])
        cutoffs = [now - back * self.length for back in range(1, CUTOFFS + 1)]
        groups = [
            self._groups_at(params, cutoff) for cutoff in cutoffs if cutoff >= first + _LEAST_HISTORY * self.length
        ]
        usable = [each for each in groups if len(each.users)]
        return LambdaMART(seed=self.seed).fit(usable) if usable else None

    def _groups_at(self, params: Hyperparameters, cutoff: int) -> RankingGroups:
        if cutoff not in self._groups:
            history = self.log.between(int(self.log.time[0]), cutoff)
            model = fit(history, cutoff, params, self.attributes, seed=self.seed)
            task = next_items(history, self.log.between(cutoff, cutoff + self.length)).sample(self.seed, USERS)
            learner = LambdaMART(seed=self.seed)
            self._groups[cutoff] = learner.ranking_groups(model.scorers(), model.context, task, model.hidden)
        return self._groups[cutoff]
