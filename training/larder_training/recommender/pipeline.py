"""The steps of a training between reading and writing: tune, fit, evaluate."""

from dataclasses import replace
from typing import Final

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.data.interaction_matrix import seen_pairs
from larder_training.recommender.dataset import Dataset
from larder_training.recommender.ensemble.fitted import FittedEnsemble, Metadata, fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters, start, start_without_times
from larder_training.recommender.evaluation.baselines import WINDOWS, choose_window
from larder_training.recommender.evaluation.compare_release import last_event
from larder_training.recommender.evaluation.offline_test import CHAMPION, Document, OfflineTest
from larder_training.recommender.splits.rolling_origin import FOLDS, Fold, make_folds, thin
from larder_training.recommender.splits.tasks import next_items
from larder_training.recommender.splits.time_split import TimeSplit, temporal_split
from larder_training.recommender.tuning.fold_cache import FoldCache
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.segment_smoothing import SegmentFold, choose_prior
from larder_training.recommender.tuning.trials import TrialLog
from larder_training.recommender.tuning.tuner import Tuner


class Pipeline:
    """The steps of one training. It caches the reranker's training data, which several steps use.

    Attributes:
        data: Input of the training.
        context: Options and progress.
        split: Training, validation and test period.
    """

    data: Final[Dataset]
    context: Final[RecommenderContext]
    split: Final[TimeSplit]

    def __init__(self, data: Dataset, context: RecommenderContext) -> None:
        """Splits the log by time. The search and the reranker use a sample of users if the log is very long."""
        self.data = data
        self.context = context
        self.split = temporal_split(data.log)
        self._sample: Final[EventLog] = thin(data.log, context.seed)
        self._metadata: Final = Metadata(data.described, data.labels())
        period = self.split.test - self.split.validation
        self._reranker_trainer: Final = RerankerTrainer(self._sample, period, self._metadata, context.seed)

    def tune(self, trials: TrialLog) -> Hyperparameters:
        """Tunes the hyperparameters by rolling-origin validation; events in random order keep the defaults."""
        options, progress, seed = self.context.options, self.context.progress, self.context.seed
        split = self.split
        params = start(options, (split.validation - split.start) / DAY)
        if options.order != "time":
            params = start_without_times(params, options.without, len(self.data.log.users))
        if options.order == "random":
            progress.say("Interactions have no order, and a random validation would mislead: defaults are used.")
            return params
        fold_count = FOLDS if options.order == "time" else 1
        folds = make_folds(self._sample, split, params.session_length, seed, fold_count)
        caches = [FoldCache(fold, self._metadata, seed) for fold in folds]
        params = Tuner(self.context, caches, trials, params).run(self._reranker_trainer)
        return choose_prior([self._segment_fold(fold) for fold in folds], params, seed, trials)

    def _segment_fold(self, fold: Fold) -> SegmentFold:
        segments = self.data.segments(fold.history)
        return SegmentFold(fold, segments, self.data.segment_of(segments))

    def fit(self, now: int, params: Hyperparameters, title: str) -> FittedEnsemble:
        """Fits the ensemble, and the reranker if there is one, to all events before ``now`` (epoch seconds).

        ``title`` is the text of the progress bar.
        """
        log = self.data.log.between(self.split.start, now)
        with self.context.progress.task(title, len(log.items)) as advance:
            fitted = fit(log, now, params, self._metadata, advance, self.context.seed)
        if not params.reranker:
            return fitted
        self.context.progress.say("Training the reranker")
        return replace(fitted, reranker=self._reranker_trainer.fit(params, now))

    def offline_test(self, now: int, params: Hyperparameters, title: str) -> OfflineTest:
        """Fits to the events before ``now`` (epoch seconds), and prepares the test on those after it."""
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
            window=self._window(params),
            seed=self.context.seed,
        )

    def evaluate(self, params: Hyperparameters) -> Document:
        """Metrics on the test period and, with ``options.compare_with``, on the events after that release's data."""
        evaluation = self.offline_test(self.split.test, params, "Fitting to the events before the test").document()
        release = self.context.options.compare_with
        if release is None:
            return evaluation
        now = last_event(release, self.data.log) + 1
        test = self.offline_test(now, params, "Fitting to the events of the release to compare with")
        return {**evaluation, CHAMPION: test.compare_with(release)}

    def _window(self, params: Hyperparameters) -> int:
        """Days of recent popularity with the best NDCG@20 on the validation period.

        Items are hidden as of the begin of validation: those of the final model include what validation asks for.
        """
        if self.context.options.order != "time":
            return WINDOWS[-1]
        split = self.split
        history = self.data.log.between(split.start, split.validation)
        task = next_items(history, self.data.log.between(split.validation, split.test)).sample(self.context.seed)
        hidden = None if params.recommend_seen else seen_pairs(history)
        return choose_window(history, split.validation, task, hidden)
