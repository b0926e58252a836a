"""Larder against implicit, popularity and a user's own items on three real shops, with a cut in time.

    python benchmarks/recommender/shops.py                              all shops
    python benchmarks/recommender/shops.py online-retail --ablate       what each signal is worth
    python benchmarks/recommender/shops.py --folder FOLDER              any shop, as an example's converter writes it

Everything is chosen on the validation period (the tenth of the events before the last tenth), fitted again to all that
came before the test period, and measured on the test period, once. Every item of the catalogue is ranked for every user
with events before and in the test period; everything that he then has to do with counts, repeats included.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from implicit_peers import SPACES, recommend, tune
from larder_lists import ABLATIONS, Lists, larder
from shop_files import SHOPS, folder

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import DAY
from larder_training.recommender.data.interaction_matrix import event_strengths, interaction_matrix
from larder_training.recommender.dataset import Dataset, read_dataset
from larder_training.recommender.evaluation.baselines import choose_window, own_items, popularity
from larder_training.recommender.evaluation.serving_formula import same_for_all
from larder_training.recommender.metrics.ranking import DEPTH, bootstrap, by_user, coverage, hits
from larder_training.recommender.splits.tasks import MAX_TEST_USERS, Task, next_items
from larder_training.recommender.splits.time_split import TimeSplit, temporal_split
from larder_training.recommender.tuning.trials import METRIC
from larder_training.reporting.progress import Progress

SHOWN = ("recall@20", "ndcg@20", f"mrr@{DEPTH}")
Result = TypeVar("Result")
_HALF_LIVES = (7.0, 30.0, 90.0, 270.0, None)  # of a user's own items


def main() -> None:
    """Prints a table a shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shops", nargs="*", choices=[*SHOPS, []], help="Default: all.")
    parser.add_argument(
        "--folder", type=Path, help="With interactions.csv, items.csv and users.csv, in place of shops."
    )
    parser.add_argument("--trials", type=int, default=40, help="Of each of implicit's models. Default: 40.")
    parser.add_argument("--models", nargs="*", choices=SPACES, default=[*SPACES], help="Of implicit. Default: all.")
    parser.add_argument("--ablate", action="store_true", help="Larder without each signal, instead of peers.")
    parser.add_argument(
        "--signals", nargs="*", default=ABLATIONS, help=f"Of --ablate. Default: {', '.join(ABLATIONS)}."
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="Of Larder's search at most. Default: 10.")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in [given.folder.name] if given.folder else given.shops or SHOPS:
        with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
            found = folder(given.folder) if given.folder else SHOPS[name](Path(scratch))
            options = replace(found, minutes=given.minutes)
            data = read_dataset(options, Progress(quiet=True))
        split = temporal_split(data.log)
        task = next_items(data.log.between(split.start, split.test), data.log.between(split.test, split.end))
        task = task.sample(given.seed, MAX_TEST_USERS)
        first = {"Larder": _timed("Larder", lambda: larder(data, options, task))}  # noqa: B023  # called at once
        others = ablated(data, options, task, given.signals) if given.ablate else peers(data, split, task, given)
        table(name, {**first, **others}, task, len(data.log.items), given.seed)


def ablated(data: Dataset, options: RecommenderOptions, task: Task, signals: Iterable[str]) -> dict[str, Lists]:
    """Larder's lists without each of these signals; it reports and skips those that the data does not have."""
    found = {}
    for signal in signals:
        if signal not in ABLATIONS:
            print(f"{signal}: not a signal of this version", file=sys.stderr)
        elif signal != "event weights" or len(data.log.events) > 1:
            found[f"without {signal}"] = _timed(signal, lambda: larder(data, options, task, signal))  # noqa: B023  # called at once
    return found


def peers(data: Dataset, split: TimeSplit, task: Task, given: argparse.Namespace) -> dict[str, Lists]:
    """Popularity in two ways, a user's own items again, and implicit's models, each by its best setting."""
    earlier, history = (data.log.between(split.start, cut) for cut in (split.validation, split.test))
    validation = next_items(earlier, data.log.between(split.validation, split.test)).sample(given.seed)
    window = choose_window(earlier, split.validation, validation, None)
    recent = popularity(history, split.test - window * DAY)
    found = {
        "popularity": same_for_all(popularity(history), task, DEPTH),
        f"recent popularity, {window} days": same_for_all(recent, task, DEPTH),
        **_own_items(data, split, task, validation, window),
    }
    for model in given.models:
        best = _timed(model, lambda: tune(model, earlier, split.validation, validation, given.trials, given.seed))  # noqa: B023  # called at once
        print(f"  {METRIC} {best.metric:.4f} on validation by {best.setting}", file=sys.stderr, flush=True)
        found[f"implicit {model}"] = recommend(model, best.setting, history, split.test, task, given.seed)
    return found


def _own_items(data: Dataset, split: TimeSplit, task: Task, validation: Task, window: int) -> dict[str, Lists]:
    """What the user had, with the half-life that does best on validation, and behind it what is popular lately."""

    def lists(now: int, age: float | None, asked: Task) -> Lists:
        log = data.log.between(split.start, now)
        interactions = interaction_matrix(log, event_strengths(log, {}, now, age))
        return own_items(interactions, popularity(log, now - window * DAY), asked, DEPTH)

    def metric(age: float | None) -> float:
        found = hits(lists(split.validation, age, validation), validation.truth)
        return float(by_user(found, validation.relevant)[METRIC].mean())

    age = max(_HALF_LIVES, key=metric)
    return {"own items again": lists(split.test, age, task)}


def table(name: str, systems: dict[str, Lists], task: Task, items: int, seed: int) -> None:
    """Markdown: mean and 95 % interval of each metric, and Larder's difference, paired by user."""
    told: Any = bootstrap(
        {system: by_user(hits(lists, task.truth), task.relevant) for system, lists in systems.items()}, seed
    )
    print(f"\n{name}: {len(task.users)} users, {int(task.relevant.sum())} items to find, {items} in the catalogue\n")
    print(f"| | {' | '.join(SHOWN)} | coverage | Larder ahead in {SHOWN[0]} | in {SHOWN[1]} |")
    print("| --- " * (len(SHOWN) + 4) + "|")
    for system, lists in systems.items():
        cells = [_interval(told[system][metric]) for metric in SHOWN]
        ahead = ["" if system == "Larder" else _ahead(told[system][metric]) for metric in SHOWN[:2]]
        print(f"| {system} | {' | '.join(cells)} | {coverage(lists[:, :20], items):.3f} | {' | '.join(ahead)} |")
    sys.stdout.flush()


def _interval(told: Any) -> str:  # noqa: ANN401  # a section of the manifest, JSON
    low, high = told["interval"]
    return f"{told['mean']:.4f} [{low:.4f}, {high:.4f}]"


def _ahead(told: Any) -> str:  # noqa: ANN401  # a section of the manifest, JSON
    difference = told["difference"]
    low, high = difference["interval"]
    share = difference["mean"] / told["mean"] if told["mean"] else np.inf
    return f"{share:+.1%}: {difference['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"


def _timed(title: str, work: Callable[[], Result]) -> Result:
    began = time.perf_counter()
    result = work()
    print(f"{title}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
