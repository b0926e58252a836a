"""The steps of a training between reading and writing: choose, fit, measure."""

from dataclasses import dataclass, field, replace

import scipy.sparse as sp

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.ensemble.fitted import Attributes, Fitted, fit
from larder_training.recommender.ensemble.hyperparameters import Choices, start
from larder_training.recommender.evaluation.baselines import choose_window
from larder_training.recommender.evaluation.compare_release import last_event
from larder_training.recommender.evaluation.offline_test import LIVE, Document, Examination
from larder_training.recommender.inputs import Data
from larder_training.recommender.splits.rolling_origin import Fold, make_folds, thin
from larder_training.recommender.splits.tasks import next_items
from larder_training.recommender.splits.time_split import Split, temporal_split
from larder_training.recommender.tuning.fold_cache import Bench
from larder_training.recommender.tuning.reranker_training import Teacher
from larder_training.recommender.tuning.segment_smoothing import Case, choose_prior
from larder_training.recommender.tuning.trials import Trials
from larder_training.recommender.tuning.tuner import Tuner
from larder_training.reporting.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """What every step of one training works with. ``thinned`` is ``data.log``, of some users where there are very many:
    what settings are chosen on, and what a ranker is taught on.
    """

    data: Data
    split: Split
    options: RecommenderOptions
    progress: Progress
    thinned: Log
    _teachers: list[Teacher] = field(default_factory=list)

    @classmethod
    def of(cls, data: Data, options: RecommenderOptions, progress: Progress) -> "Pipeline":
        """Splits the log in time."""
        return cls(data, temporal_split(data.log), options, progress, thin(data.log, options.seed))

    def choose(self, trials: Trials) -> Choices:
        """By rolling-origin validation."""
        split, seed = self.split, self.options.seed
        begin = start(self.options, (split.validation - split.start) / DAY)
        folds = make_folds(self.thinned, split, begin.session_length, seed)
        benches = [Bench(fold, self.attributes, seed) for fold in folds]
        choices = Tuner(benches, self.progress, trials, begin, self.options).run(self._teacher)
        return choose_prior([self._case(fold) for fold in folds], choices, seed, trials)

    def _case(self, fold: Fold) -> Case:
        segments = self.data.segments(fold.history)
        return Case(fold, segments, self.data.segment_of(segments))

    def fit(self, now: int, choices: Choices, title: str) -> Fitted:
        """To all events before ``now``, the ranker to what came before them too."""
        log = self.data.log.between(self.split.start, now)
        with self.progress.task(title, len(log.items)) as advance:
            fitted = fit(log, now, choices, self.attributes, advance, self.options.seed)
        if not choices.ranker:
            return fitted
        self.progress.say("Teaching the ranker")
        return replace(fitted, ranker=self._teacher(choices).teach(now))

    def examine(self, now: int, choices: Choices, title: str) -> Examination:
        """A model of what was before ``now``, and what came after."""
        fitted = self.fit(now, choices, title)
        history = fitted.context.log
        segments = self.data.segments(history)
        return Examination(
            history=history,
            now=now,
            period=self.data.log.between(now, self.split.end),
            fitted=fitted,
            segments=segments,
            segment_of=self.data.segment_of(segments),
            window=self._window(fitted.hidden),
            seed=self.options.seed,
        )

    def measure(self, choices: Choices) -> Document:
        """On the test period; and once more on what came after the release that it shall be held against, if any."""
        found = self.examine(self.split.test, choices, "Fitting before the test period").document()
        release = self.options.against
        if release is None:
            return found
        now = last_event(release, self.data.log) + 1
        return {**found, LIVE: self.examine(now, choices, "Fitting to what the release before knew").beside(release)}

    def _window(self, hidden: sp.csr_array | None) -> int:
        """The days of recent popularity that do best on the validation period."""
        split = self.split
        earlier = self.data.log.between(split.start, split.validation)
        task = next_items(earlier, self.data.log.between(split.validation, split.test)).sample(self.options.seed)
        return choose_window(earlier, split.validation, task, hidden)

    def _teacher(self, choices: Choices) -> Teacher:
        """The one for these choices: rankers of moments one period apart share most of their lessons."""
        wanted = replace(choices, prior_users=Choices().prior_users)  # of segments, which no lesson looks at
        for teacher in self._teachers:
            if teacher.choices == wanted:
                return teacher
        length = self.split.test - self.split.validation
        self._teachers.append(Teacher(self.thinned, length, wanted, self.attributes, self.options.seed))
        return self._teachers[-1]

    @property
    def attributes(self) -> Attributes:
        """Of the catalogue and of users' profiles."""
        return Attributes(self.data.described, self.data.labels())
