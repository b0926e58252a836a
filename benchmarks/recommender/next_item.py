"""The next item of a sequence or session: each source alone, and together as served, full ranking.

    python benchmarks/recommender/next_item.py Beauty.txt --hide-known
    python benchmarks/recommender/next_item.py train.txt --test test.txt --k 20
    python benchmarks/recommender/next_item.py UserBehavior.csv.gz --columns user,item,-,event,time --test-days 1 --k 20

The file has lines ``user item`` in the order of time, or is a CSV with USER_ID (or SESSION_ID), ITEM_ID, TIMESTAMP and
maybe EVENT_TYPE; one without a header line is told by ``--columns`` (``-`` for a column not read). Three splits:

* leave-one-out (neither ``--test`` nor ``--test-days``): each sequence's last item is the test, the one before it the
  validation. What is measured is fitted without either; the validation item is known when the last is asked for.
* ``--test``: a second file of other sequences, all of whose events but the first are asked for one after another. A
  tenth of the training sequences, the last to begin, are the validation; all are fitted to when measuring.
* ``--test-days N``: every event of the last N days is asked for, knowing all of the user's before it; the N days before
  are the validation.

Settings and weights are chosen by NDCG@k on the validation cases (4,000 at most, drawn by ``--seed``). The test cases
are asked once, when all is chosen. Intervals are 95 %, by bootstrap over cases.
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
PARTS = ("co-visitation", "Markov", "hidden Markov")  # of the table ``transitions``
TOGETHER = "together, as served"
CHOOSING = 4_000

_T = TypeVar("_T")


@dataclass(frozen=True)
class Choice:
    """What the validation cases chose: the decay of each source alone, and the weights of all together."""

    covisitation: CoVisitation
    decays: Mapping[str, float]
    parts: Mapping[str, float]
    formula: SessionFormula


class _Tabular(Protocol):
    def fit(self, data: TrainingData) -> ItemToItem: ...


def training_data(log: EventLog, seed: int) -> TrainingData:
    """All events alike."""
    return TrainingData(log, log.end, interaction_matrix(log, np.ones(len(log))), seed=seed)


def tables(log: EventLog, seed: int, covisitation: CoVisitation, linear: bool) -> dict[str, sp.csr_array]:
    """Each item-to-item method's matrix; prints how long it took."""
    learners: dict[str, _Tabular] = {"co-visitation": covisitation, "Markov": Markov(), "hidden Markov": HiddenMarkov()}
    given, found = training_data(log, seed), {}
    for name, learner in (learners | ({"linear": EASE()} if linear else {})).items():
        started = time.perf_counter()
        found[name] = learner.fit(given).matrix
        print(f"  {name}: fitted in {time.perf_counter() - started:.1f} s, {found[name].nnz:,} entries", flush=True)
    found["revisit"] = sp.eye_array(len(log.items), format="csr")
    return found


def by_table(table: sp.csr_array, decay: float) -> Scores:
    """One table, multiplied by what a case knows."""
    return lambda cases: cases.recent(decay) @ table


def as_served(choice: Choice, found: Mapping[str, sp.csr_array]) -> Scores:
    """The formula over the blended, cut tables, as a release would hold them."""
    transitions = blend_tables([(weight, found[name]) for name, weight in choice.parts.items() if weight], 100)
    transitions = (transitions / typical_best(transitions)).tocsr()
    neighbours = (found["linear"] / typical_best(found["linear"])).tocsr() if "linear" in found else None
    return lambda cases: choice.formula.scores(cases.recent, neighbours, transitions)


def popularity(log: EventLog, seed: int) -> NDArray[np.float32]:
    """The same for everybody."""
    return Popularity().fit(training_data(log, seed)).values


class Chooser:
    """NDCG@k on the validation cases."""

    def __init__(self, cases: Cases, k: int, hide: bool, seed: int) -> None:
        drawn = np.random.default_rng(seed).permutation(len(cases))[:CHOOSING]
        self._cases, self._k, self._hide, self._seed = cases.where(np.sort(drawn)), k, hide, seed

    def __call__(self, scores: Scores) -> float:
        """One number for one source."""
        ranked = ranks(self._cases, scores, self._hide, self._seed)
        return float(next_item_values(ranked, self._k)[f"ndcg@{self._k}"].mean())

    def best(self, tries: Iterable[tuple[_T, Scores]]) -> tuple[_T, float]:
        """What did best, the first of equals, and its value."""
        told = [(self(scores), each) for each, scores in tries]
        value, each = max(told, key=lambda pair: pair[0])
        return each, value


def choose_covisitation(split: Split, judge: Chooser, timed: bool) -> CoVisitation:
    """Settings one after another, each by the best so far."""
    given, best = training_data(split.fit, 0), CoVisitation()
    grids: dict[str, Sequence[object]] = {
        "decay": (0.8, 0.5, 0.65, 0.9), "backward": (0.3, 0.0, 0.1, 0.5, 0.8), "row_exponent": (0.5, 0.0, 0.25, 0.75),
    }  # fmt: skip
    if timed:
        grids |= {"half_life_days": (None, 2.0, 5.0), "gap_half_life_hours": (None, 1.0, 6.0, 24.0)}
    for name, values in grids.items():
        made = [replace(best, **{name: value}) for value in values]  # type: ignore[arg-type]  # names with their types
        chosen, value = judge.best((each, by_table(each.fit(given).matrix, 0.5)) for each in made)
        best = chosen
        print(f"  co-visitation, {name} = {getattr(best, name)}: {value:.4f}", flush=True)
    return best


def choose(split: Split, judge: Chooser, seed: int, *, timed: bool, linear: bool) -> Choice:
    """All settings, on the validation cases."""
    covisitation = choose_covisitation(split, judge, timed)
    found = tables(split.fit, seed, covisitation, linear)
    decays: dict[str, float] = {}
    for name, table in found.items():
        decay, value = judge.best((decay, by_table(table, decay)) for decay in DECAYS)
        decays[name] = decay
        print(f"  {name} alone, decay {decay}: {value:.4f}", flush=True)
    formula = SessionFormula(0.0, 1.0, 0.0, decays.get("linear", 0.9), decays["co-visitation"], decays["revisit"])
    choice = Choice(covisitation, decays, {"co-visitation": 1.0, "Markov": 0.0, "hidden Markov": 0.0}, formula)
    changes: dict[str, Callable[[Choice, float], Choice]] = {
        "revisit": lambda c, w: replace(c, formula=replace(c.formula, revisit=w)),
        "linear": lambda c, w: replace(c, formula=replace(c.formula, session=w)),
        "Markov": lambda c, w: replace(c, parts={**c.parts, "Markov": w}),
        "hidden Markov": lambda c, w: replace(c, parts={**c.parts, "hidden Markov": w}),
        "transition decay": lambda c, w: replace(c, formula=replace(c.formula, transition_decay=w)),
    }
    for name, change in changes.items():
        if name == "linear" and not linear:
            continue
        made = [change(choice, each) for each in (DECAYS if name.endswith("decay") else WEIGHTS)]
        best, value = judge.best((each, as_served(each, found)) for each in made)
        choice = best
        print(f"  together, {name} chosen: {value:.4f}", flush=True)
    print(f"  {choice.parts}, {choice.formula}")
    return choice


def measure(split: Split, choice: Choice, arguments: argparse.Namespace) -> None:
    """The table: each source on all test cases, and by type of event where there are several."""
    log, seed, k = split.refit, arguments.seed, arguments.k
    found, popular = tables(log, seed, choice.covisitation, not arguments.without_linear), popularity(log, seed)
    chain = SecondOrderMarkov().fit(training_data(log, seed))
    others = SessionKNN().fit(training_data(log, seed))
    systems: dict[str, Scores] = {TOGETHER: as_served(choice, found)}
    systems |= {name: by_table(table, choice.decays[name]) for name, table in found.items()}
    systems["Markov, second order"] = lambda cases: chain.after(cases.last_two())
    systems["session neighbours"] = lambda cases: others.votes(cases.recent(SessionKNN().history_decay))
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
    for group, chosen in groups.items():
        told = bootstrap(
            {name: {metric: each[chosen] for metric, each in by.items()} for name, by in values.items()}, seed
        )
        print(f"\n| {group}: {chosen.sum():,} cases | HR@{k} | NDCG@{k} | MRR@{k} |\n| --- | --- | --- | --- |")
        for name, metrics in told.items():
            print(
                f"| {name} | "
                + " | ".join(_cell(metrics[f"{each}@{k}"]) for each in ("hit_rate", "ndcg", "mrr"))
                + " |"
            )


def _cell(told: dict[str, object]) -> str:
    interval = "[{:.4f}, {:.4f}]".format(*told["interval"])  # type: ignore[misc]  # two numbers, by metrics.bootstrap
    return f"{told['mean']:.4f} {interval}"


def main() -> None:
    """Reads, splits, chooses, measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--test", type=Path, help="a second file of other sequences, to be asked for")
    parser.add_argument("--test-days", type=int, help="ask for the events of the last days")
    parser.add_argument("--columns", help="of a CSV without a header line, such as user,item,-,event,time")
    parser.add_argument("--hide-known", action="store_true", help="do not recommend what a sequence has already")
    parser.add_argument("--without-linear", action="store_true", help="leave out the linear model, the slowest to fit")
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
    print(f"{len(log):,} events to fit to, {len(log.items):,} items, {len(cases):,} test cases\nChoosing:", flush=True)
    judge = Chooser(split.validation, arguments.k, arguments.hide_known, arguments.seed)
    choice = choose(split, judge, arguments.seed, timed=timed, linear=not arguments.without_linear)
    print("Measuring:")
    measure(split, choice, arguments)


if __name__ == "__main__":
    main()
