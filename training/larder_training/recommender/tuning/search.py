"""Coordinate search: change one hyperparameter at a time, and keep a change that improves validation.

Every candidate that is evaluated becomes a line of ``trials.jsonl``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.tuning.fold_cache import FoldCache, TaskName
from larder_training.recommender.tuning.trials import METRIC, TrialLog, within_noise
from larder_training.reporting.progress import Advance, ignore

Values: TypeAlias = NDArray[np.float64]
_OF_TASK: Final[dict[TaskName, str]] = {"known": "", "session": " of sessions", "visit": " of items seen again"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hyperparameters to evaluate.

    Attributes:
        value: Value of the hyperparameter that changes, as ``trials.jsonl`` stores it.
        hyperparameters: All hyperparameters, with that value.
    """

    value: object
    hyperparameters: Hyperparameters


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Validation result of a candidate.

    Attributes:
        hyperparameters: Hyperparameters of the candidate.
        values: NDCG@20 of each user of the task, ``[users]``.
        trial: Number of the trial.
    """

    hyperparameters: Hyperparameters
    values: Values
    trial: int

    @property
    def mean(self) -> float:
        """Mean NDCG@20 over users."""
        return float(self.values.mean())


@dataclass(slots=True)
class CoordinateSearch:
    """Moves of a coordinate search.

    Attributes:
        context: Options and progress.
        caches: Validation folds; a candidate is evaluated on the users of all of them.
        trials: Log of all candidates that were evaluated.
        current: Best hyperparameters so far.
        advance: Reports each trial.
        expected: Number of trials that the search has at most, as far as it is known.
    """

    context: RecommenderContext
    caches: Sequence[FoldCache]
    trials: TrialLog
    current: Hyperparameters
    advance: Advance = ignore
    expected: int = 0

    def values(self, params: Hyperparameters, task: TaskName) -> Values:
        """NDCG@20 of each user of the task, over all folds, ``[users]``."""
        return self.trials.values(
            f"{task} {params!r}", lambda: np.concatenate([cache.values(params, task) for cache in self.caches])
        )

    def evaluate(self, name: str, candidate: Candidate, task: TaskName = "known") -> Result:
        """Evaluates a candidate and adds it to the trials."""
        values = self.values(candidate.hyperparameters, task)
        return self.add(name, candidate, task, values)

    def add(self, name: str, candidate: Candidate, task: TaskName, values: Values) -> Result:
        """Adds an evaluated candidate to the trials, and reports the progress."""
        result = Result(candidate.hyperparameters, values, self.trials.add(name, candidate.value, task, values))
        best_metric = self.trials.best(task)
        self.advance(
            1,
            f"best {METRIC}{_OF_TASK[task]} {best_metric:.4f}",
            total=self._total(),
            seconds_left=self.trials.budget.seconds_left(),
        )
        return result

    def _total(self) -> int:
        limit = self.trials.budget.trials
        return self.expected if limit is None else min(self.expected, limit)

    def accept(self, result: Result) -> None:
        """Makes a candidate the current best."""
        self.current = result.hyperparameters
        self.trials.keep(result.trial)

    def grid(
        self, values: Iterable[float], change: Callable[[Hyperparameters, float], Hyperparameters]
    ) -> list[Candidate]:
        """One candidate per value: the current hyperparameters, changed by ``change(current, value)``."""
        return [Candidate(value, change(self.current, value)) for value in values]

    def best_of(self, name: str, candidates: Sequence[Candidate]) -> None:
        """Evaluates all candidates and accepts the best; the first of equal ones."""
        results: list[Result] = []
        for candidate in candidates:
            if self.trials.spent():
                break
            results.append(self.evaluate(name, candidate))
        if results:
            self.accept(best(results))

    def climb(self, name: str, candidates: Sequence[Candidate], start: int, task: TaskName = "known") -> None:
        """Accepts the local optimum of a grid that is reached from index ``start``."""
        if (optimum := self.local_optimum(name, candidates, start, task)) is not None:
            self.accept(optimum)

    def local_optimum(
        self, name: str, candidates: Sequence[Candidate], start: int, task: TaskName = "known"
    ) -> Result | None:
        """Hill climbing on a grid: moves to the better neighbour until there is none.

        Args:
            name: Hyperparameter that changes.
            candidates: The grid, in order of the hyperparameter's value.
            start: Index of the first candidate; clipped to the grid.
            task: Validation task.

        Returns:
            The result at the optimum; None if the budget is spent before the first candidate.
        """
        results: dict[int, Result] = {}

        def mean(index: int) -> float:
            if index not in results:
                if not 0 <= index < len(candidates) or self.trials.spent():
                    return -np.inf
                results[index] = self.evaluate(name, candidates[index], task)
            return results[index].mean

        index = min(max(start, 0), len(candidates) - 1)
        if not np.isfinite(mean(index)):
            return None
        for step in (1, -1):
            while mean(index + step) > mean(index):
                index += step
        return results[index]

    def improve(self, name: str, candidates: Sequence[Candidate], task: TaskName = "known") -> bool:
        """Accepts the local optimum of a grid if it is significantly better than the current hyperparameters."""
        if self.trials.spent():
            return False
        before = self.values(self.current, task)
        optimum = self.local_optimum(name, candidates, 1, task)
        if optimum is None or within_noise(before, optimum.values):
            return False
        self.accept(optimum)
        return True


def best(results: Sequence[Result]) -> Result:
    """The result with the largest mean; the first of equal ones."""
    return max(results, key=lambda result: result.mean)


def simplest(results: Sequence[Result]) -> Result:
    """The first result that is not significantly worse than the best; order them from simple to complex."""
    values = best(results).values
    return next(result for result in results if within_noise(result.values, values))
