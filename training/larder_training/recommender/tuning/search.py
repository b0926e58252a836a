"""Coordinate search: change one hyperparameter at a time, and keep a change that improves validation.

Every candidate that is evaluated becomes a line of ``trials.jsonl``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.tuning.fold_cache import FoldCache, TaskName
from larder_training.recommender.tuning.trials import TrialLog, within_noise

Values: TypeAlias = NDArray[np.float64]


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
    """

    context: RecommenderContext
    caches: Sequence[FoldCache]
    trials: TrialLog
    current: Hyperparameters

    def values(self, params: Hyperparameters, task: TaskName) -> Values:
        """NDCG@20 of each user of the task, over all folds, ``[users]``."""
        return np.concatenate([cache.values(params, task) for cache in self.caches])

    def evaluate(self, name: str, candidate: Candidate, task: TaskName = "known") -> Result:
        """Evaluates a candidate and adds it to the trials."""
        values = self.values(candidate.hyperparameters, task)
        return Result(candidate.hyperparameters, values, self.trials.add(name, candidate.value, task, values))

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
                self.context.progress.say(f"{name} = {candidates[index].value}: {results[index].mean:.4f}")
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
