"""The moves of a search over hyperparameters: try all of a few, climb a grid, add what helps beyond noise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.ensemble.hyperparameters import Hyperparameters, value_of
from larder_training.recommender.tuning.fold_cache import FoldCache
from larder_training.recommender.tuning.trials import Trials, within_noise
from larder_training.reporting.progress import Progress

Values: TypeAlias = NDArray[np.float64]
Question: TypeAlias = Literal["known", "session", "visit"]


@dataclass(slots=True)
class Search:
    """``hyperparameters`` is the best so far, ``trials`` everything that was tried, over all ``caches`` alike."""

    caches: Sequence[FoldCache]
    progress: Progress
    trials: Trials
    hyperparameters: Hyperparameters

    def values(self, params: Hyperparameters, question: Question) -> Values:
        """NDCG@20 of each user asked, over all folds."""
        return np.concatenate([cache.values(params, question) for cache in self.caches])

    def number(self, name: str, values: Iterable[float], question: Question, begin: int) -> None:
        """Climbs a grid of one number from place ``begin``."""
        self.climb(name, self._each(name, values), begin, question)

    def best_of(self, name: str, candidates: list[Hyperparameters]) -> None:
        """Keeps the best candidate of all; of equal ones the first."""
        tried: list[tuple[float, int]] = []
        for params in candidates:
            if self.trials.spent():
                break
            values = self.values(params, "known")
            tried.append((float(values.mean()), self.trials.add(name, value_of(name, params), "known", values)))
        if tried:
            self.hyperparameters = candidates[self.trials.keep_best(tried)]

    def climb(self, name: str, candidates: list[Hyperparameters], begin: int, question: Question = "known") -> None:
        """Keeps the best candidate that is reached uphill from place ``begin``."""
        place, values, number = self.reached(name, candidates, question, begin)
        if values is not None:
            self.hyperparameters = candidates[place]
            self.trials.keep(number)

    def reached(
        self, name: str, candidates: list[Hyperparameters], question: Question, begin: int
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

    def add(self, name: str, weights: Iterable[float], question: Question) -> bool:
        """Gives something that weighs nothing yet its best weight, where that helps beyond noise."""
        return self.help(self._each(name, weights), name, question)

    def help(self, candidates: list[Hyperparameters], name: str, question: Question) -> bool:
        """Takes the best of the candidates where it is better than what there is, beyond noise."""
        if self.trials.spent():
            return False
        before = self.values(self.hyperparameters, question)
        place, values, number = self.reached(name, candidates, question, 1)
        if values is None or within_noise(before, values):
            return False
        self.hyperparameters = candidates[place]
        self.trials.keep(number)
        return True

    def _each(self, name: str, values: Iterable[float]) -> list[Hyperparameters]:
        return [replace(self.hyperparameters, **{name: value}) for value in values]  # type: ignore[arg-type]  # floats
