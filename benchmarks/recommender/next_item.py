"""Predicts the next item of a sequence: each model alone and the served ensemble, ranking all items.

    python benchmarks/recommender/next_item.py Beauty.txt --hide-known
    python benchmarks/recommender/next_item.py train.txt --test test.txt --k 20
    python benchmarks/recommender/next_item.py UserBehavior.csv.gz --columns user,item,-,event,time --test-days 1 --k 20

The file has lines ``user item``, sorted by time, or is a CSV with USER_ID (or SESSION_ID), ITEM_ID, TIMESTAMP and
optionally EVENT_TYPE; ``--columns`` names the columns of a CSV without a header (``-``: not read). Three splits:

* leave-one-out (default): the last item of each sequence is the test, the second-last the validation. Models are fitted
  without both; the validation item is known in the test.
* ``--test``: a second file of other sequences; all events but the first of each are test cases. The validation is the
  latest tenth of the training sequences; models are fitted again to all of them.
* ``--test-days N``: all events of the last N days are test cases, with all earlier events of the user known; the N days
  before are the validation.

Settings and weights are tuned by NDCG@k on validation cases (at most 4,000, sampled by ``--seed``). The test cases are
evaluated once, at the end. Intervals are 95 %, by bootstrap over cases.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import scipy.sparse as sp
from next_item_models.cases import Cases, Scores, next_item_values, ranks
from next_item_models.hidden_markov import HiddenMarkov
from next_item_models.markov import Markov, SecondOrderMarkov
from next_item_models.session_ensemble import SessionFormula, blend_tables, typical_best
from next_item_models.session_knn import SessionKNN
from numpy.typing import NDArray
from sequence_files import Split, read, split_days, split_leave_one_out, split_sessions, to_log

from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.interaction_matrix import interaction_matrix
from larder_training.recommender.metrics.ranking import bootstrap
from larder_training.recommender.models.base import ItemToItem, TrainingData
from larder_training.recommender.models.co_visitation import CoVisitation
from larder_training.recommender.models.ease import EASE
from larder_training.recommender.models.popularity import Popularity

DECAYS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0)
PARTS = ("co-visitation", "Markov", "hidden Markov")  # of the transitions table
ENSEMBLE = "ensemble, as served"
TUNING_CASES = 4_000

_T = TypeVar("_T")


@dataclass(frozen=True)
class Settings:
    """Tuned settings.

    Attributes:
        covisitation: Settings of co-visitation.
        decays: Decay of each model alone.
        parts: Weights of the transitions table's parts.
        formula: Weights and decays of the serving formula.
    """

    covisitation: CoVisitation
    decays: Mapping[str, float]
    parts: Mapping[str, float]
    formula: SessionFormula


class _Tabular(Protocol):
    def fit(self, data: TrainingData) -> ItemToItem: ...


def training_data(log: EventLog, seed: int) -> TrainingData:
    """Training data in which all events have the same weight."""
    return TrainingData(log, log.end, interaction_matrix(log, np.ones(len(log))), seed=seed)


def tables(log: EventLog, seed: int, covisitation: CoVisitation, linear: bool) -> dict[str, sp.csr_array]:
    """Matrix of each item-item model; prints the time of each fit."""
    models: dict[str, _Tabular] = {"co-visitation": covisitation, "Markov": Markov(), "hidden Markov": HiddenMarkov()}
    data, matrices = training_data(log, seed), {}
    for name, model in (models | ({"linear": EASE()} if linear else {})).items():
        start = time.perf_counter()
        matrices[name] = model.fit(data).matrix
        print(f"  {name}: fitted in {time.perf_counter() - start:.1f} s, {matrices[name].nnz:,} entries", flush=True)
    matrices["revisit"] = sp.eye_array(len(log.items), format="csr")
    return matrices


def by_table(table: sp.csr_array, decay: float) -> Scores:
    """Scores by one table: known events times the table."""
    return lambda cases: cases.recent(decay) @ table


def as_served(settings: Settings, matrices: Mapping[str, sp.csr_array]) -> Scores:
    """Scores by the serving formula, with tables as a release has them."""
    transitions = blend_tables([(weight, matrices[name]) for name, weight in settings.parts.items() if weight], 100)
    transitions = (transitions / typical_best(transitions)).tocsr()
    neighbours = (matrices["linear"] / typical_best(matrices["linear"])).tocsr() if "linear" in matrices else None
    return lambda cases: settings.formula.scores(cases.recent, neighbours, transitions)


def popularity(log: EventLog, seed: int) -> NDArray[np.float32]:
    """Scores by popularity, ``[items]``."""
    return Popularity().fit(training_data(log, seed)).values


class Validation:
    """NDCG@k on a sample of the validation cases."""

    def __init__(self, cases: Cases, k: int, hide: bool, seed: int) -> None:
        sample = np.random.default_rng(seed).permutation(len(cases))[:TUNING_CASES]
        self._cases, self._k, self._hide, self._seed = cases.where(np.sort(sample)), k, hide, seed

    def __call__(self, scores: Scores) -> float:
        """Mean NDCG@k of scores."""
        ranked = ranks(self._cases, scores, self._hide, self._seed)
        return float(next_item_values(ranked, self._k)[f"ndcg@{self._k}"].mean())

    def best(self, candidates: Iterable[tuple[_T, Scores]]) -> tuple[_T, float]:
        """The candidate with the best NDCG@k, the first of equal ones, and its NDCG@k."""
        results = [(self(scores), candidate) for candidate, scores in candidates]
        value, candidate = max(results, key=lambda result: result[0])
        return candidate, value


def tune_covisitation(split: Split, validation: Validation, timed: bool) -> CoVisitation:
    """Tunes one setting after the other."""
    data, best = training_data(split.fit, 0), CoVisitation()
    grids: dict[str, Sequence[object]] = {
        "decay": (0.8, 0.5, 0.65, 0.9), "backward": (0.3, 0.0, 0.1, 0.5, 0.8), "row_exponent": (0.5, 0.0, 0.25, 0.75),
    }  # fmt: skip
    if timed:
        grids |= {"half_life_days": (None, 2.0, 5.0), "gap_half_life_hours": (None, 1.0, 6.0, 24.0)}
    for name, values in grids.items():
        candidates = [replace(best, **{name: value}) for value in values]  # type: ignore[arg-type]  # by field name
        best, value = validation.best((model, by_table(model.fit(data).matrix, 0.5)) for model in candidates)
        print(f"  co-visitation, {name} = {getattr(best, name)}: {value:.4f}", flush=True)
    return best


def tune(split: Split, validation: Validation, seed: int, *, timed: bool, linear: bool) -> Settings:
    """Tunes all settings on the validation cases."""
    covisitation = tune_covisitation(split, validation, timed)
    matrices = tables(split.fit, seed, covisitation, linear)
    decays: dict[str, float] = {}
    for name, table in matrices.items():
        decay, value = validation.best((decay, by_table(table, decay)) for decay in DECAYS)
        decays[name] = decay
        print(f"  {name} alone, decay {decay}: {value:.4f}", flush=True)
    formula = SessionFormula(0.0, 1.0, 0.0, decays.get("linear", 0.9), decays["co-visitation"], decays["revisit"])
    settings = Settings(covisitation, decays, {"co-visitation": 1.0, "Markov": 0.0, "hidden Markov": 0.0}, formula)
    changes: dict[str, Callable[[Settings, float], Settings]] = {
        "revisit": lambda c, w: replace(c, formula=replace(c.formula, revisit=w)),
        "linear": lambda c, w: replace(c, formula=replace(c.formula, session=w)),
        "Markov": lambda c, w: replace(c, parts={**c.parts, "Markov": w}),
        "hidden Markov": lambda c, w: replace(c, parts={**c.parts, "hidden Markov": w}),
        "transition decay": lambda c, w: replace(c, formula=replace(c.formula, transition_decay=w)),
    }
    for name, change in changes.items():
        if name == "linear" and not linear:
            continue
        candidates = [change(settings, value) for value in (DECAYS if name.endswith("decay") else WEIGHTS)]
        settings, ndcg = validation.best((candidate, as_served(candidate, matrices)) for candidate in candidates)
        print(f"  ensemble, {name} tuned: {ndcg:.4f}", flush=True)
    print(f"  {settings.parts}, {settings.formula}")
    return settings


def evaluate(split: Split, settings: Settings, arguments: argparse.Namespace) -> None:
    """Prints the metrics of each model on all test cases, and by event type if there are several."""
    log, seed, k = split.refit, arguments.seed, arguments.k
    matrices, popular = tables(log, seed, settings.covisitation, not arguments.without_linear), popularity(log, seed)
    chain = SecondOrderMarkov().fit(training_data(log, seed))
    session_knn = SessionKNN().fit(training_data(log, seed))
    systems: dict[str, Scores] = {ENSEMBLE: as_served(settings, matrices)}
    systems |= {name: by_table(table, settings.decays[name]) for name, table in matrices.items()}
    systems["Markov, second order"] = lambda cases: chain.after(cases.last_two())
    systems["session kNN"] = lambda cases: session_knn.votes(cases.recent(SessionKNN().history_decay))
    systems["popularity"] = lambda cases: np.repeat(popular[None], len(cases), axis=0)
    if arguments.hide_known:
        del systems["revisit"]
    values = {
        name: next_item_values(ranks(split.test, scores, arguments.hide_known, seed), k)
        for name, scores in systems.items()
    }
    groups = {"all": np.ones(len(split.test), bool)}
    if len(log.events) > 1:
        groups |= {name: split.test.target_event == number for number, name in enumerate(log.events)}
    for group, mask in groups.items():
        metrics = bootstrap(
            {
                name: {metric: per_case[mask] for metric, per_case in by_metric.items()}
                for name, by_metric in values.items()
            },
            seed,
        )
        print(f"\n| {group}: {mask.sum():,} cases | HR@{k} | NDCG@{k} | MRR@{k} |\n| --- | --- | --- | --- |")
        for name, values_of in metrics.items():
            cells = [_cell(values_of[f"{metric}@{k}"]) for metric in ("hit_rate", "ndcg", "mrr")]
            print(f"| {name} | {' | '.join(cells)} |")


def _cell(value: dict[str, object]) -> str:
    interval = "[{:.4f}, {:.4f}]".format(*value["interval"])  # type: ignore[misc]  # two numbers, by metrics.bootstrap
    return f"{value['mean']:.4f} {interval}"


def main() -> None:
    """Reads, splits, tunes and evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--test", type=Path, help="a second file of other sequences, to evaluate on")
    parser.add_argument("--test-days", type=int, help="evaluate on the events of the last days")
    parser.add_argument("--columns", help="columns of a CSV without a header, such as user,item,-,event,time")
    parser.add_argument("--hide-known", action="store_true", help="do not recommend items of the sequence")
    parser.add_argument("--without-linear", action="store_true", help="leave out EASE, the slowest to fit")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    frame = read(arguments.file, arguments.columns)
    timed = arguments.columns is not None and "time" in arguments.columns.split(",")
    if arguments.test:
        split = split_sessions(frame, read(arguments.test, arguments.columns))
    elif arguments.test_days:
        split = split_days(to_log(frame), arguments.test_days)
    else:
        split = split_leave_one_out(to_log(frame))
    log, cases = split.refit, split.test
    print(f"{len(log):,} events to fit to, {len(log.items):,} items, {len(cases):,} test cases\nTuning:", flush=True)
    validation = Validation(split.validation, arguments.k, arguments.hide_known, arguments.seed)
    settings = tune(split, validation, arguments.seed, timed=timed, linear=not arguments.without_linear)
    print("Evaluation:")
    evaluate(split, settings, arguments)


if __name__ == "__main__":
    main()
