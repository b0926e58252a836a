"""What was tried on the validation periods: each trial with its metric, its doubt, and whether it was kept."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.reporting.html import Block, drawing_of, figure

METRIC: Final = "ndcg@20"
TRIALS: Final = "trials.jsonl"
_NOISE: Final = 1.96  # standard errors
_FIRST: Final = 0.7  # of the minutes, where a reranker is tried last


@dataclass(frozen=True, slots=True)
class Trial:
    """One value of one hyperparameter: ``metric`` is the mean NDCG@20 of ``users`` users over all validation periods,
    ``error`` its standard error, ``question`` what they were asked (``known``: the next items of users with history,
    ``session``: the rest of a session, ``segment``: users by their profile alone).
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
        """JSON-ready; no time of day and no duration, so that the same training writes the same bytes."""
        return asdict(self)


@dataclass(slots=True)
class Budget:
    """How long may be tried: until ``minutes`` have passed since this object was made, or ``trials`` were made,
    whichever comes first; None: no such bound. What one trial has begun is finished. ``first`` is the share of the
    minutes that all but the last trial may take: the last, a reranker, is worth more than what it would wait for.
    """

    minutes: float | None = None
    trials: int | None = None
    first: float = 1.0
    _begun: float = field(init=False, default_factory=time.monotonic)

    @classmethod
    def of(cls, options: RecommenderOptions) -> "Budget":
        """That of a training, from now on."""
        return cls(options.minutes, options.trials, _FIRST if options.reranker == "auto" else 1.0)

    def spent(self, made: int, *, last: bool = False) -> bool:
        """Whether no further trial may begin after ``made``, or not the last one."""
        if self.trials is not None and made >= self.trials:
            return True
        share = 1.0 if last else self.first
        return self.minutes is not None and time.monotonic() - self._begun >= 60 * self.minutes * share


@dataclass(slots=True)
class Trials:
    """The record of a search; ``spent`` says that its budget ended it."""

    budget: Budget
    made: list[Trial] = field(default_factory=list)
    cut_short: bool = False

    def spent(self, *, last: bool = False) -> bool:
        """Whether no further trial may begin, or not the last one; remembers that it said so."""
        spent = self.budget.spent(len(self.made), last=last)
        self.cut_short = self.cut_short or spent
        return spent

    def add(self, hyperparameter: str, value: object, question: str, values: NDArray[np.float64]) -> int:
        """Records one trial by its users' ``values`` ``[users]``; gives its number."""
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        mean = float(values.mean()) if len(values) else 0.0
        self.made.append(
            Trial(len(self.made), hyperparameter, value, question, round(mean, 6), round(error, 6), len(values))
        )
        return len(self.made) - 1

    def keep(self, number: int) -> None:
        """Marks a trial as the one whose value was taken."""
        self.made[number] = replace(self.made[number], kept=True)

    def keep_best(self, tried: Sequence[tuple[float, int]]) -> int:
        """Marks the best of (metric, number) pairs, of equal ones the first; gives its place among them."""
        place = int(np.argmax([metric for metric, _ in tried]))
        self.keep(tried[place][1])
        return place

    def document(self) -> dict[str, object]:
        """For the manifest: bounded, the whole list is ``trials.jsonl``."""
        kept = [trial.document() for trial in self.made if trial.kept]
        return {"metric": METRIC, "number": len(self.made), "cut_short": self.cut_short, "kept": kept}

    def jsonl(self) -> bytes:
        """``trials.jsonl``: one line a trial, in their order."""
        return "".join(f"{json.dumps(trial.document(), sort_keys=True)}\n" for trial in self.made).encode()


def within_noise(values: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Whether ``values`` ``[users]`` is as good as ``best``: the 95 % interval of their paired difference reaches 0.

    Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3, take the simplest
    within one standard error; the same users stand on both sides here, which leaves so little of it that two are taken.
    """
    if len(values) < 2:
        return True
    apart = best - values
    return bool(apart.mean() <= _NOISE * apart.std(ddof=1) / np.sqrt(len(apart)))


def explain(trials: Trials) -> list[str]:
    """In plain words, a paragraph a thing: how it was searched, and what was taken or left."""
    made = trials.made
    if not made:
        return ["Too few users came back to choose anything by: every setting is the usual one."]
    told = [
        f"{len(made)} settings were tried on periods before the test period, judged by NDCG@20 over "
        f"{max(trial.users for trial in made)} users at most."
        + (" The budget ended the search: what was not tried keeps its usual value." if trials.cut_short else "")
    ]
    told += _matrix([trial for trial in made if trial.hyperparameter == "matrix"])
    sources = [trial for trial in made if trial.hyperparameter.startswith("components.")]
    for hyperparameter in dict.fromkeys(trial.hyperparameter for trial in sources):
        own = [trial for trial in sources if trial.hyperparameter == hyperparameter]
        best = max(own, key=lambda trial: trial.metric)
        name = hyperparameter.removeprefix("components.")
        verdict = "taken" if any(trial.kept for trial in own) else "left out, since it does not help beyond noise"
        told.append(f"{name}: {best.metric:.4f} at its best, with weight {best.value}; {verdict}.")
    models = [trial for trial in made if trial.hyperparameter == "model"]
    told += [f"{_best(models)} had the best NDCG@20. {_kept(models)}"] if models else []
    return told


def _matrix(tried: Sequence[Trial]) -> list[str]:
    """How the item-item matrix is learnt, where there was a hyperparameter."""
    if len(tried) < 2:
        return []
    ways = sorted(tried, key=lambda trial: not trial.kept)
    (taken, metric), *others = [(str(trial.value), f"{trial.metric:.4f}") for trial in ways]
    rest = ", ".join(f"{name} {other}" for name, other in others)
    return [f"Item-item model: {taken} ({metric} with a quick fit and default settings; {rest})."]


def _best(models: Sequence[Trial]) -> str:
    best = max(models, key=lambda trial: trial.metric)
    return f"Of {len(models)} models, {best.value} ({best.metric:.4f})"


def _kept(models: Sequence[Trial]) -> str:
    kept = next(trial for trial in models if trial.kept)
    return (
        "The simplest one that is as good, within the 95 % interval of the paired difference, was taken: "
        f"{kept.value} ({kept.metric:.4f})."
    )


def plot(trials: Sequence[Trial]) -> Block:
    """Every trial's metric with its standard error, one colour a question; filled where its value was kept."""
    drawing, axes = drawing_of(8, 3.5)
    for question in sorted({trial.question for trial in trials}):
        own = [trial for trial in trials if trial.question == question]
        numbers, metrics = [trial.number for trial in own], [trial.metric for trial in own]
        errors = [trial.error for trial in own]
        bars = axes.errorbar(numbers, metrics, yerr=errors, fmt="o", capsize=2, mfc="white", label=question)
        kept = [trial for trial in own if trial.kept]
        spots = [trial.number for trial in kept], [trial.metric for trial in kept]
        axes.plot(*spots, "o", color=bars[0].get_color())
    axes.set_xlabel("trial")
    axes.set_ylabel("validation NDCG@20")
    axes.legend(frameon=False)
    return figure(
        drawing, "Every trial with its standard error; filled: the value that was kept. Colours are what was asked."
    )
