"""Larder's lists for the comparison: a training without the test period, and its recommendations at the cutoff."""

import sys
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.config.options import OPTIONAL_COMPONENTS, RecommenderOptions
from larder_training.recommender.dataset import Dataset
from larder_training.recommender.evaluation.serving_formula import ServingFormula, recommendations
from larder_training.recommender.metrics.ranking import DEPTH
from larder_training.recommender.pipeline import Pipeline
from larder_training.recommender.splits.tasks import Task
from larder_training.recommender.tuning.trials import SearchBudget, TrialLog
from larder_training.reporting.progress import Progress

Lists = NDArray[np.int64]
ABLATIONS: Final = ("event weights", "decay", "repeats", "catalogue", "profile", "reranker", *OPTIONAL_COMPONENTS)


def larder(data: Dataset, options: RecommenderOptions, task: Task, without: str = "") -> Lists:
    """int64 ``[task's users, 25]``: lists from rows as the tables store them.

    ``without`` is one of ``ABLATIONS``, or empty.
    """
    context = RecommenderContext(_reduced_options(options, data, without), Progress(quiet=True))
    pipeline = Pipeline(_reduced_data(data, without), context)
    trials = TrialLog(SearchBudget.of(options))
    params = pipeline.tune(trials)
    fitted = pipeline.fit(pipeline.split.test, params, "")
    print(f"  {len(trials.trials)} trials; {_models(trials)}", file=sys.stderr, flush=True)
    return recommendations(ServingFormula.of(fitted, task.users), params, task, DEPTH)


def _reduced_data(data: Dataset, without: str) -> Dataset:
    if without == "catalogue":
        return replace(data, columns={}, described={})
    return replace(data, profiles=None, rows=np.full_like(data.rows, -1)) if without == "profile" else data


def _reduced_options(options: RecommenderOptions, data: Dataset, without: str) -> RecommenderOptions:
    if without in OPTIONAL_COMPONENTS:
        return replace(options, without=(without,))
    if without == "event weights":
        return replace(options, event_weights=dict.fromkeys(data.log.events, 1.0))
    if without == "decay":
        return replace(options, half_life_days=1e5)
    if without == "reranker":
        return replace(options, reranker="never")
    return replace(options, repeats="never") if without == "repeats" else options


def _models(trials: TrialLog) -> str:
    """The models that were compared, with their validation metric."""
    return "; ".join(f"{trial.value}: {trial.metric:.4f}" for trial in trials.trials if trial.hyperparameter == "model")
