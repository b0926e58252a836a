"""Choosing on the validation period, one hyperparameter after the other: the test period is never looked at.

Grids are short on purpose: around the values that did well on real logs the ranking is flat, and each step costs a fit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder_training.progress import Progress
from larder_training.recommender.linear import fit_linear
from larder_training.recommender.log import DAY, Log
from larder_training.recommender.metrics import by_user, hits
from larder_training.recommender.model import Choices, affinity_of, assemble, popularity, present_at
from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.segments import Segments, segment_rows
from larder_training.recommender.served import Served, lists, segment_lists, stored
from larder_training.recommender.split import Split
from larder_training.recommender.tasks import Task, join, next_items, rest_of_session

METRIC: Final = "ndcg@20"
MIN_USERS: Final = 20  # fewer say nothing: the choices keep their starting values
_HALF_LIVES: Final = (7.0, 30.0, 90.0, 270.0, None)
_RIDGES: Final = (1.0, 4.0, 16.0)
_REPEATS: Final = (0.03, 0.1, 0.3, 1.0)
_TRENDS: Final = (1.0, 3.0, 7.0, 30.0, 90.0, None)
_QUICK_WIDTH: Final = 100  # of regressions that only compare weights of events and half-lives
_SHORTEST: Final = 16  # half-lives below this part of the history are not tried, for the matrix
_SEGMENT_WEIGHTS: Final = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4)
_SESSION_WEIGHTS: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 10_000.0)  # the last is next to everybody's taste
_DECAYS: Final = (0.6, 0.8, 0.9, 0.97, 1.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """One value of one choice, and the validation metric that it gave."""

    choice: str
    value: object
    metric: float


class Tuner:
    """Holds the validation data; ``choices`` is the best so far, ``trials`` everything that was tried."""

    def __init__(self, log: Log, split: Split, options: RecommenderOptions, progress: Progress) -> None:
        self._history = log.between(split.start, split.validation)
        period = log.between(split.validation, split.test)
        self._now, self._span = split.validation, (split.validation - split.start) / DAY
        self._progress = progress
        self._options = options
        self.choices = start(options, self._span)
        self.trials: list[Trial] = []
        self._task = next_items(self._history, period).sample(options.seed)
        self._sessions = rest_of_session(period, self.choices.session_length).sample(options.seed)
        self._users = np.union1d(self._task.users, self._sessions.users)
        self._fits: dict[object, tuple[sp.csr_array, sp.csr_array]] = {}
        self._rows: dict[object, Served] = {}

    def run(self) -> Choices:
        """Chooses all there is to choose; with too few users or events to choose by, keeps the starting values."""
        if len(self._task.users) < MIN_USERS:
            self._progress.say(f"Only {len(self._task.users)} users to choose by: the usual settings are kept.")
            return self.choices
        self._choose_matrix()
        self._choose_repeats()
        self._choose_segment()
        if len(self._sessions.users) >= MIN_USERS:
            self._choose_session()
        return self.choices

    def _choose_matrix(self) -> None:
        regression = self.choices.regression
        quick = replace(regression, width=min(_QUICK_WIDTH, regression.width))
        self.choices = replace(self.choices, regression=quick)
        if not self._options.event_weights and len(self._history.events) > 1:
            weights = rarity(self._history)
            self._try("event_weights", [self.choices, replace(self.choices, event_weights=weights)])
        if self._options.half_life_days is None:
            ages = self._ages(_HALF_LIVES, self._span / _SHORTEST)
            self._try("half_life_days", [replace(self.choices, half_life_days=age) for age in ages])
        ridges = [replace(self.choices, regression=replace(regression, ridge=ridge)) for ridge in _RIDGES]
        self._try("ridge", ridges)

    def _choose_repeats(self) -> None:
        candidates = []
        if self._options.repeats != "never":
            candidates += [replace(self.choices, repeats=True, repeat=repeat) for repeat in _REPEATS]
        if self._options.repeats != "allow":
            candidates.append(replace(self.choices, repeats=False, repeat=0.0))
        self._try("repeat", candidates)

    def _choose_segment(self) -> None:
        ages = self._ages(_TRENDS, 0)
        trends = [replace(self.choices, trend_half_life_days=age) for age in ages]
        self._try("trend_half_life_days", trends)
        self._try("segment_weight", [replace(self.choices, segment_weight=weight) for weight in _SEGMENT_WEIGHTS])

    def _choose_session(self) -> None:
        for name, values in (("session_weight", _SESSION_WEIGHTS), ("session_decay", _DECAYS)):
            candidates = [replace(self.choices, **{name: value}) for value in values]  # type: ignore[arg-type]  # floats
            self._try(name, candidates, self._sessions)

    def _try(self, name: str, candidates: list[Choices], task: Task | None = None) -> None:
        """Keeps the best candidate; of equal ones the first."""
        task = task or self._task
        results = []
        with self._progress.task(f"Choosing {name}", len(candidates)) as advance:
            for choices in candidates:
                results.append(score(self._served(choices), choices, task))
                self.trials.append(Trial(name, value_of(name, choices), round(results[-1], 6)))
                advance(1)
        self.choices = candidates[int(np.argmax(results))]

    def _served(self, choices: Choices) -> Served:
        """The model with these choices; the latest regression and rows are kept, since most choices change neither."""
        regression = (choices.half_life_days, choices.regression, tuple(sorted(choices.event_weights.items())))
        if regression not in self._fits:
            affinity = affinity_of(self._history, self._now, choices)
            self._fits = {regression: (affinity, fit_linear(affinity, choices.regression))}
        rows = (regression, choices.repeats, choices.repeat)
        if rows not in self._rows:
            fitted = assemble(self._history, self._now, choices, *self._fits[regression])
            self._rows = {rows: Served.of(fitted, self._users)}
        return replace(self._rows[rows], popular=stored(popularity(self._history, self._now, choices)))

    def _ages(self, grid: Iterable[float | None], shortest: float) -> list[float | None]:
        """Half-lives of the grid that can make a difference within the history."""
        return [age for age in grid if age is None or shortest <= age <= self._span]


def start(options: RecommenderOptions, span_days: float) -> Choices:
    """The choices before any validation: the options', and the usual values, with ages in parts of the log's length."""
    choices = Choices()
    return replace(
        choices,
        event_weights=options.strengths,
        half_life_days=options.half_life_days or max(span_days / 4, 1e-3),
        regression=replace(choices.regression, width=options.width),
        repeats=options.repeats != "never",
        trend_half_life_days=max(span_days / 8, 1e-3),
    )


def score(served: Served, choices: Choices, task: Task) -> float:
    """The metric that everything is chosen by, on a task."""
    found = hits(lists(served, choices, task, 20), task.truth)
    return float(by_user(found, task.relevant, (20,))[METRIC].mean())


def rarity(log: Log) -> dict[str, float]:
    """Weights by how rare a type of event is: the square root of the commonest type's count over this one's."""
    counts = np.bincount(log.event, minlength=len(log.events))
    return {
        name: round(float(np.sqrt(counts.max() / count)), 3)
        for name, count in zip(log.events, counts.tolist(), strict=True)
        if count
    }


def value_of(name: str, choices: Choices) -> object:
    """The value of one choice as it is told in the manifest."""
    if name == "ridge":
        return choices.regression.ridge
    if name == "repeat":
        return choices.repeat if choices.repeats else "never"
    value = getattr(choices, name)
    return dict(value) if name == "event_weights" else value


def choose_prior(
    history: Log, period: Log, now: int, choices: Choices, segments: Segments, segment_of: NDArray[np.int64], seed: int
) -> tuple[Choices, list[Trial]]:
    """Chooses ``prior_users`` by how well segments alone rank for users who are in one; too few choose nothing."""
    task = join(next_items(history, period), next_items(history, period, known=False))
    task = task.take(np.flatnonzero(segment_of[task.users] > 0)).sample(seed)
    if len(task.users) < MIN_USERS:
        return choices, []
    present = present_at(history, now, choices)
    trials = []
    for prior in _PRIORS:
        ranking = segment_lists(segment_rows(present, segments, prior, 20), segment_of[task.users], 20)
        metric = float(by_user(hits(ranking, task.truth), task.relevant, (20,))[METRIC].mean())
        trials.append(Trial("prior_users", prior, round(metric, 6)))
    best = max(trials, key=lambda trial: trial.metric)
    return replace(choices, prior_users=_PRIORS[trials.index(best)]), trials
