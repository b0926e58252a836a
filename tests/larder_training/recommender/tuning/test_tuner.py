"""The search accepts significant improvements only."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.ensemble.components import USER_EASE
from larder_training.recommender.ensemble.fitted import NO_METADATA
from larder_training.recommender.ensemble.hyperparameters import MAX_USER_EASE_USERS, Hyperparameters, start
from larder_training.recommender.models.ease import EASEConfig
from larder_training.recommender.models.item_item import name_of
from larder_training.recommender.splits.rolling_origin import make_folds
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.tuning.fold_cache import FoldCache
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.trials import SearchBudget, TrialLog
from larder_training.recommender.tuning.tuner import MAX_RERANKED_USERS, Tuner
from larder_training.reporting.progress import Progress

MakeLog = Callable[..., EventLog]
OPTIONS = RecommenderOptions(
    Path("log.csv"),
    "shop",
    reranker="never",
    without=("pure_svd", "als", "bpr", "user_ease", "content"),
    minutes=None,
)


def visits(make_log: MakeLog, probability: Callable[[int], np.ndarray[tuple[int], np.dtype[np.float64]]]) -> EventLog:
    """120 users over 60 days, an item every other day, drawn by ``probability(user)``."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{random.choice(40, p=probability(user)):02}", int(day * DAY + user * 60), "view")
        for day in range(60)
        for user in range(120)
        if random.random() < 0.5
    ]
    return make_log(rows)


def tune(
    log: EventLog, options: RecommenderOptions = OPTIONS, trials: int | None = None, budget: SearchBudget | None = None
) -> tuple[Hyperparameters, TrialLog]:
    split = temporal_split(log)
    params = start(options, (split.validation - split.start) / DAY)
    caches = [FoldCache(fold, NO_METADATA, 0) for fold in make_folds(log, split, params.session_length, 0)]
    trial_log = TrialLog(budget or SearchBudget(None, trials))
    tuner = Tuner(RecommenderContext(options, Progress(quiet=True)), caches, trial_log, params)
    period = split.test - split.validation
    return tuner.run(RerankerTrainer(log, period, NO_METADATA, 0)), trial_log


def shares(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).dirichlet(np.full(40, 0.4))


def test_popularity_is_chosen_if_all_users_have_the_same_taste(make_log: MakeLog) -> None:
    common = shares(1)
    params, trials = tune(visits(make_log, lambda _: common))
    kept = [trial.value for trial in trials.trials if trial.hyperparameter == "model" and trial.kept]
    assert kept == ["popularity"]
    assert params.user_weight == 0
    assert not params.components


def test_a_model_is_chosen_if_tastes_differ(make_log: MakeLog) -> None:
    tastes = [shares(seed) for seed in range(4)]
    params, trials = tune(visits(make_log, lambda user: tastes[user % 4]))
    models = {trial.value: trial for trial in trials.trials if trial.hyperparameter == "model"}
    assert models["ease"].metric > models["popularity"].metric
    assert not models["popularity"].kept
    assert params.user_weight == 1


def test_one_estimator_fits_the_matrix_and_the_other_may_be_added(make_log: MakeLog) -> None:
    tastes = [shares(seed) for seed in range(4)]
    params, trials = tune(visits(make_log, lambda user: tastes[user % 4]))
    estimators = {trial.value: trial.kept for trial in trials.trials if trial.hyperparameter == "matrix"}
    assert set(estimators) == {"ease", "item_knn"}
    chosen = name_of(params.matrix)
    assert [name for name, kept in estimators.items() if kept] == [chosen]
    components = {trial.hyperparameter for trial in trials.trials if trial.hyperparameter.startswith("components.")}
    assert components == {"components.co_visitation"} | {f"components.{name}" for name in estimators if name != chosen}


def test_repeats_are_tuned_first_and_follow_the_users(make_log: MakeLog) -> None:
    """GIVEN users who repeat three items each THEN items may repeat; GIVEN users who never repeat, they may not."""
    own = np.random.default_rng(1).integers(0, 40, (120, 3))
    loyal, trials = tune(visits(make_log, lambda user: np.bincount(own[user], minlength=40) / 3))
    assert loyal.recommend_seen
    assert list(dict.fromkeys(trial.hyperparameter for trial in trials.trials))[:2] == ["matrix", "diagonal_weight"]

    rows = [
        (f"u{user:03}", f"i{(user * 7 + day) % 90:02}", day * DAY + user, "view")
        for user in range(90)
        for day in range(60)
    ]
    curious, _ = tune(make_log(rows))
    assert not curious.recommend_seen


def test_a_half_life_is_replaced_only_by_a_better_one(make_log: MakeLog) -> None:
    """GIVEN tastes that change daily over ten days THEN half-lives of days are tried, from the default on."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{(user % 4 * 10 + day + random.integers(3)) % 40:02}", int(day * DAY + hour * 3600), "view")
        for day in range(10)
        for user in range(120)
        for hour in random.choice(24, 4, replace=False)
    ]
    log = make_log(rows)
    params, trials = tune(log)
    split = temporal_split(log)
    half_lives = [trial for trial in trials.trials if trial.hyperparameter == "half_life_days"]
    assert half_lives[0].value == start(OPTIONS, (split.validation - split.start) / DAY).half_life_days
    (kept,) = (trial for trial in half_lives if trial.kept)
    assert kept.metric == max(trial.metric for trial in half_lives) > half_lives[0].metric
    assert params.half_life_days == kept.value == 1.0


def test_item_knn_is_not_tried_if_it_is_left_out(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    params, trials = tune(log, replace(OPTIONS, without=(*OPTIONS.without, "item_knn")))
    assert [trial.value for trial in trials.trials if trial.hyperparameter == "matrix"] == ["ease"]
    assert isinstance(params.matrix, EASEConfig)


def test_a_spent_budget_keeps_the_defaults_and_is_reported(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    params, trials = tune(log, trials=2)
    assert trials.cut_short
    assert {trial.hyperparameter for trial in trials.trials} == {"matrix", "model"}
    defaults = start(OPTIONS, 1.0)
    assert (params.session_weight, params.segment_weight) == (defaults.session_weight, defaults.segment_weight)


def test_a_reranker_is_tried_after_the_minutes_of_the_other_trials(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    with_reranker = replace(OPTIONS, reranker="auto")
    for minutes, expected in ((60.0, True), (0.0, False)):
        _, trials = tune(log, with_reranker, budget=SearchBudget(minutes, first=0.0))
        assert {trial.hyperparameter for trial in trials.trials} == {"model"}
        assert any("trees" in str(trial.value) for trial in trials.trials) == expected


def test_no_minutes_are_reserved_if_there_are_too_many_users_to_rerank(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    many = replace(log, users=[*log.users, *(f"v{user}" for user in range(MAX_RERANKED_USERS))])
    for events, first in ((log, "model"), (many, "matrix")):
        _, trials = tune(events, replace(OPTIONS, reranker="auto"), budget=SearchBudget(60.0, trials=1, first=0.0))
        assert trials.trials[0].hyperparameter == first


def test_user_ease_is_tried_unless_there_are_too_many_users(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    many = replace(log, users=[*log.users, *(f"v{user}" for user in range(MAX_USER_EASE_USERS))])
    options = replace(OPTIONS, without=tuple(name for name in OPTIONS.without if name != USER_EASE))
    for events, expected in ((log, True), (many, False)):
        _, trials = tune(events, options)
        assert any(trial.hyperparameter == f"components.{USER_EASE}" for trial in trials.trials) == expected


def test_a_component_that_is_left_out_is_not_tried(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    _, trials = tune(log, replace(OPTIONS, without=(*OPTIONS.without, "co_visitation")))
    assert not [trial for trial in trials.trials if "transition" in trial.hyperparameter]


def test_the_trials_are_reproducible(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    first, second = (tune(log)[1].jsonl() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("users", [3])
def test_too_few_users_keep_the_defaults(make_log: MakeLog, users: int) -> None:
    rows = [(f"u{n % users}", f"i{n % 5}", n * DAY // 4, "view") for n in range(100)]
    params, trials = tune(make_log(rows))
    assert not trials.trials
    assert params.user_weight == 1
