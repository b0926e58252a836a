"""Larder's side of the comparison: what its pipeline, which never saw the test period, recommends at its start."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.tables import EMPTY
from larder_training.progress import Progress
from larder_training.recommender import train
from larder_training.recommender.candidates import Sources
from larder_training.recommender.catalogue import align
from larder_training.recommender.factors import AlternatingLeastSquares
from larder_training.recommender.learner import ItemToItem, Material, Scorer
from larder_training.recommender.log import Log
from larder_training.recommender.metrics import DEPTH, by_user, hits
from larder_training.recommender.model import USER_SLOTS, Choices, Fitted, fit, with_diagonal
from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.popular import Popular
from larder_training.recommender.ranker import Lesson, RankerLearner
from larder_training.recommender.ranker_features import Context
from larder_training.recommender.ranking import NOTHING, Rows, best, in_blocks
from larder_training.recommender.split import Split
from larder_training.recommender.tasks import Task, next_items
from larder_training.recommender.tuning import METRIC

Lists = NDArray[np.int64]
SIGNALS: Final = ("event weights", "decay", "repeats", "catalogue", "profile", "factors", "ranker")
_CUTS: Final = 3  # earlier moments that the ranker learns at


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """What the tables of users and of everybody's segment add up to, before they are cut and rounded."""

    parts: tuple[tuple[float, Scorer], ...]

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """The weighted sum."""
        total = sum(weight * scorer.scores(users) for weight, scorer in self.parts)
        return np.asarray(total, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Everything fitted to the events before ``now``."""

    now: int
    sources: Sources
    context: Context
    hidden: sp.csr_array | None


def larder(data: train.Data, split: Split, options: RecommenderOptions, task: Task, without: str = "") -> Lists:
    """int64 ``[task's users, 25]``; ``without`` one of ``SIGNALS``."""
    options = _fewer_options(options, data.log, without)
    choices, _ = train._choose(data, split, options, Progress(quiet=True))  # noqa: SLF001  # the pipeline's own step
    length = split.test - split.validation
    moments = {cut: _fit(data, cut, choices, without) for cut in (split.test, *_earlier(split, length))}
    last = moments.pop(split.test)
    rows = _rows(last, task.users)
    if without != "ranker":
        learner = RankerLearner(seed=options.seed)
        lessons = {cut: _lesson(data.log, moment, length, learner) for cut, moment in moments.items()}
        if _pays(data.log, moments[split.validation], lessons, learner):
            ranker = learner.fit(list(lessons.values()))
            rows = ranker.rerank(rows, task.users, last.sources, last.context, last.hidden)
    items = rows.items[:, :DEPTH].astype(np.int64)
    return np.where(rows.items[:, :DEPTH] == EMPTY, NOTHING, items)


def _fewer_options(options: RecommenderOptions, log: Log, without: str) -> RecommenderOptions:
    if without == "event weights":
        return replace(options, event_weights=dict.fromkeys(log.events, 1.0))
    if without == "decay":
        return replace(options, half_life_days=1e5)
    return replace(options, repeats="never") if without == "repeats" else options


def _earlier(split: Split, length: int) -> list[int]:
    """The validation period's start, and earlier cut-offs that leave a history as long as two periods."""
    cuts = [split.validation - back * length for back in range(_CUTS)]
    return [cut for cut in cuts if cut == split.validation or cut >= split.start + 2 * length]


def _fit(data: train.Data, now: int, choices: Choices, without: str) -> Moment:
    log = data.log.between(int(data.log.time[0]), now)
    fitted = fit(log, now, choices)
    columns = {} if without == "catalogue" or data.items is None else align(data.items, log.items)
    profiles = {} if without == "profile" or data.profiles is None else data.profiles.labels
    labels = {name: np.where(data.rows >= 0, each[data.rows], -1) for name, each in profiles.items()}
    sources = dict(_sources(log, now, fitted, choices))
    if without == "factors":
        del sources["als"]
    return Moment(now, sources, Context(log, now, columns, labels), None if choices.repeats else fitted.seen)


def _sources(log: Log, now: int, fitted: Fitted, choices: Choices) -> Mapping[str, Scorer]:
    linear = ItemToItem(fitted.linear, fitted.affinity)
    own = ItemToItem(with_diagonal(fitted.linear * 0, fitted.repeat), fitted.affinity)
    popular = Popular(fitted.popularity.astype(np.float32))
    als = AlternatingLeastSquares(regularization=0.1, alpha=10.0).fit(Material(log, now, fitted.affinity))
    weights = (choices.user_weight, choices.user_weight, choices.segment_weight)
    blend = Blend(tuple(zip(weights, (linear, own, popular), strict=True)))
    return {"blend": blend, "linear": linear, "own": own, "popular": popular, "als": als}


def _rows(moment: Moment, users: NDArray[np.int64]) -> Rows:
    """The blend's best, as a table would store them."""
    rows = Rows.empty(len(users), USER_SLOTS)

    def fill(start: int, end: int) -> None:
        dense = moment.sources["blend"].scores(users[start:end])
        if moment.hidden is not None:
            dense[moment.hidden[users[start:end]].toarray()] = 0
        for row, values in enumerate(dense.astype(np.float16), start):
            places = best(values, USER_SLOTS)
            rows.items[row, : places.size], rows.scores[row, : places.size] = places, values[places]

    in_blocks(len(users), 64, fill)
    return rows


def _after(log: Log, moment: Moment, length: int) -> Task:
    return next_items(moment.context.log, log.between(moment.now, moment.now + length))


def _lesson(log: Log, moment: Moment, length: int, learner: RankerLearner) -> Lesson:
    return learner.lesson(moment.sources, moment.context, _after(log, moment, length).sample(0), moment.hidden)


def _pays(log: Log, validation: Moment, lessons: Mapping[int, Lesson], learner: RankerLearner) -> bool:
    """Whether a ranker taught before the validation period does better on it than the blend."""
    earlier = [lesson for cut, lesson in lessons.items() if cut != validation.now]
    if not earlier:
        return False
    length = validation.now - max(cut for cut in lessons if cut != validation.now)
    task = _after(log, validation, length).sample(0)
    rows = _rows(validation, task.users)
    again = learner.fit(earlier).rerank(rows, task.users, validation.sources, validation.context, validation.hidden)
    before, after = (
        float(by_user(hits(each.items[:, :DEPTH].astype(np.int64), task.truth), task.relevant)[METRIC].mean())
        for each in (rows, again)
    )
    return after > before
