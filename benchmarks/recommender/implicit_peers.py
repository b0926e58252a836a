"""implicit's ALS, BPR and BM25 item-item as its documentation uses them, tuned on the validation period."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares  # type: ignore[import-untyped]  # has no types
from implicit.cpu.bpr import BayesianPersonalizedRanking  # type: ignore[import-untyped]  # has no types
from implicit.nearest_neighbours import BM25Recommender, bm25_weight  # type: ignore[import-untyped]  # has no types
from implicit.recommender_base import ModelFitError  # type: ignore[import-untyped]  # has no types
from implicit.utils import ParameterWarning  # type: ignore[import-untyped]  # has no types
from numpy.typing import NDArray

from larder_training.numerics.blas import single_threaded_blas
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interaction_matrix import event_strengths
from larder_training.recommender.ensemble.hyperparameters import rarity
from larder_training.recommender.metrics.ranking import DEPTH, by_user, hits
from larder_training.recommender.splits.tasks import Task
from larder_training.recommender.tuning.trials import METRIC

Setting = dict[str, Any]  # a value for each name in the model's search space
Lists = NDArray[np.int64]

# Settings of every model's input and output.
_SHARED: Final[Mapping[str, tuple[Any, ...]]] = {
    "values": ("binary", "log", "counts", "bm25"),
    "events": ("alike", "rare count more"),
    "half_life_days": (None, 270.0, 90.0, 30.0, 7.0),
    "filter_already_liked_items": (False, True),
}
SPACES: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "ALS": {
        **_SHARED,
        "factors": (64, 16, 32, 128, 256),
        "iterations": (15, 5, 30),
        "regularization": (0.01, 0.1, 1.0, 10.0, 30.0),
        "alpha": (1.0, 3.0, 10.0, 30.0, 100.0),
    },
    "BPR": {
        **_SHARED,
        "factors": (64, 16, 32, 128, 256),
        "iterations": (100, 50, 200, 400),
        "learning_rate": (0.01, 0.03, 0.05, 0.1, 0.2),
        "regularization": (0.01, 0.001, 0.003, 0.03, 0.1),
        "verify_negative_samples": (True, False),
    },
    "BM25 item-item": {
        **_SHARED,
        "K": (20, 5, 50, 100, 200, 500, 1000),
        "K1": (1.2, 0.1, 0.5, 3.0, 10.0, 30.0, 100.0),
        "B": (0.75, 0.0, 0.25, 0.5, 1.0),
    },
}


@dataclass(frozen=True, slots=True)
class TuningResult:
    """Result of a search.

    Attributes:
        setting: Best setting.
        metric: Its NDCG@20 on the validation task.
        trials: Number of trials.
        seconds: Duration of the search.
    """

    setting: Setting
    metric: float
    trials: int
    seconds: float


def tune(model: str, history: EventLog, now: int, task: Task, trials: int, seed: int) -> TuningResult:
    """Tunes a model by NDCG@20 on ``task``.

    The first trial has the library's defaults. Up to half of the trials are random; the others change one or two
    settings of the best so far.
    """
    random = np.random.default_rng([seed, sorted(SPACES).index(model)])
    space = SPACES[model]
    start = time.perf_counter()
    best: tuple[float, Setting] = (-1.0, {})
    seen: set[tuple[Any, ...]] = set()
    while len(seen) < trials:
        if not seen:
            setting = {name: values[0] for name, values in space.items()}
        elif len(seen) < trials // 2:
            setting = {name: _draw(values, random) for name, values in space.items()}
        else:
            changed = random.choice(list(space), int(random.integers(1, 3)), replace=False)
            setting = {**best[1], **{name: _draw(space[name], random) for name in changed.tolist()}}
        if tuple(setting.values()) not in seen:
            seen.add(tuple(setting.values()))
            try:
                lists = recommend(model, setting, history, now, task, seed)
            except ModelFitError:  # its factors are not finite
                continue
            metric = float(by_user(hits(lists, task.truth), task.relevant)[METRIC].mean())
            best = max(best, (metric, setting), key=lambda result: result[0])
    return TuningResult(best[1], best[0], trials, time.perf_counter() - start)


def recommend(model: str, setting: Setting, history: EventLog, now: int, task: Task, seed: int) -> Lists:
    """int64 ``[users of the task, 25]``, by the library's ``recommend``; -1 at the end of shorter lists."""
    matrix = _matrix(history, now, setting)
    with single_threaded_blas(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # BM25 warns about its own intermediate matrix
        fitted = _MODELS[model](setting, seed)
        fitted.fit(matrix, show_progress=False)
        users = task.users.astype(np.int32)
        filtered = setting["filter_already_liked_items"]
        lists, _ = fitted.recommend(users, matrix[task.users], N=DEPTH, filter_already_liked_items=filtered)
    result: Lists = lists.astype(np.int64)
    return result


_MODELS: Final[Mapping[str, Callable[[Setting, int], Any]]] = {
    "ALS": lambda setting, seed: AlternatingLeastSquares(
        **_select(setting, "factors", "iterations", "regularization", "alpha"), random_state=seed
    ),
    "BPR": lambda setting, seed: BayesianPersonalizedRanking(
        **_select(setting, "factors", "iterations", "learning_rate", "regularization", "verify_negative_samples"),
        num_threads=1,  # with more, factors differ from run to run
        random_state=seed,
    ),
    "BM25 item-item": lambda setting, _: BM25Recommender(**_select(setting, "K", "K1", "B")),
}


def _select(setting: Setting, *names: str) -> Setting:
    return {name: setting[name] for name in names}


def _draw(values: tuple[Any, ...], random: np.random.Generator) -> Any:  # noqa: ANN401  # numbers, texts, None
    return values[int(random.integers(len(values)))]


def _matrix(history: EventLog, now: int, setting: Setting) -> sp.csr_matrix:
    """float32 ``[users, items]``, as in the library's guides."""
    weights = rarity(history) if setting["events"] != "alike" else {}
    strengths = event_strengths(history, weights, now, setting["half_life_days"])
    shape = (len(history.users), len(history.items))
    matrix = sp.coo_matrix((strengths, (history.user, history.item)), shape=shape).tocsr()
    if setting["values"] == "binary":
        matrix.data = np.ones_like(matrix.data)
    elif setting["values"] == "log":
        matrix.data = np.log1p(matrix.data)
    elif setting["values"] == "bm25":
        matrix = bm25_weight(matrix, K1=100, B=0.8).tocsr()  # as in implicit's tutorial
    return sp.csr_matrix(matrix, dtype=np.float32)
