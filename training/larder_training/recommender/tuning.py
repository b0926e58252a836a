"""Choosing by rolling-origin validation, one hyperparameter after the other: the test period is never looked at.

Grids are short and climbed from where they begin, since around the values that did well on real logs the ranking is
flat and each step costs a fit. A further source of scores is taken only where it helps beyond noise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from larder_training.progress import Progress
from larder_training.recommender.bench import Bench, ndcg
from larder_training.recommender.co_occurrence import CoOccurrence
from larder_training.recommender.folds import MIN_USERS, Fold
from larder_training.recommender.item_matrix import name_of
from larder_training.recommender.lessons import Teacher
from larder_training.recommender.linear import Regression
from larder_training.recommender.log import DAY, Log
from larder_training.recommender.model import Choices, present_at
from larder_training.recommender.options import RecommenderOptions
from larder_training.recommender.segments import Segments, segment_rows
from larder_training.recommender.served import segment_lists
from larder_training.recommender.sources import LEARNERS, RANKED, TRANSITIONS
from larder_training.recommender.tasks import join, next_items
from larder_training.recommender.trials import Trials, within_noise

Values = NDArray[np.float64]
Question = Literal["known", "session", "visit"]
_HALF_LIVES: Final = (7.0, 30.0, 90.0, 270.0, None)
_RIDGES: Final = (1.0, 4.0, 16.0, 64.0)
_ITEM_EXPONENTS: Final = (0.0, 0.25, 0.5, 0.75)
_REPEATS: Final = (0.1, 0.3, 1.0, 3.0)
_TRENDS: Final = (1.0, 3.0, 7.0, 30.0, 90.0, None)
_QUICK_WIDTH: Final = 100  # of regressions that only compare weights of events and half-lives
_SHORTEST: Final = 16  # half-lives below this part of the history are not tried, for the matrix
_SEGMENT_WEIGHTS: Final = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6)
_SESSION_WEIGHTS: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_TRANSITION_WEIGHTS: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
_REVISIT_WEIGHTS: Final = (0.1, 0.3, 1.0, 3.0)
_SOURCE_WEIGHTS: Final = (0.1, 0.3, 0.6, 1.0, 2.0)
_CONTENT: Final = (0.1, 0.3, 1.0)
RANKED_USERS: Final = 200_000  # a ranker takes milliseconds of processor time for each user's row
_PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 10_000.0)  # the last is next to everybody's taste
_DECAYS: Final = (0.3, 0.6, 0.8, 0.9, 0.97, 1.0)


@dataclass(slots=True)
class Tuner:
    """``choices`` is the best so far, ``trials`` everything that was tried, over all ``benches`` alike."""

    benches: Sequence[Bench]
    options: RecommenderOptions
    progress: Progress
    trials: Trials
    choices: Choices

    def run(self, teacher: Callable[[Choices], Teacher]) -> Choices:
        """Chooses all there is to choose; with too few users or events to choose by, keeps the starting values.

        ``teacher`` gives one for a model with some choices.
        """
        asked = sum(len(bench.fold.known.users) for bench in self.benches)
        if asked < MIN_USERS:
            self.progress.say(f"Only {asked} users to choose by: the usual settings are kept.")
            return self.choices
        self._choose_base()
        self._choose_matrix()
        self._choose_repeats()
        self._choose_segment()
        self._choose_content()
        if sum(len(bench.fold.sessions.users) for bench in self.benches) >= MIN_USERS:
            self._choose_session()
        self._choose_sources()
        self._choose_model(teacher)
        if self.trials.cut_short:
            self.progress.say("The budget is spent: what was not tried keeps its usual setting.")
        return self.choices

    def values(self, choices: Choices, question: Question) -> Values:
        """NDCG@20 of each user asked, over all folds."""
        return np.concatenate([bench.values(choices, question) for bench in self.benches])

    def _choose_base(self) -> None:
        """How the item-item matrix is learnt, each way with its usual settings: the simplest that is as good as the
        best, within noise. The other may still join it as a further source.
        """
        tried: list[tuple[Choices, Values, int]] = []
        for base in (self.choices.matrix, CoOccurrence()):
            if self.trials.spent() or name_of(base) in self.options.without:
                continue
            choices = replace(self.choices, matrix=base)
            values = self.values(choices, "known")
            tried.append((choices, values, self.trials.add("matrix", name_of(base), "known", values)))
        if tried:
            best = max(tried, key=lambda each: float(each[1].mean()))[1]
            self.choices, _, number = next(each for each in reversed(tried) if within_noise(each[1], best))
            self.trials.keep(number)

    def _choose_matrix(self) -> None:
        base = self.choices.matrix
        if isinstance(base, Regression):  # one that only compares weights of events and half-lives may be quick
            self.choices = replace(self.choices, matrix=replace(base, width=min(_QUICK_WIDTH, base.width)))
        history = self.benches[-1].fold.history
        if not self.options.event_weights and len(history.events) > 1:
            self._try("event_weights", [self.choices, replace(self.choices, event_weights=rarity(history))])
        self._choose_half_life()
        if isinstance(base, Regression):
            settings = [replace(base, ridge=ridge) for ridge in _RIDGES]
            self._climb("ridge", [replace(self.choices, matrix=each) for each in settings], 1)
        else:
            exponents = [replace(base, item_exponent=exponent) for exponent in _ITEM_EXPONENTS]
            self._climb("item_exponent", [replace(self.choices, matrix=each) for each in exponents], 2)

    def _choose_half_life(self) -> None:
        if self.options.half_life_days is None:
            ages = self._ages(_HALF_LIVES, self._span / _SHORTEST)
            self._climb("half_life_days", [replace(self.choices, half_life_days=age) for age in ages], len(ages) // 2)

    def _choose_repeats(self) -> None:
        candidates = []
        if self.options.repeats != "never":
            candidates += [replace(self.choices, repeats=True, repeat=repeat) for repeat in _REPEATS]
        if self.options.repeats != "allow":
            candidates.append(replace(self.choices, repeats=False, repeat=0.0))
        self._try("repeat", candidates)

    def _choose_segment(self) -> None:
        """Popularity's half-life by popularity alone, since whoever has no history is served by it alone; then its
        weight beside what is personal.
        """
        ages = self._ages(_TRENDS, 0)
        alone = replace(self.choices, user_weight=0.0)
        trends = [replace(alone, trend_half_life_days=age) for age in ages]
        place, values, number = self._search("trend_half_life_days", trends, "known", len(ages) - 2)
        if values is not None:
            self.choices = replace(self.choices, trend_half_life_days=ages[place])
            self.trials.keep(number)
        self._choose_number("segment_weight", _SEGMENT_WEIGHTS, "known", 2)

    def _choose_content(self) -> None:
        """Takes what the catalogue says of new items where that costs nothing beyond noise: they could not be
        recommended otherwise.
        """
        if not self.benches[-1].attributes.columns or "content" in self.options.without or self.trials.spent():
            return
        before = self.values(self.choices, "known")
        candidates = [replace(self.choices, content=gamma) for gamma in _CONTENT]
        place, values, number = self._search("content", candidates, "known", 1)
        if values is not None and within_noise(values, before):
            self.choices = candidates[place]
            self.trials.keep(number)

    def _choose_session(self) -> None:
        self._choose_number("session_weight", _SESSION_WEIGHTS, "session", 2)
        self._choose_number("session_decay", _DECAYS, "session", 3)
        allowed = TRANSITIONS not in self.options.without
        if allowed and self._add("transition_weight", _TRANSITION_WEIGHTS, "session"):
            self._choose_number("transition_decay", _DECAYS, "session", 1)
        allowed = self.choices.repeats and "revisit" not in self.options.without
        if allowed and self._add("revisit_weight", _REVISIT_WEIGHTS, "visit"):
            self._choose_number("revisit_decay", _DECAYS, "visit", 2)

    def _add(self, name: str, weights: Iterable[float], question: Question) -> bool:
        """Gives something that weighs nothing yet its best weight, where that helps beyond noise."""
        return self._help([replace(self.choices, **{name: weight}) for weight in weights], name, question)  # type: ignore[arg-type]  # floats

    def _choose_sources(self) -> None:
        """Adds one source after the other, each with its best weight, where that helps beyond noise."""
        base = name_of(self.choices.matrix)
        for name in [each for each in LEARNERS if each != base and each not in self.options.without]:
            weighed = [replace(self.choices, sources={**self.choices.sources, name: w}) for w in _SOURCE_WEIGHTS]
            self._help(weighed, f"sources.{name}", "known")

    def _help(self, candidates: list[Choices], name: str, question: Question) -> bool:
        """Takes the best of the candidates where it is better than what there is, beyond noise."""
        if self.trials.spent():
            return False
        before = self.values(self.choices, question)
        place, values, number = self._search(name, candidates, question, 1)
        if values is None or within_noise(before, values):
            return False
        self.choices = candidates[place]
        self.trials.keep(number)
        return True

    def _choose_model(self, teacher: Callable[[Choices], Teacher]) -> None:
        """Of popularity, the item-item matrix, it with one source after the other, and all of them put into order by a
        ranker: the simplest that is as good as the best, within noise.
        """
        steps = list(self.choices.sources.items())
        tried = [self._model("popularity", replace(self.choices, user_weight=0.0, sources={}))]
        for count in range(len(steps) + 1):
            name = " + ".join([name_of(self.choices.matrix), *(source for source, _ in steps[:count])])
            tried.append(self._model(name, replace(self.choices, sources=dict(steps[:count]))))
        few = len(self.benches[-1].fold.history.users) <= RANKED_USERS
        if self.options.ranker == "auto" and few and not self.trials.spent():
            tried += self._ranked(replace(self.choices, ranker=True), teacher)
        best = max(tried, key=lambda each: float(each[1].mean()))[1]
        self.choices, _, number = next(each for each in tried if within_noise(each[1], best))
        self.trials.keep(number)

    def _model(self, name: str, choices: Choices) -> tuple[Choices, Values, int]:
        values = self.values(choices, "known")
        return choices, values, self.trials.add("model", name, "known", values)

    def _ranked(self, choices: Choices, teacher: Callable[[Choices], Teacher]) -> list[tuple[Choices, Values, int]]:
        """The ranker, taught before each fold and asked on it; nothing where a fold has too little before it."""
        school = teacher(choices)
        rankers = [school.teach(bench.fold.now) for bench in self.benches]
        if None in rankers:
            return []
        values = [bench.values(choices, "known", ranker) for bench, ranker in zip(self.benches, rankers, strict=True)]
        found = np.concatenate(values)
        return [(choices, found, self.trials.add("model", "all, ranked by trees", "known", found))]

    def _choose_number(self, name: str, values: Iterable[float], question: Question, begin: int) -> None:
        candidates = [replace(self.choices, **{name: value}) for value in values]  # type: ignore[arg-type]  # floats
        self._climb(name, candidates, begin, question)

    def _try(self, name: str, candidates: list[Choices]) -> None:
        """Keeps the best candidate of all; of equal ones the first."""
        tried: list[tuple[float, int]] = []
        for choices in candidates:
            if self.trials.spent():
                break
            values = self.values(choices, "known")
            tried.append((float(values.mean()), self.trials.add(name, value_of(name, choices), "known", values)))
        if tried:
            place = int(np.argmax([mean for mean, _ in tried]))
            self.choices = candidates[place]
            self.trials.keep(tried[place][1])

    def _climb(self, name: str, candidates: list[Choices], begin: int, question: Question = "known") -> None:
        """Keeps the best candidate that is reached uphill from place ``begin``."""
        place, values, number = self._search(name, candidates, question, begin)
        if values is not None:
            self.choices = candidates[place]
            self.trials.keep(number)

    def _search(
        self, name: str, candidates: list[Choices], question: Question, begin: int
    ) -> tuple[int, Values | None, int]:
        """Climbs from ``begin`` to the place where neither neighbour is better: place, values and trial's number."""
        tried: dict[int, tuple[Values, int]] = {}

        def mean(place: int) -> float:
            if place not in tried:
                if not 0 <= place < len(candidates) or self.trials.spent():
                    return -np.inf
                values = self.values(candidates[place], question)
                tried[place] = values, self.trials.add(name, value_of(name, candidates[place]), question, values)
                self.progress.say(f"{name} = {value_of(name, candidates[place])}: {values.mean():.4f}")
            return float(tried[place][0].mean())

        place = min(max(begin, 0), len(candidates) - 1)
        if not np.isfinite(mean(place)):
            return place, None, -1
        for step in (1, -1):
            while mean(place + step) > mean(place):
                place += step
        return place, *tried[place]

    @property
    def _span(self) -> float:
        history = self.benches[-1].fold.history
        return (self.benches[-1].fold.now - int(history.time[0])) / DAY

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
        matrix=Regression(width=options.width),
        repeats=options.repeats != "never",
        trend_half_life_days=max(span_days / 8, 1e-3),
        heard=tuple(name for name in RANKED if name not in options.without),
    )


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
    if name in ("ridge", "item_exponent"):
        return getattr(choices.matrix, name)
    if name == "repeat":
        return choices.repeat if choices.repeats else "never"
    if name.startswith("sources."):
        return choices.sources[name.removeprefix("sources.")]
    value = getattr(choices, name)
    return dict(value) if isinstance(value, Mapping) else value


def choose_prior(
    fold: Fold, choices: Choices, segments: Segments, segment_of: NDArray[np.int64], seed: int, trials: Trials
) -> Choices:
    """Chooses ``prior_users`` by how well segments alone rank for users who are in one; too few choose nothing."""
    task = join(next_items(fold.history, fold.period), next_items(fold.history, fold.period, known=False))
    task = task.take(np.flatnonzero(segment_of[task.users] > 0)).sample(seed)
    if len(task.users) < MIN_USERS:
        return choices
    present = present_at(fold.history, fold.now, choices)
    tried = []
    for prior in _PRIORS:
        rows = segment_rows(present, segments, prior, 20)
        values = ndcg(segment_lists(rows, segment_of[task.users], 20), task)
        tried.append((float(values.mean()), trials.add("prior_users", prior, "segment", values)))
    place = int(np.argmax([mean for mean, _ in tried]))
    trials.keep(tried[place][1])
    return replace(choices, prior_users=_PRIORS[place])
