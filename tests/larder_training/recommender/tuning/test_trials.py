"""The record of a search, its budget, and the rule by which the simpler one wins."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.tuning.trials import Budget, Trials, explain, plot, within_noise


def search(trials: int | None = None, minutes: float | None = None) -> Trials:
    return Trials(Budget(minutes, trials))


def test_a_budget_of_trials_ends_the_search_and_the_record_says_so() -> None:
    trials = search(trials=2)
    for value in (1, 2):
        assert not trials.spent()
        trials.add("ridge", value, "known", np.array([0.1, 0.3]))
    assert trials.spent()
    assert trials.document()["cut_short"]
    assert "budget" in explain(trials)[0]


def test_a_budget_of_minutes_ends_the_search() -> None:
    assert search(minutes=0).spent()
    assert not search(minutes=60).spent()
    assert not search().spent()


def test_the_last_trial_may_begin_when_the_others_may_not() -> None:
    trials = Trials(Budget(60, first=0.0))
    assert trials.spent()
    assert not trials.spent(last=True)
    assert trials.cut_short
    assert Trials(Budget(0, first=0.0)).spent(last=True)
    assert Trials(Budget(60, trials=0)).spent(last=True)


def test_minutes_are_kept_for_a_ranker_alone() -> None:
    options = RecommenderOptions(Path("log.csv"), "shop", minutes=8.0)
    assert 0 < Budget.of(options).first < 1
    assert Budget.of(replace(options, reranker="never")).first == 1


def test_a_trial_has_mean_and_standard_error_and_is_marked_where_kept() -> None:
    trials = search()
    number = trials.add("ridge", 4.0, "known", np.array([0.0, 0.2, 0.4]))
    trials.add("ridge", 16.0, "known", np.array([0.0, 0.0, 0.1]))
    trials.keep(number)
    first, second = (json.loads(line) for line in trials.jsonl().splitlines())
    assert first == {
        "number": 0, "hyperparameter": "ridge", "value": 4.0, "question": "known", "metric": 0.2, "error": 0.11547,
        "users": 3, "kept": True,
    }  # fmt: skip
    assert not second["kept"]
    assert [kept["number"] for kept in trials.document()["kept"]] == [0]  # type: ignore[attr-defined]  # a list


def test_within_noise_looks_at_paired_differences() -> None:
    hard = np.linspace(0, 1, 50)  # how hard a user is differs far more than the models do
    assert not within_noise(hard - 0.01, hard)
    wobble = np.where(np.arange(50) % 2 == 0, 0.1, -0.1)
    assert within_noise(hard + wobble, hard)
    assert within_noise(hard + 0.01, hard)
    assert within_noise(np.array([0.0]), np.array([1.0]))


def test_the_report_says_of_each_source_whether_it_was_taken_and_draws_every_trial() -> None:
    trials = search()
    taken = trials.add("components.pure_svd", 0.3, "known", np.array([0.2, 0.3]))
    trials.add("components.bpr", 0.1, "known", np.array([0.1, 0.2]))
    trials.add("session_weight", 3.0, "session", np.array([0.1, 0.2]))
    trials.keep(taken)
    told = explain(trials)
    assert any("pure_svd" in line and "taken" in line for line in told)
    assert any("bpr" in line and "left out" in line for line in told)
    assert plot(trials.made).count("<svg") == 1
    assert "Too few" in explain(search())[0]


def test_the_report_says_how_the_matrix_is_learnt_where_there_was_a_choice() -> None:
    trials = search()
    trials.add("matrix", "ease", "known", np.array([0.2, 0.3]))
    assert not any("Item-item model" in line for line in explain(trials))
    trials.keep(trials.add("matrix", "item_knn", "known", np.array([0.3, 0.4])))
    expected = "Item-item model: item_knn (0.3500 with a quick fit and default settings; ease 0.2500)."
    assert expected in explain(trials)
