"""A search that was interrupted goes on where it stopped, and ends as it would have without the interruption."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from larder_training.recommender.config.context import RecommenderContext
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.ensemble.fitted import NO_METADATA
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters, start
from larder_training.recommender.splits.rolling_origin import make_folds
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.tuning.fold_cache import FoldCache, TaskName
from larder_training.recommender.tuning.reranker_training import RerankerTrainer
from larder_training.recommender.tuning.trial_store import TrialStore
from larder_training.recommender.tuning.trials import SearchBudget, TrialLog
from larder_training.recommender.tuning.tuner import Tuner
from larder_training.reporting.progress import Advance, Progress

MakeLog = Callable[..., EventLog]
OPTIONS = RecommenderOptions(
    Path("log.csv"), "shop", reranker="never", without=("pure_svd", "als", "bpr", "user_ease"), minutes=None
)
INPUTS = {"interactions": {"sha256": "a"}}


@pytest.fixture
def log(make_log: MakeLog) -> EventLog:
    random = np.random.default_rng(0)
    tastes = [np.random.default_rng(seed).dirichlet(np.full(30, 0.4)) for seed in range(4)]
    return make_log(
        [
            (f"u{user:03}", f"i{random.choice(30, p=tastes[user % 4]):02}", int(day * DAY + user * 60), "view")
            for day in range(40)
            for user in range(90)
            if random.random() < 0.5
        ]
    )


@dataclass(frozen=True)
class Interrupted(Progress):
    """Simulates Ctrl-C after some trials."""

    after: int = 0

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        trials = 0

        def advance(
            units: int, note: str = "", /, *, total: int | None = total, seconds_left: float | None = None
        ) -> None:
            nonlocal trials
            del note, total, seconds_left
            trials += units
            if trials == self.after:
                raise KeyboardInterrupt

        assert title
        yield advance


@dataclass(slots=True)
class CountingCache(FoldCache):
    """Counts evaluations of candidates."""

    count: int = 0

    def values(self, params: Hyperparameters, task_name: TaskName, reranker: object = None) -> NDArray[np.float64]:
        assert reranker is None
        self.count += 1
        return FoldCache.values(self, params, task_name)


def search(log: EventLog, folder: Path | None, progress: Progress) -> tuple[Hyperparameters, bytes, int]:
    """The best hyperparameters, ``trials.jsonl``, and how many evaluations the search needed."""
    split = temporal_split(log)
    options = replace(OPTIONS, cache=folder)
    params = start(options, (split.validation - split.start) / DAY)
    caches = [CountingCache(fold, NO_METADATA, 0) for fold in make_folds(log, split, params.session_length, 0)]
    trials = TrialLog(SearchBudget(), store=TrialStore.of(options, INPUTS))
    tuner = Tuner(RecommenderContext(options, progress), caches, trials, params)
    found = tuner.run(RerankerTrainer(log, split.test - split.validation, NO_METADATA, 0))
    return found, trials.jsonl(), caches[0].count


def test_an_interrupted_search_ends_like_an_uninterrupted_one(log: EventLog, tmp_path: Path) -> None:
    # GIVEN an uninterrupted search, and one that is interrupted twice
    quiet = Progress(quiet=True)
    params, trials, evaluations = search(log, None, quiet)
    for after in (5, 12):
        with pytest.raises(KeyboardInterrupt):
            search(log, tmp_path, Interrupted(quiet=True, after=after))
    # WHEN the same search runs again THEN it evaluates only the rest, and its result is the same
    resumed, resumed_trials, rest = search(log, tmp_path, quiet)
    assert resumed == params
    assert resumed_trials == trials
    assert rest <= evaluations - 12


def test_the_time_of_the_interrupted_search_counts(tmp_path: Path) -> None:
    values, store, budget = np.ones(3), TrialStore(tmp_path / "a"), SearchBudget(minutes=1)
    store.values("known one", lambda: values, lambda: 45.0)
    trials = TrialLog(budget, store=TrialStore.of(replace(OPTIONS, cache=None), INPUTS))
    trials.store = TrialStore(store.folder, dict(store.seconds))
    assert not trials.spent()
    assert (trials.values("known one", lambda: np.zeros(3)) == values).all()
    assert 45 <= budget.elapsed() < 50
    budget.reach(61)
    assert trials.spent()


def test_other_data_or_options_start_again_and_a_time_limit_does_not(tmp_path: Path) -> None:
    options = replace(OPTIONS, cache=tmp_path)
    first = TrialStore.of(options, INPUTS)
    first.values("known one", lambda: np.ones(3), lambda: 1.0)
    for same in (options, replace(options, minutes=3.0, trials=9, model="other", out=Path("elsewhere"))):
        assert TrialStore.of(same, INPUTS).seconds == first.seconds
    for other, inputs in ((options, {"interactions": {"sha256": "b"}}), (replace(options, seed=1), INPUTS)):
        assert TrialStore.of(other, inputs).seconds == {}
    first.remove()
    assert TrialStore.of(options, INPUTS).seconds == {}


def test_a_schema_that_was_changed_starts_again(tmp_path: Path) -> None:
    schema = tmp_path / "items.json"
    options = replace(OPTIONS, cache=tmp_path, schema=schema)
    folders = []
    for text in ("{}", "{}", '{"fields": []}'):
        schema.write_text(text)
        folders.append(TrialStore.of(options, INPUTS).folder)
    assert folders[0] == folders[1] != folders[2]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    options = replace(OPTIONS, cache=tmp_path)
    store = TrialStore.of(options, INPUTS)
    for name in ("known one", "known two", "known three"):
        store.values(name, lambda: np.ones(3), lambda: 1.0)
    assert store.folder is not None
    lines = (store.folder / "trials.jsonl").read_text()
    (store.folder / "trials.jsonl").write_text(lines[:-20])
    (store.folder / f"{next(iter(store.seconds))}.npy").unlink()
    assert list(TrialStore.of(options, INPUTS).seconds) == list(store.seconds)[1:2]
