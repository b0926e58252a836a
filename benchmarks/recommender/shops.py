"""Compares Larder with implicit, popularity and users' own items on three real shops, with a split in time.

    python benchmarks/recommender/shops.py                              all shops
    python benchmarks/recommender/shops.py online-retail --ablate       Larder without each signal
    python benchmarks/recommender/shops.py --folder FOLDER              any shop that an example's converter wrote

Everything is tuned on the validation period (the tenth of the events before the last tenth), fitted again to all events
before the test period, and evaluated once on the test period. All items of the catalogue are ranked for all users with
events before and in the test period. Relevant are all items that a user has in the test period, repeats included.
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

METRICS = ("recall@20", "ndcg@20", f"mrr@{DEPTH}")
Result = TypeVar("Result")
_HALF_LIVES = (7.0, 30.0, 90.0, 270.0, None)  # of a user's own items


def main() -> None:
    """Prints a table for each shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shops", nargs="*", choices=[*SHOPS, []], help="Shops [default: all].")
    parser.add_argument("--folder", type=Path, help="Folder with interactions.csv, items.csv and users.csv.")
    parser.add_argument("--trials", type=int, default=40, help="Trials of each peer [default: 40].")
    parser.add_argument("--models", nargs="*", choices=SPACES, default=[*SPACES], help="Peers [default: all].")
    parser.add_argument("--ablate", action="store_true", help="Larder without each signal, instead of peers.")
    parser.add_argument(
        "--signals", nargs="*", default=ABLATIONS, help=f"What --ablate leaves out [default: {', '.join(ABLATIONS)}]."
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="Time limit of Larder's search [default: 10].")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in [arguments.folder.name] if arguments.folder else arguments.shops or SHOPS:
        with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
            inputs = folder(arguments.folder) if arguments.folder else SHOPS[name](Path(scratch))
            options = replace(inputs, minutes=arguments.minutes)
            data = read_dataset(options, Progress(quiet=True))
        split = temporal_split(data.log)
        task = next_items(data.log.between(split.start, split.test), data.log.between(split.test, split.end))
        task = task.sample(arguments.seed, MAX_TEST_USERS)
        ours = {"Larder": _timed("Larder", lambda: larder(data, options, task))}  # noqa: B023  # called at once
        others = (
            ablated(data, options, task, arguments.signals) if arguments.ablate else peers(data, split, task, arguments)
        )
        table(name, {**ours, **others}, task, len(data.log.items), arguments.seed)


def ablated(data: Dataset, options: RecommenderOptions, task: Task, signals: Iterable[str]) -> dict[str, Lists]:
    """Larder's lists without each signal; signals that the data does not have are reported and skipped."""
    systems = {}
    for signal in signals:
        if signal not in ABLATIONS:
            print(f"{signal}: unknown signal", file=sys.stderr)
        elif signal != "event weights" or len(data.log.events) > 1:
            systems[f"without {signal}"] = _timed(signal, lambda: larder(data, options, task, signal))  # noqa: B023  # called at once
    return systems


def peers(data: Dataset, split: TimeSplit, task: Task, arguments: argparse.Namespace) -> dict[str, Lists]:
    """Popularity, recent popularity, users' own items and implicit's models, all tuned."""
    earlier, history = (data.log.between(split.start, cut) for cut in (split.validation, split.test))
    validation = next_items(earlier, data.log.between(split.validation, split.test)).sample(arguments.seed)
    window = choose_window(earlier, split.validation, validation, None)
    recent = popularity(history, split.test - window * DAY)
    systems = {
        "popularity": same_for_all(popularity(history), task, DEPTH),
        f"recent popularity, {window} days": same_for_all(recent, task, DEPTH),
        **_own_items(data, split, task, validation, window),
    }
    trials, seed = arguments.trials, arguments.seed
    for model in arguments.models:
        best = _timed(model, lambda: tune(model, earlier, split.validation, validation, trials, seed))  # noqa: B023  # called at once
        print(f"  {METRIC} {best.metric:.4f} on validation: {best.setting}", file=sys.stderr, flush=True)
        systems[f"implicit {model}"] = recommend(model, best.setting, history, split.test, task, seed)
    return systems


def _own_items(data: Dataset, split: TimeSplit, task: Task, validation: Task, window: int) -> dict[str, Lists]:
    """Users' own items, with the half-life that is best on validation, then recently popular items."""

    def lists(now: int, age: float | None, task: Task) -> Lists:
        log = data.log.between(split.start, now)
        interactions = interaction_matrix(log, event_strengths(log, {}, now, age))
        return own_items(interactions, popularity(log, now - window * DAY), task, DEPTH)

    def metric(age: float | None) -> float:
        hit = hits(lists(split.validation, age, validation), validation.truth)
        return float(by_user(hit, validation.relevant)[METRIC].mean())

    age = max(_HALF_LIVES, key=metric)
    return {"own items again": lists(split.test, age, task)}


def table(name: str, systems: dict[str, Lists], task: Task, items: int, seed: int) -> None:
    """Prints mean and 95 % interval of each metric, and Larder's lead, paired by user, as Markdown."""
    values: Any = bootstrap(
        {system: by_user(hits(lists, task.truth), task.relevant) for system, lists in systems.items()}, seed
    )
    print(f"\n{name}: {len(task.users)} users, {int(task.relevant.sum())} relevant items, {items} in the catalogue\n")
    print(f"| | {' | '.join(METRICS)} | coverage | lead of Larder in {METRICS[0]} | in {METRICS[1]} |")
    print("| --- " * (len(METRICS) + 4) + "|")
    for system, lists in systems.items():
        cells = [_interval(values[system][metric]) for metric in METRICS]
        leads = ["" if system == "Larder" else _lead(values[system][metric]) for metric in METRICS[:2]]
        print(f"| {system} | {' | '.join(cells)} | {coverage(lists[:, :20], items):.3f} | {' | '.join(leads)} |")
    sys.stdout.flush()


def _interval(value: Any) -> str:  # noqa: ANN401  # a section of the manifest, JSON
    low, high = value["interval"]
    return f"{value['mean']:.4f} [{low:.4f}, {high:.4f}]"


def _lead(value: Any) -> str:  # noqa: ANN401  # a section of the manifest, JSON
    difference = value["difference"]
    low, high = difference["interval"]
    share = difference["mean"] / value["mean"] if value["mean"] else np.inf
    return f"{share:+.1%}: {difference['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"


def _timed(title: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    print(f"{title}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
