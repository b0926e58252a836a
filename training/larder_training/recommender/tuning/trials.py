"""Trials: every evaluated candidate with its metric and standard error, and whether it was accepted."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.ensemble.titles import model_title
from larder_training.recommender.tuning.trial_store import TrialStore
from larder_training.reporting.html import Block, figure
from larder_training.reporting.plots import drawing_of, legend_above
from larder_training.reporting.values import number

METRIC: Final = "ndcg@20"
TRIALS: Final = "trials.jsonl"
_TASKS: Final[Mapping[str, str]] = {
    "known": "next items of users with history",
    "session": "rest of a session",
    "visit": "items seen again",
    "segment": "users by their profile",
}
_SIGNIFICANT: Final = 1.96  # standard errors
_FIRST: Final = 0.7  # share of the minutes for all trials but the reranker, which comes last


@dataclass(frozen=True, slots=True)
class RecommenderTrial:
    """An evaluated value of a hyperparameter; a line of ``trials.jsonl``.

    Attributes:
        number: Number of the trial, from 0.
        hyperparameter: Name of the hyperparameter.
        value: Its value.
        question: Validation task: ``known``, the next items of users with history; ``session``, the rest of a
            session; ``visit``, the same with items that occurred before; ``segment``, users by their profile alone.
        metric: Mean NDCG@20 over the users of all folds.
        error: Standard error of ``metric``.
        users: Number of users.
        kept: Whether the value was accepted.
    """

    number: int
    hyperparameter: str
    value: object
    question: str
    metric: float
    error: float
    users: int
    kept: bool = False

    def document(self) -> dict[str, object]:
        """JSON-ready. It has no times, so that the same training writes the same bytes."""
        return asdict(self)


@dataclass(slots=True)
class SearchBudget:
    """Limits of the search, counted from the creation of this object. A trial that has begun is finished.

    Attributes:
        minutes: Time limit; None: no limit.
        trials: Limit of trials; None: no limit.
        first: Share of the minutes for all trials but the last, the reranker.
    """

    minutes: float | None = None
    trials: int | None = None
    first: float = 1.0
    _start: float = field(init=False, default_factory=time.monotonic)

    @classmethod
    def of(cls, options: RecommenderOptions) -> "SearchBudget":
        """Budget of a training that begins now."""
        return cls(options.minutes, options.trials, _FIRST if options.reranker == "auto" else 1.0)

    def elapsed(self) -> float:
        """Seconds since the search began, with those of an interrupted search that this one continues."""
        return time.monotonic() - self._start

    def reach(self, seconds: float) -> None:
        """Lets the search be at least ``seconds`` old: an interrupted search had used that time."""
        self._start = min(self._start, time.monotonic() - seconds)

    def seconds_left(self) -> float | None:
        """Seconds until the time limit; None without one."""
        return None if self.minutes is None else max(60 * self.minutes - self.elapsed(), 0.0)

    def spent(self, trial_count: int, *, last: bool = False) -> bool:
        """Whether another trial exceeds the budget after ``trial_count`` trials; ``last``: the reranker."""
        if self.trials is not None and trial_count >= self.trials:
            return True
        share = 1.0 if last else self.first
        return self.minutes is not None and self.elapsed() >= 60 * self.minutes * share


@dataclass(slots=True)
class TrialLog:
    """Log of a search.

    Attributes:
        budget: Limits of the search.
        trials: All trials, in order.
        cut_short: Whether the budget ended the search.
        store: What an interrupted search has left, and what this one keeps.
    """

    budget: SearchBudget
    trials: list[RecommenderTrial] = field(default_factory=list)
    cut_short: bool = False
    store: TrialStore = field(default_factory=TrialStore)

    def spent(self, *, last: bool = False) -> bool:
        """Whether the budget is spent; sets ``cut_short`` if so. ``last``: the reranker's trial."""
        spent = self.budget.spent(len(self.trials), last=last)
        self.cut_short = self.cut_short or spent
        return spent

    def values(self, candidate: str, compute: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
        """The users' values of a candidate, from the store if they are there; counts the time that they took."""
        values, seconds = self.store.values(candidate, compute, self.budget.elapsed)
        self.budget.reach(seconds)
        return values

    def best(self, question: str) -> float | None:
        """The best metric of the trials of a validation task so far; None without one."""
        return max((trial.metric for trial in self.trials if trial.question == question), default=None)

    def add(self, hyperparameter: str, value: object, task: str, values: NDArray[np.float64]) -> int:
        """Adds a trial with the users' ``values`` ``[users]`` and returns its number."""
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        mean = float(values.mean()) if len(values) else 0.0
        number = len(self.trials)
        self.trials.append(
            RecommenderTrial(number, hyperparameter, value, task, round(mean, 6), round(error, 6), len(values))
        )
        return number

    def keep(self, number: int) -> None:
        """Marks a trial as accepted."""
        self.trials[number] = replace(self.trials[number], kept=True)

    def document(self) -> dict[str, object]:
        """Summary for the manifest: the accepted trials; ``trials.jsonl`` has all."""
        kept = [trial.document() for trial in self.trials if trial.kept]
        return {"metric": METRIC, "number": len(self.trials), "cut_short": self.cut_short, "kept": kept}

    def jsonl(self) -> bytes:
        """``trials.jsonl``: one line per trial, in order."""
        return "".join(f"{json.dumps(trial.document(), sort_keys=True)}\n" for trial in self.trials).encode()


def within_noise(values: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Whether ``values`` is not significantly worse than ``best``, both ``[users]``: the 95 % interval of their paired
    difference reaches 0.

    Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3, choose the
    simplest model within one standard error of the best. Paired differences have a much smaller standard error, so
    the limit here is 1.96 of them.
    """
    if len(values) < 2:
        return True
    difference = best - values
    return bool(difference.mean() <= _SIGNIFICANT * difference.std(ddof=1) / np.sqrt(len(difference)))


def explain(log: TrialLog) -> list[str]:
    """Paragraphs for the report: how the search ran, and which values it accepted."""
    trials = log.trials
    if not trials:
        return ["Too few users returned for validation: all hyperparameters keep their defaults."]
    paragraphs = [
        f"The search evaluated {len(trials):,} candidates on periods before the test period, by NDCG@20 of up to "
        f"{max(trial.users for trial in trials):,} users."
        + (" The budget ended it: untried hyperparameters keep their defaults." if log.cut_short else "")
    ]
    paragraphs += _matrix([trial for trial in trials if trial.hyperparameter == "matrix"])
    components = [trial for trial in trials if trial.hyperparameter.startswith("components.")]
    for hyperparameter in dict.fromkeys(trial.hyperparameter for trial in components):
        own = [trial for trial in components if trial.hyperparameter == hyperparameter]
        best = max(own, key=lambda trial: trial.metric)
        name = model_title(hyperparameter.removeprefix("components."))
        verdict = "added" if any(trial.kept for trial in own) else "not added, since the gain is not significant"
        paragraphs.append(f"{name}: NDCG@20 {number(best.metric)} at its best weight, {best.value}; {verdict}.")
    models = [trial for trial in trials if trial.hyperparameter == "model"]
    paragraphs += [f"{_best(models)} has the best NDCG@20. {_kept(models)}"] if models else []
    return paragraphs


def _matrix(trials: Sequence[RecommenderTrial]) -> list[str]:
    """Which estimator of the item-item matrix was chosen, if there was a choice."""
    if len(trials) < 2:
        return []
    accepted_first = sorted(trials, key=lambda trial: not trial.kept)
    (chosen, metric), *others = [(model_title(trial.value), number(trial.metric)) for trial in accepted_first]
    rest = ", ".join(f"{name} {other}" for name, other in others)
    return [f"Item-item model: {chosen} (NDCG@20 {metric} with a quick fit and default settings; {rest})."]


def _best(models: Sequence[RecommenderTrial]) -> str:
    best = max(models, key=lambda trial: trial.metric)
    return f"Of {len(models)} models, {model_title(best.value)} ({number(best.metric)})"


def _kept(models: Sequence[RecommenderTrial]) -> str:
    kept = next(trial for trial in models if trial.kept)
    return (
        "Chosen is the simplest model that is not significantly worse (95 % interval of the paired difference): "
        f"{model_title(kept.value)} ({number(kept.metric)})."
    )


def plot(trials: Sequence[RecommenderTrial]) -> Block:
    """Each trial's metric with its standard error, one colour per task; filled if the value was accepted."""
    drawing, axes = drawing_of()
    tasks = sorted({trial.question for trial in trials}, key=[*_TASKS].index)
    for task in tasks:
        own = [trial for trial in trials if trial.question == task]
        numbers, metrics = [trial.number for trial in own], [trial.metric for trial in own]
        errors = [trial.error for trial in own]
        bars = axes.errorbar(numbers, metrics, yerr=errors, fmt="o", capsize=2, mfc="none", label=_TASKS[task])
        kept = [trial for trial in own if trial.kept]
        points = [trial.number for trial in kept], [trial.metric for trial in kept]
        axes.plot(*points, "o", color=bars[0].get_color())
    axes.set_xlabel("trial")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("validation NDCG@20")
    if len(tasks) > 1:
        legend_above(axes)
    colours = " Colours: validation tasks." if len(tasks) > 1 else ""
    return figure(drawing, f"Each trial with its standard error. Filled: accepted values.{colours}")
