"""Choosing by rolling-origin validation, one hyperparameter after the other: the test period is never looked at.

Grids are short and climbed from where they begin, since around the values that did well on real logs the ranking is
flat and each step costs a fit. A further source of scores is taken only where it helps beyond noise.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY
from larder_training.recommender.ensemble.components import CO_VISITATION, COMPONENTS, USER_EASE
from larder_training.recommender.ensemble.fitted import MATRIX
from larder_training.recommender.ensemble.hyperparameters import MAX_USER_EASE_USERS, Hyperparameters, rarity, value_of
from larder_training.recommender.models.ease import Regression
from larder_training.recommender.models.item_item import MatrixLearner, name_of
from larder_training.recommender.models.item_knn import CoOccurrence
from larder_training.recommender.splits.rolling_origin import MIN_USERS
from larder_training.recommender.tuning.blend_weights import choose_weights
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.search import Search, Values
from larder_training.recommender.tuning.trials import within_noise

_HALF_LIVES: Final = (1.0, 3.0, 7.0, 30.0, 90.0, 270.0, None)
_RIDGES: Final = (1.0, 4.0, 16.0, 64.0)
_ITEM_EXPONENTS: Final = (0.0, 0.25, 0.5, 0.75)
_REPEATS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_TRENDS: Final = (1.0, 3.0, 7.0, 30.0, 90.0, None)
_QUICK_WIDTH: Final = 100  # of regressions that only compare other hyperparameters
_SHORTEST: Final = 16  # half-lives below this part of the history are not tried, for the matrix
_SEGMENT_WEIGHTS: Final = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6)
_SMALL_SEGMENT_WEIGHTS: Final = (0.0001, 0.001, 0.01, 0.03)  # for interactions without times
_SESSION_WEIGHTS: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_TRANSITION_WEIGHTS: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
_REVISIT_WEIGHTS: Final = (0.1, 0.3, 1.0, 3.0)
_SOURCE_WEIGHTS: Final = (0.1, 0.3, 0.6, 1.0, 2.0)
_CONTENT: Final = 0.5  # what did best for new items (benchmarks/recommender); users with history cannot tell
MAX_RERANKED_USERS: Final = 200_000  # a reranker takes milliseconds of processor time for each user's row
_DECAYS: Final = (0.3, 0.6, 0.8, 0.9, 0.97, 1.0)


@dataclass(slots=True)
class Tuner(Search):
    """The order of a training's hyperparameters, within what ``options`` leave open."""

    options: RecommenderOptions

    def run(self, trainer: RerankerTrainer) -> Hyperparameters:
        """Runs the search; with too few users or events to validate on, keeps the start values.

        ``trainer`` trains the rerankers to compare with.
        """
        asked = sum(len(cache.fold.known.users) for cache in self.caches)
        if asked < MIN_USERS:
            self.progress.say(f"Only {asked} users to choose by: the usual settings are kept.")
            return self.hyperparameters
        if self.options.order != "time":
            return self._choose_without_times()
        if not self._few_users:
            self.trials.budget.first = 1.0  # nobody is left to keep minutes for
        self._choose_base()
        self._choose_matrix()
        self._choose_segment()
        self._choose_content()
        if sum(len(cache.fold.sessions.users) for cache in self.caches) >= MIN_USERS:
            self._choose_session()
        self._choose_components()
        self._choose_model(trainer)
        if self.trials.cut_short:
            self.progress.say("The budget is spent: what was not tried keeps its usual setting.")
        return self.hyperparameters

    def _choose_without_times(self) -> Hyperparameters:
        """Chooses the blend's weights and popularity's; ages, sessions and the reranker need times."""
        if self.hyperparameters.components:
            self._choose_weights()
        self.number("segment_weight", _SMALL_SEGMENT_WEIGHTS, "known", 1)
        self._choose_model(None)
        return self.hyperparameters

    def _choose_weights(self) -> None:
        """Takes the weights of the best blend on all folds, where they are better beyond noise."""
        before = self.values(self.hyperparameters, "known")
        start = {MATRIX: 1.0, **self.hyperparameters.components}
        weights, _ = choose_weights([cache.pools(self.hyperparameters) for cache in self.caches], start)
        if not weights[MATRIX]:
            return
        components = {
            name: weights[name] / weights[MATRIX] for name in self.hyperparameters.components if weights[name]
        }
        candidate = replace(self.hyperparameters, components=components)
        values = self.values(candidate, "known")
        trial = self.trials.add("components", value_of("components", candidate), "known", values)
        if not within_noise(before, values):
            self.hyperparameters = candidate
            self.trials.keep(trial)

    def _choose_base(self) -> None:
        """How the item-item matrix is learnt, each way with its usual settings: the simplest that is as good as the
        best, within noise. The other may still join it as a further source.
        """
        usual = self.hyperparameters.matrix  # last, so that it need not be fitted again where it is taken
        ways = [way for way in (CoOccurrence(), usual) if name_of(way) not in self.options.without]
        tried: list[tuple[MatrixLearner, Values, int]] = []
        for way in ways:
            if self.trials.spent():
                return
            values = self.values(replace(self.hyperparameters, matrix=_quick(way)), "known")
            tried.append((way, values, self.trials.add("matrix", name_of(way), "known", values)))
        best = max(tried, key=lambda each: float(each[1].mean()))[1]
        taken, _, number = next(each for each in tried if within_noise(each[1], best))
        self.hyperparameters = replace(self.hyperparameters, matrix=taken)
        self.trials.keep(number)

    def _choose_matrix(self) -> None:
        base = self.hyperparameters.matrix
        self.hyperparameters = replace(self.hyperparameters, matrix=_quick(base))
        self._choose_repeats()  # soon told, and worth the most where people buy the same again
        history = self.caches[-1].fold.history
        if not self.options.event_weights and len(history.events) > 1:
            self.best_of(
                "event_weights", [self.hyperparameters, replace(self.hyperparameters, event_weights=rarity(history))]
            )
        self._choose_half_life()
        self.hyperparameters = replace(self.hyperparameters, matrix=base)
        if isinstance(base, Regression):
            settings = [replace(base, ridge=ridge) for ridge in _RIDGES]
            self.climb("ridge", [replace(self.hyperparameters, matrix=each) for each in settings], 1)
        else:
            exponents = [replace(base, item_exponent=exponent) for exponent in _ITEM_EXPONENTS]
            self.climb("item_exponent", [replace(self.hyperparameters, matrix=each) for each in exponents], 2)
        self._choose_repeats()

    def _choose_half_life(self) -> None:
        """From the one that all else was compared by, so that the grid's are taken only where they do better."""
        if self.options.half_life_days is None:
            now = self.hyperparameters.half_life_days
            ages = sorted({*self._ages(_HALF_LIVES, self._span / _SHORTEST), now}, key=lambda age: age or np.inf)
            self.climb(
                "half_life_days", [replace(self.hyperparameters, half_life_days=age) for age in ages], ages.index(now)
            )

    def _choose_repeats(self) -> None:
        if self.options.repeats == "never":
            return
        never = (
            [replace(self.hyperparameters, recommend_seen=False, diagonal_weight=0.0)]
            if self.options.repeats == "auto"
            else []
        )
        again = [replace(self.hyperparameters, recommend_seen=True, diagonal_weight=weight) for weight in _REPEATS]
        begin = _REPEATS.index(self.hyperparameters.diagonal_weight) if self.hyperparameters.recommend_seen else -1
        self.climb("diagonal_weight", never + again, len(never) + begin)

    def _choose_segment(self) -> None:
        """Popularity's half-life by popularity alone, since whoever has no history is formula by it alone; then its
        weight beside what is personal.
        """
        ages = self._ages(_TRENDS, 0)
        alone = replace(self.hyperparameters, user_weight=0.0)
        trends = [replace(alone, trend_half_life_days=age) for age in ages]
        place, values, number = self.reached("trend_half_life_days", trends, "known", len(ages) - 2)
        if values is not None:
            self.hyperparameters = replace(self.hyperparameters, trend_half_life_days=ages[place])
            self.trials.keep(number)
        self.number("segment_weight", _SEGMENT_WEIGHTS, "known", 2)

    def _choose_content(self) -> None:
        """Takes what the catalogue says of new items where that costs nothing beyond noise: they could not be
        recommended otherwise.
        """
        if not self.caches[-1].attributes.columns or "content" in self.options.without or self.trials.spent():
            return
        before = self.values(self.hyperparameters, "known")
        filled = replace(self.hyperparameters, content=_CONTENT)
        _, values, number = self.reached("content", [filled], "known", 0)
        if values is not None and within_noise(values, before):
            self.hyperparameters = filled
            self.trials.keep(number)

    def _choose_session(self) -> None:
        self.number("session_weight", _SESSION_WEIGHTS, "session", 2)
        self.number("session_decay", _DECAYS, "session", 3)
        allowed = CO_VISITATION not in self.options.without
        if allowed and self.add("transition_weight", _TRANSITION_WEIGHTS, "session"):
            self.number("transition_decay", _DECAYS, "session", 1)
        allowed = self.hyperparameters.recommend_seen and "repeat" not in self.options.without
        if allowed and self.add("revisit_weight", _REVISIT_WEIGHTS, "visit"):
            self.number("revisit_decay", _DECAYS, "visit", 2)

    def _choose_components(self) -> None:
        """Adds one source after the other, each with its best weight, where that helps beyond noise."""
        left = {name_of(self.hyperparameters.matrix), *self.options.without}
        if len(self.caches[-1].fold.history.users) > MAX_USER_EASE_USERS:
            left.add(USER_EASE)
        for name in [each for each in COMPONENTS if each not in left]:
            weighed = [
                replace(self.hyperparameters, components={**self.hyperparameters.components, name: w})
                for w in _SOURCE_WEIGHTS
            ]
            self.help(weighed, f"components.{name}", "known")

    def _choose_model(self, trainer: RerankerTrainer | None) -> None:
        """Of popularity, the item-item matrix, it with one source after the other, and all of them put into order by a
        reranker: the simplest that is as good as the best, within noise.
        """
        steps = list(self.hyperparameters.components.items())
        tried = [self._model("popularity", replace(self.hyperparameters, user_weight=0.0, components={}))]
        for count in range(len(steps) + 1):
            name = " + ".join([name_of(self.hyperparameters.matrix), *(source for source, _ in steps[:count])])
            tried.append(self._model(name, replace(self.hyperparameters, components=dict(steps[:count]))))
        if trainer and self.options.reranker == "auto" and self._few_users and not self.trials.spent(last=True):
            tried += self._reranked(replace(self.hyperparameters, reranker=True), trainer)
        best = max(tried, key=lambda each: float(each[1].mean()))[1]
        self.hyperparameters, _, number = next(each for each in tried if within_noise(each[1], best))
        self.trials.keep(number)

    def _model(self, name: str, params: Hyperparameters) -> tuple[Hyperparameters, Values, int]:
        values = self.values(params, "known")
        return params, values, self.trials.add("model", name, "known", values)

    def _reranked(self, params: Hyperparameters, trainer: RerankerTrainer) -> list[tuple[Hyperparameters, Values, int]]:
        """The reranker, taught before each fold and asked on it; nothing where a fold has too little before it."""
        rerankers = [trainer.fit(params, cache.fold.now) for cache in self.caches]
        if None in rerankers:
            return []
        values = [
            cache.values(params, "known", reranker) for cache, reranker in zip(self.caches, rerankers, strict=True)
        ]
        found = np.concatenate(values)
        return [(params, found, self.trials.add("model", "all, ranked by trees", "known", found))]

    @property
    def _few_users(self) -> bool:
        """Whether a reranker has the time to put every user's row into order."""
        return len(self.caches[-1].fold.history.users) <= MAX_RERANKED_USERS

    @property
    def _span(self) -> float:
        history = self.caches[-1].fold.history
        return (self.caches[-1].fold.now - int(history.time[0])) / DAY

    def _ages(self, grid: Iterable[float | None], shortest: float) -> list[float | None]:
        """Half-lives of the grid that can make a difference within the history."""
        return [age for age in grid if age is None or shortest <= age <= self._span]


def _quick(matrix: MatrixLearner) -> MatrixLearner:
    """What compares ways of learning, weights of events and half-lives as well, and is sooner fitted."""
    return replace(matrix, width=min(_QUICK_WIDTH, matrix.width)) if isinstance(matrix, Regression) else matrix
