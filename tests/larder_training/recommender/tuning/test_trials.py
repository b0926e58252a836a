"""The trial log, the budget of the search, and the choice of the simpler model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.tuning.trials import SearchBudget, TrialLog, explain, plot, within_noise


def trial_log(trials: int | None = None, minutes: float | None = None) -> TrialLog:
    return TrialLog(SearchBudget(minutes, trials))


def test_a_budget_of_trials_ends_the_search_and_the_log_reports_it() -> None:
    trials = trial_log(trials=2)
    for value in (1, 2):
        assert not trials.spent()
        trials.add("ridge", value, "known", np.array([0.1, 0.3]))
    assert trials.spent()
    assert trials.document()["cut_short"]
    assert "budget" in explain(trials)[0]


def test_a_budget_of_minutes_ends_the_search() -> None:
    assert trial_log(minutes=0).spent()
    assert not trial_log(minutes=60).spent()
    assert not trial_log().spent()


def test_the_last_trial_may_begin_when_the_others_may_not() -> None:
    trials = TrialLog(SearchBudget(60, first=0.0))
    assert trials.spent()
    assert not trials.spent(last=True)
    assert trials.cut_short
    assert TrialLog(SearchBudget(0, first=0.0)).spent(last=True)
    assert TrialLog(SearchBudget(60, trials=0)).spent(last=True)


def test_minutes_are_reserved_for_a_reranker_only() -> None:
    options = RecommenderOptions(Path("log.csv"), "shop", minutes=8.0)
    assert 0 < SearchBudget.of(options).first < 1
    assert SearchBudget.of(replace(options, reranker="never")).first == 1


def test_a_trial_has_mean_and_standard_error_and_is_marked_if_kept() -> None:
    trials = trial_log()
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


def test_within_noise_uses_paired_differences() -> None:
    users = np.linspace(0, 1, 50)  # users differ far more than the models
    assert not within_noise(users - 0.01, users)
    noise = np.where(np.arange(50) % 2 == 0, 0.1, -0.1)
    assert within_noise(users + noise, users)
    assert within_noise(users + 0.01, users)
    assert within_noise(np.array([0.0]), np.array([1.0]))


def test_the_report_lists_which_components_were_added_and_plots_every_trial() -> None:
    trials = trial_log()
    number = trials.add("components.pure_svd", 0.3, "known", np.array([0.2, 0.3]))
    trials.add("components.bpr", 0.1, "known", np.array([0.1, 0.2]))
    trials.add("session_weight", 3.0, "session", np.array([0.1, 0.2]))
    trials.keep(number)
    paragraphs = explain(trials)
    assert any("PureSVD" in line and "; added" in line for line in paragraphs)
    assert any("BPR" in line and "not added" in line for line in paragraphs)
    assert plot(trials.trials).count("<svg") == 1
    assert "Too few" in explain(trial_log())[0]


def test_the_report_names_the_estimator_of_the_matrix_if_there_was_a_choice() -> None:
    trials = trial_log()
    trials.add("matrix", "ease", "known", np.array([0.2, 0.3]))
    assert not any("Item-item model" in line for line in explain(trials))
    trials.keep(trials.add("matrix", "item_knn", "known", np.array([0.3, 0.4])))
    expected = "Item-item model: item kNN (NDCG@20 0.350 with a quick fit and default settings; EASE 0.250)."
    assert expected in explain(trials)
