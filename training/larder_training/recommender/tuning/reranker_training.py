"""What the ranker is taught with: models of earlier moments, and what people did right after each."""

from dataclasses import dataclass, field

from larder_training.recommender.data.event_log import Log
from larder_training.recommender.ensemble.fitted import Attributes, Fitted, fit
from larder_training.recommender.ensemble.hyperparameters import Choices
from larder_training.recommender.reranker.lambdamart import Lesson, Ranker, RankerLearner
from larder_training.recommender.splits.tasks import next_items

MOMENTS = 3  # that a ranker is taught at, each one period before the next
USERS = 1000  # asked at each: twice as many would take twice the time
_LEAST_HISTORY = 2  # periods that must lie before a moment


@dataclass(slots=True)
class Teacher:
    """``log`` is divided into periods of ``length`` seconds; what one moment teaches is kept for the rankers that learn
    from it too.
    """

    log: Log
    length: int
    choices: Choices
    attributes: Attributes
    seed: int
    _lessons: dict[int, Lesson] = field(default_factory=dict)

    def teach(self, now: int) -> Ranker | None:
        """A ranker that knows nothing from ``now`` on; None where the log is too short to teach one."""
        first = int(self.log.time[0])
        moments = [now - back * self.length for back in range(1, MOMENTS + 1)]
        lessons = [self._lesson(moment) for moment in moments if moment >= first + _LEAST_HISTORY * self.length]
        taught = [lesson for lesson in lessons if len(lesson.users)]
        return RankerLearner(seed=self.seed).fit(taught) if taught else None

    def _lesson(self, moment: int) -> Lesson:
        if moment not in self._lessons:
            history = self.log.between(int(self.log.time[0]), moment)
            model = fit(history, moment, self.choices, self.attributes, seed=self.seed)
            self._lessons[moment] = _lesson_of(model, self.log.between(moment, moment + self.length), self.seed)
        return self._lessons[moment]


def _lesson_of(model: Fitted, period: Log, seed: int) -> Lesson:
    task = next_items(model.context.log, period).sample(seed, USERS)
    return RankerLearner(seed=seed).lesson(model.sources(), model.context, task, model.hidden)
