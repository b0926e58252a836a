"""Tuning by rolling-origin validation, one hyperparameter after the other. The test period is never used.

Grids are short, and the search climbs from a start value: on real logs, the metric is flat around good values and each
step costs a fit. A component is added only if it improves validation significantly.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY
from larder_training.recommender.ensemble.components import CO_VISITATION, COMPONENTS, USER_EASE
from larder_training.recommender.ensemble.fitted import MATRIX
from larder_training.recommender.ensemble.hyperparameters import MAX_USER_EASE_USERS, Hyperparameters, rarity
from larder_training.recommender.models.ease import EASEConfig
from larder_training.recommender.models.item_item import ItemItemConfig, name_of
from larder_training.recommender.models.item_knn import ItemKNN
from larder_training.recommender.splits.rolling_origin import MIN_USERS
from larder_training.recommender.tuning.component_weights import choose_weights
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.search import Candidate, CoordinateSearch, Result, Values, simplest
from larder_training.recommender.tuning.trials import within_noise
from larder_training.reporting.counts import counted

TITLE: Final = "Searching hyperparameters"
MAX_RERANKED_USERS: Final = 200_000  # reranking takes milliseconds of processor time per user
_HALF_LIVES: Final = (1.0, 3.0, 7.0, 30.0, 90.0, 270.0, None)
_RIDGES: Final = (1.0, 4.0, 16.0, 64.0)
_ITEM_EXPONENTS: Final = (0.0, 0.25, 0.5, 0.75)
_DIAGONAL_WEIGHTS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_TRENDS: Final = (1.0, 3.0, 7.0, 30.0, 90.0, None)
_QUICK_WIDTH: Final = 100  # of regressions that are fitted only to compare other hyperparameters
_SHORTEST: Final = 16  # half-lives of the matrix are at least the history's length divided by this
_SEGMENT_WEIGHTS: Final = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6)
_SMALL_SEGMENT_WEIGHTS: Final = (0.0001, 0.001, 0.01, 0.03)  # for interactions without times
_SESSION_WEIGHTS: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_TRANSITION_WEIGHTS: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
_REVISIT_WEIGHTS: Final = (0.1, 0.3, 1.0, 3.0)
_COMPONENT_WEIGHTS: Final = (0.1, 0.3, 0.6, 1.0, 2.0)
_CONTENT: Final = 0.5  # best for new items (benchmarks/recommender); users with history cannot measure it
_DECAYS: Final = (0.3, 0.6, 0.8, 0.9, 0.97, 1.0)


@dataclass(slots=True)
class Tuner(CoordinateSearch):
    """Tunes the hyperparameters that the options leave open."""

    @property
    def options(self) -> RecommenderOptions:
        """Options of the training."""
        return self.context.options

    def run(self, trainer: RerankerTrainer) -> Hyperparameters:
        """Runs the search; with fewer than ``MIN_USERS`` validation users, keeps the start values.

        ``trainer`` fits the rerankers that are compared with the ensemble.
        """
        users = sum(len(cache.fold.known.users) for cache in self.caches)
        if users < MIN_USERS:
            self.context.progress.say(f"Only {counted(users, 'validation user')}: hyperparameters keep their defaults.")
            return self.current
        kept = self.trials.store
        if kept.seconds:
            self.context.progress.say(
                f"The search goes on where it was interrupted: "
                f"{counted(len(kept.seconds), 'candidate is', 'candidates are')} in {kept.folder}"
            )
        steps = self._steps(trainer)
        with self.context.progress.task(TITLE, sum(most for _, most in steps)) as self.advance:
            for position, (step, _) in enumerate(steps):
                self.expected = len(self.trials.trials) + sum(most for _, most in steps[position:])
                step()
            self.advance(0, total=len(self.trials.trials))
        if self.trials.cut_short:
            self.context.progress.say("The budget is spent: untried hyperparameters keep their defaults.")
        return self.current

    def _steps(self, trainer: RerankerTrainer) -> list[tuple[Callable[[], None], int]]:
        """The steps of the search in their order, each with the number of trials that it has at most."""
        models = 3 + len(COMPONENTS)
        if self.options.order != "time":  # half-lives, sessions and the reranker need times
            return [
                (self._tune_component_weights, 1),
                (partial(self._tune_segment_weight, _SMALL_SEGMENT_WEIGHTS, 1), len(_SMALL_SEGMENT_WEIGHTS)),
                (partial(self._choose_model, None), models),
            ]
        if not self._can_rerank:
            self.trials.budget.first = 1.0  # without a reranker, all minutes are for the other trials
        sessions = sum(len(cache.fold.sessions.users) for cache in self.caches) >= MIN_USERS
        matrix = 2 * len(_DIAGONAL_WEIGHTS) + 4 + len(_HALF_LIVES) + len(_RIDGES)
        session = len(_SESSION_WEIGHTS) + len(_TRANSITION_WEIGHTS) + len(_REVISIT_WEIGHTS) + 3 * len(_DECAYS)
        return [
            (self._choose_matrix, 2),
            (self._tune_matrix, matrix),
            (self._tune_segment, len(_TRENDS) + len(_SEGMENT_WEIGHTS)),
            (self._choose_content, 1),
            *([(self._tune_session, session)] if sessions else []),
            (self._add_components, len(COMPONENTS) * len(_COMPONENT_WEIGHTS)),
            (partial(self._choose_model, trainer), models),
        ]

    def _tune_component_weights(self) -> None:
        """Accepts the best component weights over all folds if they are significantly better."""
        if not self.current.components:
            return
        before = self.values(self.current, "known")
        start = {MATRIX: 1.0, **self.current.components}
        weights, _ = choose_weights([cache.pools(self.current) for cache in self.caches], start)
        if not weights[MATRIX]:
            return
        components = {name: weights[name] / weights[MATRIX] for name in self.current.components if weights[name]}
        result = self.evaluate("components", Candidate(components, replace(self.current, components=components)))
        if not within_noise(before, result.values):
            self.accept(result)

    def _choose_matrix(self) -> None:
        """Chooses the estimator of the item-item matrix, with default settings: item kNN unless EASE is significantly
        better. The other one may still be added as a component.
        """
        default = self.current.matrix  # last: its fit is reused if it is chosen
        results: list[Result] = []
        estimators = [estimator for estimator in (ItemKNN(), default) if name_of(estimator) not in self.options.without]
        for estimator in estimators:
            if self.trials.spent():
                return
            candidate = Candidate(name_of(estimator), replace(self.current, matrix=_quick(estimator)))
            results.append(self.evaluate("matrix", candidate))
        choice = simplest(results)
        self.accept(choice)
        self.current = replace(self.current, matrix=estimators[results.index(choice)])

    def _tune_matrix(self) -> None:
        matrix = self.current.matrix
        self.current = replace(self.current, matrix=_quick(matrix))
        self._tune_diagonal()  # cheap to evaluate, and important where users buy the same items again
        history = self.caches[-1].fold.history
        if not self.options.event_weights and len(history.events) > 1:
            weights = rarity(history)
            equal = Candidate(dict(self.current.event_weights), self.current)
            self.best_of("event_weights", [equal, Candidate(weights, replace(self.current, event_weights=weights))])
        self._tune_half_life()
        self.current = replace(self.current, matrix=matrix)
        if isinstance(matrix, EASEConfig):
            ridges = [Candidate(ridge, self._with_matrix(replace(matrix, ridge=ridge))) for ridge in _RIDGES]
            self.climb("ridge", ridges, 1)
        else:
            exponents = [
                Candidate(exponent, self._with_matrix(replace(matrix, item_exponent=exponent)))
                for exponent in _ITEM_EXPONENTS
            ]
            self.climb("item_exponent", exponents, 2)
        self._tune_diagonal()

    def _with_matrix(self, matrix: ItemItemConfig) -> Hyperparameters:
        return replace(self.current, matrix=matrix)

    def _tune_half_life(self) -> None:
        """Climbs from the current half-life, which is added to the grid."""
        if self.options.half_life_days is None:
            start = self.current.half_life_days
            ages = sorted({*self._ages(_HALF_LIVES, self._span / _SHORTEST), start}, key=lambda age: age or np.inf)
            candidates = [Candidate(age, replace(self.current, half_life_days=age)) for age in ages]
            self.climb("half_life_days", candidates, ages.index(start))

    def _tune_diagonal(self) -> None:
        """Whether items that a user had before may be recommended, and with which weight."""
        if self.options.repeats == "never":
            return
        never = replace(self.current, recommend_seen=False, diagonal_weight=0.0)
        candidates = [Candidate("never", never)] if self.options.repeats == "auto" else []
        first = len(candidates)
        start = _DIAGONAL_WEIGHTS.index(self.current.diagonal_weight) if self.current.recommend_seen else -1
        candidates += self.grid(
            _DIAGONAL_WEIGHTS,
            lambda params, weight: replace(params, recommend_seen=True, diagonal_weight=weight),
        )
        self.climb("diagonal_weight", candidates, first + start)

    def _tune_segment(self) -> None:
        """Popularity's half-life by popularity alone, as users without history get it; then the segment weight."""
        ages = self._ages(_TRENDS, 0)
        alone = replace(self.current, user_weight=0.0)
        candidates = [Candidate(age, replace(alone, trend_half_life_days=age)) for age in ages]
        optimum = self.local_optimum("trend_half_life_days", candidates, len(ages) - 2)
        if optimum is not None:
            age = optimum.hyperparameters.trend_half_life_days
            self.accept(replace(optimum, hyperparameters=replace(self.current, trend_half_life_days=age)))
        self._tune_segment_weight(_SEGMENT_WEIGHTS, 2)

    def _tune_segment_weight(self, weights: Sequence[float], start: int) -> None:
        candidates = self.grid(weights, lambda params, weight: replace(params, segment_weight=weight))
        self.climb("segment_weight", candidates, start)

    def _choose_content(self) -> None:
        """Accepts content neighbours unless they are significantly worse: without them, new items are never
        recommended.
        """
        if not self.caches[-1].metadata.columns or "content" in self.options.without or self.trials.spent():
            return
        before = self.values(self.current, "known")
        result = self.local_optimum("content", [Candidate(_CONTENT, replace(self.current, content=_CONTENT))], 0)
        if result is not None and within_noise(result.values, before):
            self.accept(result)

    def _tune_session(self) -> None:
        weights = self.grid(_SESSION_WEIGHTS, lambda params, weight: replace(params, session_weight=weight))
        self.climb("session_weight", weights, 2, "session")
        decays = self.grid(_DECAYS, lambda params, decay: replace(params, session_decay=decay))
        self.climb("session_decay", decays, 3, "session")
        if CO_VISITATION not in self.options.without:
            self._add_transitions()
        if self.current.recommend_seen and "repeat" not in self.options.without:
            self._add_revisits()

    def _add_transitions(self) -> None:
        weights = self.grid(_TRANSITION_WEIGHTS, lambda params, weight: replace(params, transition_weight=weight))
        if self.improve("transition_weight", weights, "session"):
            decays = self.grid(_DECAYS, lambda params, decay: replace(params, transition_decay=decay))
            self.climb("transition_decay", decays, 1, "session")

    def _add_revisits(self) -> None:
        weights = self.grid(_REVISIT_WEIGHTS, lambda params, weight: replace(params, revisit_weight=weight))
        if self.improve("revisit_weight", weights, "visit"):
            decays = self.grid(_DECAYS, lambda params, decay: replace(params, revisit_decay=decay))
            self.climb("revisit_decay", decays, 2, "visit")

    def _add_components(self) -> None:
        """Adds each component at its best weight if validation improves significantly."""
        left_out = {name_of(self.current.matrix), *self.options.without}
        if len(self.caches[-1].fold.history.users) > MAX_USER_EASE_USERS:
            left_out.add(USER_EASE)
        for name in COMPONENTS:
            if name not in left_out:
                self.improve(f"components.{name}", self._weighted(name))

    def _weighted(self, name: str) -> list[Candidate]:
        """The current ensemble with component ``name``, at each weight of the grid."""
        return self.grid(
            _COMPONENT_WEIGHTS,
            lambda params, weight: replace(params, components={**params.components, name: weight}),
        )

    def _choose_model(self, trainer: RerankerTrainer | None) -> None:
        """Chooses the simplest model that is not significantly worse than the best: popularity, the item-item matrix,
        the matrix with one component after the other, or all of them with a reranker.
        """
        components = list(self.current.components.items())
        popularity = replace(self.current, user_weight=0.0, components={})
        results = [self.evaluate("model", Candidate("popularity", popularity))]
        for count in range(len(components) + 1):
            name = " + ".join([name_of(self.current.matrix), *(component for component, _ in components[:count])])
            candidate = Candidate(name, replace(self.current, components=dict(components[:count])))
            results.append(self.evaluate("model", candidate))
        if trainer and self.options.reranker == "auto" and self._can_rerank and not self.trials.spent(last=True):
            results += self._with_reranker(replace(self.current, reranker=True), trainer)
        self.accept(simplest(results))

    def _with_reranker(self, params: Hyperparameters, trainer: RerankerTrainer) -> list[Result]:
        """The ensemble with a reranker that is fitted before each fold; empty if the history of a fold is too short."""

        def evaluate() -> Values:
            rerankers = [trainer.fit(params, cache.fold.now) for cache in self.caches]
            if None in rerankers:
                return np.empty(0)
            pairs = zip(self.caches, rerankers, strict=True)
            return np.concatenate([cache.values(params, "known", reranker) for cache, reranker in pairs])

        values = self.trials.values(f"reranked {params!r}", evaluate)
        return [self.add("model", Candidate("all, ranked by trees", params), "known", values)] if len(values) else []

    @property
    def _can_rerank(self) -> bool:
        """Whether there are few enough users to rerank every user's row."""
        return len(self.caches[-1].fold.history.users) <= MAX_RERANKED_USERS

    @property
    def _span(self) -> float:
        """Days of the latest fold's history."""
        history = self.caches[-1].fold.history
        return (self.caches[-1].fold.now - int(history.time[0])) / DAY

    def _ages(self, grid: Iterable[float | None], shortest: float) -> list[float | None]:
        """Half-lives of the grid from ``shortest`` to the length of the history."""
        return [age for age in grid if age is None or shortest <= age <= self._span]


def _quick(matrix: ItemItemConfig) -> ItemItemConfig:
    """A narrower regression: it is fitted faster, and compares other hyperparameters as well."""
    return replace(matrix, width=min(_QUICK_WIDTH, matrix.width)) if isinstance(matrix, EASEConfig) else matrix
