"""The search takes what helps beyond noise and nothing more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.ensemble.components import USER_EASE
from larder_training.recommender.ensemble.fitted import NO_ATTRIBUTES
from larder_training.recommender.ensemble.hyperparameters import MAX_USER_EASE_USERS, Hyperparameters, start
from larder_training.recommender.models.ease import Regression
from larder_training.recommender.models.item_item import name_of
from larder_training.recommender.splits.rolling_origin import make_folds
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.tuning.fold_cache import FoldCache
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.trials import Budget, Trials
from larder_training.recommender.tuning.tuner import MAX_RERANKED_USERS, Tuner
from larder_training.reporting.progress import Progress

MakeLog = Callable[..., Log]
OPTIONS = RecommenderOptions(
    Path("log.csv"),
    "shop",
    reranker="never",
    without=("pure_svd", "als", "bpr", "user_ease", "content"),
    minutes=None,
)


def visits(make_log: MakeLog, probability: Callable[[int], np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Log:
    """120 users over 60 days, an item every other day, drawn by each user's own probabilities."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{random.choice(40, p=probability(user)):02}", int(day * DAY + user * 60), "view")
        for day in range(60)
        for user in range(120)
        if random.random() < 0.5
    ]
    return make_log(rows)


def chosen(
    log: Log, options: RecommenderOptions = OPTIONS, trials: int | None = None, budget: Budget | None = None
) -> tuple[Hyperparameters, Trials]:
    split = temporal_split(log)
    begin = start(options, (split.validation - split.start) / DAY)
    caches = [FoldCache(fold, NO_ATTRIBUTES, 0) for fold in make_folds(log, split, begin.session_length, 0)]
    record = Trials(budget or Budget(None, trials))
    tuner = Tuner(caches, Progress(quiet=True), record, begin, options)
    length = split.test - split.validation
    return tuner.run(RerankerTrainer(log, length, NO_ATTRIBUTES, 0)), record


def shares(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).dirichlet(np.full(40, 0.4))


def test_where_taste_is_everybody_s_popularity_is_kept(make_log: MakeLog) -> None:
    everybody = shares(1)
    params, trials = chosen(visits(make_log, lambda _: everybody))
    kept = [trial.value for trial in trials.made if trial.hyperparameter == "model" and trial.kept]
    assert kept == ["popularity"]
    assert params.user_weight == 0
    assert not params.components


def test_where_tastes_differ_a_model_is_kept(make_log: MakeLog) -> None:
    tastes = [shares(seed) for seed in range(4)]
    params, trials = chosen(visits(make_log, lambda user: tastes[user % 4]))
    models = {trial.value: trial for trial in trials.made if trial.hyperparameter == "model"}
    assert models["ease"].metric > models["popularity"].metric
    assert not models["popularity"].kept
    assert params.user_weight == 1


def test_the_matrix_is_learnt_in_one_way_and_the_other_may_join_it(make_log: MakeLog) -> None:
    tastes = [shares(seed) for seed in range(4)]
    params, trials = chosen(visits(make_log, lambda user: tastes[user % 4]))
    tried = {trial.value: trial.kept for trial in trials.made if trial.hyperparameter == "matrix"}
    assert set(tried) == {"ease", "item_knn"}
    taken = name_of(params.matrix)
    assert [name for name, kept in tried.items() if kept] == [taken]
    others = {trial.hyperparameter for trial in trials.made if trial.hyperparameter.startswith("components.")}
    assert others == {"components.co_visitation"} | {f"components.{name}" for name in tried if name != taken}


def test_repeats_are_chosen_first_and_by_what_people_do(make_log: MakeLog) -> None:
    """GIVEN people who keep to three items each THEN these come first; GIVEN people who never have one twice, never."""
    own = np.random.default_rng(1).integers(0, 40, (120, 3))
    loyal, trials = chosen(visits(make_log, lambda user: np.bincount(own[user], minlength=40) / 3))
    assert loyal.recommend_seen
    assert list(dict.fromkeys(trial.hyperparameter for trial in trials.made))[:2] == ["matrix", "diagonal_weight"]

    rows = [
        (f"u{user:03}", f"i{(user * 7 + day) % 90:02}", day * DAY + user, "view")
        for user in range(90)
        for day in range(60)
    ]
    curious, _ = chosen(make_log(rows))
    assert not curious.recommend_seen


def test_a_half_life_is_left_only_for_a_better_one(make_log: MakeLog) -> None:
    """GIVEN ten days in which tastes move on each day THEN ages of days are tried, from the usual one on."""
    random = np.random.default_rng(0)
    rows = [
        (f"u{user:03}", f"i{(user % 4 * 10 + day + random.integers(3)) % 40:02}", int(day * DAY + hour * 3600), "view")
        for day in range(10)
        for user in range(120)
        for hour in random.choice(24, 4, replace=False)
    ]
    log = make_log(rows)
    params, trials = chosen(log)
    split = temporal_split(log)
    tried = [trial for trial in trials.made if trial.hyperparameter == "half_life_days"]
    assert tried[0].value == start(OPTIONS, (split.validation - split.start) / DAY).half_life_days
    (kept,) = (trial for trial in tried if trial.kept)
    assert kept.metric == max(trial.metric for trial in tried) > tried[0].metric
    assert params.half_life_days == kept.value == 1.0


def test_a_matrix_of_co_occurrence_is_not_tried_where_it_is_left_out(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    params, trials = chosen(log, replace(OPTIONS, without=(*OPTIONS.without, "item_knn")))
    assert [trial.value for trial in trials.made if trial.hyperparameter == "matrix"] == ["ease"]
    assert isinstance(params.matrix, Regression)


def test_a_spent_budget_keeps_the_usual_settings_and_says_so(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    params, trials = chosen(log, trials=2)
    assert trials.cut_short
    assert {trial.hyperparameter for trial in trials.made} == {"matrix", "model"}
    usual = start(OPTIONS, 1.0)
    assert (params.session_weight, params.segment_weight) == (
        usual.session_weight,
        usual.segment_weight,
    )


def test_a_ranker_is_tried_where_only_the_others_minutes_are_spent(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    ranked = replace(OPTIONS, reranker="auto")
    for minutes, tried in ((60.0, True), (0.0, False)):
        _, trials = chosen(log, ranked, budget=Budget(minutes, first=0.0))
        assert {trial.hyperparameter for trial in trials.made} == {"model"}
        assert any("trees" in str(trial.value) for trial in trials.made) == tried


def test_no_minutes_are_kept_where_users_are_too_many_for_a_ranker(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    many = replace(log, users=[*log.users, *(f"v{user}" for user in range(MAX_RERANKED_USERS))])
    for users, first in ((log, "model"), (many, "matrix")):
        _, trials = chosen(users, replace(OPTIONS, reranker="auto"), budget=Budget(60.0, trials=1, first=0.0))
        assert trials.made[0].hyperparameter == first


def test_users_are_regressed_on_each_other_where_they_are_not_too_many(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    many = replace(log, users=[*log.users, *(f"v{user}" for user in range(MAX_USER_EASE_USERS))])
    asked = replace(OPTIONS, without=tuple(name for name in OPTIONS.without if name != USER_EASE))
    for users, tried in ((log, True), (many, False)):
        _, trials = chosen(users, asked)
        assert any(trial.hyperparameter == f"components.{USER_EASE}" for trial in trials.made) == tried


def test_a_source_that_is_left_out_is_not_tried(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    _, trials = chosen(log, replace(OPTIONS, without=(*OPTIONS.without, "co_visitation")))
    assert not [trial for trial in trials.made if "transition" in trial.hyperparameter]


def test_the_record_is_the_same_again(make_log: MakeLog) -> None:
    log = visits(make_log, lambda user: shares(user % 4))
    first, second = (chosen(log)[1].jsonl() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("users", [3])
def test_too_few_users_choose_nothing(make_log: MakeLog, users: int) -> None:
    rows = [(f"u{n % users}", f"i{n % 5}", n * DAY // 4, "view") for n in range(100)]
    params, trials = chosen(make_log(rows))
    assert not trials.made
    assert params.user_weight == 1
