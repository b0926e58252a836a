"""The steps of a training between reading and writing: tune, fit, evaluate."""

from dataclasses import dataclass, replace

import scipy.sparse as sp

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.ensemble.fitted import Attributes, Fitted, fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters, start, start_without_times
from larder_training.recommender.evaluation.baselines import WINDOWS, choose_window
from larder_training.recommender.evaluation.compare_release import last_event
from larder_training.recommender.evaluation.offline_test import CHAMPION, Document, OfflineTest
from larder_training.recommender.inputs import Data
from larder_training.recommender.splits.rolling_origin import FOLDS, Fold, make_folds, thin
from larder_training.recommender.splits.tasks import next_items
from larder_training.recommender.splits.time_split import Split, temporal_split
from larder_training.recommender.tuning.fold_cache import FoldCache
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.segment_smoothing import Case, choose_prior
from larder_training.recommender.tuning.trials import Trials
from larder_training.recommender.tuning.tuner import Tuner
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Everything that the steps of one training share.

    Attributes:
        data: The input.
        split: Its division into training, validation and test.
        options: Of the training.
        progress: Where messages go.
        thinned: ``data.log``, of a sample of users where it is very long: the data of the search and of the reranker.
        attributes: Item columns and user labels.
        reranker_trainer: Trains rerankers on ``thinned``.
    """

    data: Data
    split: Split
    options: RecommenderOptions
    progress: Progress
    thinned: Log
    attributes: Attributes
    reranker_trainer: RerankerTrainer

    @classmethod
    def of(cls, data: Data, options: RecommenderOptions, progress: Progress) -> "Pipeline":
        """Splits the log by time."""
        split, thinned = temporal_split(data.log), thin(data.log, options.seed)
        attributes = Attributes(data.described, data.labels())
        trainer = RerankerTrainer(thinned, split.test - split.validation, attributes, options.seed)
        return cls(data, split, options, progress, thinned, attributes, trainer)

    def choose(self, trials: Trials) -> Hyperparameters:
        """Hyperparameters by rolling-origin validation."""
        split, seed = self.split, self.options.seed
        begin = start(self.options, (split.validation - split.start) / DAY)
        if self.options.order != "time":
            begin = start_without_times(begin, self.options.without, len(self.data.log.users))
        if self.options.order == "random":
            self.progress.say("Interactions have no order: a random holdout would mislead, so the defaults are kept.")
            return begin
        folds = make_folds(
            self.thinned, split, begin.session_length, seed, FOLDS if self.options.order == "time" else 1
        )
        caches = [FoldCache(fold, self.attributes, seed) for fold in folds]
        params = Tuner(caches, self.progress, trials, begin, self.options).run(self.reranker_trainer)
        return choose_prior([self._case(fold) for fold in folds], params, seed, trials)

    def _case(self, fold: Fold) -> Case:
        segments = self.data.segments(fold.history)
        return Case(fold, segments, self.data.segment_of(segments))

    def fit(self, now: int, params: Hyperparameters, title: str) -> Fitted:
        """Fits the ensemble, and the reranker if there is one, to all events before ``now``."""
        log = self.data.log.between(self.split.start, now)
        with self.progress.task(title, len(log.items)) as advance:
            fitted = fit(log, now, params, self.attributes, advance, self.options.seed)
        if not params.reranker:
            return fitted
        self.progress.say("Training the reranker")
        return replace(fitted, reranker=self.reranker_trainer.fit(params, now))

    def offline_test(self, now: int, params: Hyperparameters, title: str) -> OfflineTest:
        """Fits to the events before ``now`` and prepares the test on those after it."""
        fitted = self.fit(now, params, title)
        history = fitted.context.log
        segments = self.data.segments(history)
        return OfflineTest(
            history=history,
            now=now,
            period=self.data.log.between(now, self.split.end),
            fitted=fitted,
            segments=segments,
            segment_of=self.data.segment_of(segments),
            window=self._window(fitted.hidden),
            seed=self.options.seed,
        )

    def evaluate(self, params: Hyperparameters) -> Document:
        """Metrics on the test period and, with ``options.compare_with``, on the events after that release's data."""
        evaluation = self.offline_test(self.split.test, params, "Fitting before the test period").document()
        release = self.options.compare_with
        if release is None:
            return evaluation
        now = last_event(release, self.data.log) + 1
        return {
            **evaluation,
            CHAMPION: self.offline_test(now, params, "Fitting to the data of the release to compare with").compare_with(
                release
            ),
        }

    def _window(self, hidden: sp.csr_array | None) -> int:
        """Days of recent popularity with the best NDCG@20 on the validation period."""
        if self.options.order != "time":
            return WINDOWS[-1]
        split = self.split
        earlier = self.data.log.between(split.start, split.validation)
        task = next_items(earlier, self.data.log.between(split.validation, split.test)).sample(self.options.seed)
        return choose_window(earlier, split.validation, task, hidden)
