"""Replays the last days of two real shops event by event: answers by live events against the table of the night before.

    python benchmarks/events/replay.py                       Online Retail and Taobao
    python benchmarks/events/replay.py taobao --nights 1     one night

For each of the last ``--nights`` days, a release is trained on all events before the day's begin (UTC). Then each event
of the day is a case: before it happens, the serving code ranks all items, once by the release alone and once with all
earlier events of the user as live events (at most 50, as by default), those of before the training included. A case is
a hit if the event's item is among the first 20. No item is left out except as the release does; an item that the
release does not know is a miss for both. Events at the same time have the order of the log: in Online Retail, these are
the lines of an invoice.

Anonymous visitors are the day's users without their id, from their k-th event of the day on; popularity is what the
release answers to a request that names nothing.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from larder.recommender import Live, LiveEvent, Query, Recommender
from larder.release.manifest import Manifest
from larder.release.serving import RecommenderServing
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.evaluation.evaluate import repeats_allowed, trained_until
from larder_training.recommender.train import train
from larder_training.release.loader import open_tables, read_manifest
from larder_training.reporting.progress import Progress

sys.path.append(str(Path(__file__).parents[1] / "recommender"))
from shop_files import SHOPS

DAY: Final = 86400
DEPTH: Final = 20
RECENT: Final = 50
LENGTHS: Final = {"0": (0, 0), "1-2": (1, 2), "3-5": (3, 5), "6-10": (6, 10), "> 10": (11, 10**9)}
CLICKS: Final = (1, 2, 3)
REPLAYED: Final = ("online-retail", "taobao")


@dataclass(frozen=True)
class Case:
    """One event of the replayed day, and what is known before it.

    Attributes:
        user: The user.
        item: The item of the event.
        history: All earlier events of the user, oldest first.
        today: How many of these are of the replayed day.
    """

    user: str
    item: str
    history: Sequence[LiveEvent]
    today: int


@dataclass(frozen=True)
class Night:
    """The release of one night.

    Attributes:
        manifest: Its manifest.
        serving: The serving section.
        folder: Its folder.
    """

    manifest: Manifest
    serving: RecommenderServing
    folder: Path

    def open(self, **changes: object) -> Recommender:
        """The release, with some fields of the serving section replaced."""
        return open_tables(self.folder, replace(self.serving, **changes))  # type: ignore[arg-type]  # of any type


def read_events(path: Path) -> list[tuple[str, LiveEvent]]:
    """User and event of each line with a user, in the order of time."""
    lines = pl.read_csv(path, infer_schema=False).with_columns(pl.col("TIMESTAMP").cast(pl.Float64))
    lines = lines.filter(pl.col("USER_ID").is_not_null()).sort("TIMESTAMP", maintain_order=True)
    types = lines["EVENT_TYPE"] if "EVENT_TYPE" in lines.columns else ["event"] * len(lines)
    rows = zip(lines["USER_ID"], lines["ITEM_ID"], types, lines["TIMESTAMP"], strict=True)
    return [(user, LiveEvent(item, type_, time)) for user, item, type_, time in rows]


def cases(events: Iterable[tuple[str, LiveEvent]], begin: float) -> Iterator[Case]:
    """The events of the day that begins at ``begin``."""
    histories: dict[str, list[LiveEvent]] = defaultdict(list)
    for user, event in events:
        history = histories[user]
        if begin <= event.time < begin + DAY:
            today = sum(1 for earlier in history[-2 * RECENT :] if earlier.time >= begin)
            yield Case(user, event.item, tuple(history), today)
        history.append(event)


def trained(options: RecommenderOptions, events: Path, end: float, out: Path) -> Night:
    """A release of the ``events`` before ``end``."""
    lines = pl.read_csv(events, infer_schema=False)
    before = out / "before.csv"
    lines.filter(pl.col("TIMESTAMP").cast(pl.Float64) < end).write_csv(before)
    folder = train(replace(options, interactions=before, out=out / "releases", cache=None), Progress(quiet=True))
    manifest = read_manifest(folder)
    assert isinstance(manifest.serving, RecommenderServing)  # noqa: S101  # for the type checker
    return Night(manifest, manifest.serving, folder)


class Tally:
    """Hits and cases by group and system."""

    def __init__(self) -> None:
        self.hits: dict[tuple[str, str], int] = defaultdict(int)
        self.cases: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, group: str, system: str, *, hit: bool) -> None:
        """Count a case."""
        self.hits[group, system] += hit
        self.cases[group, system] += 1

    def recall(self, group: str, system: str) -> float:
        """The share of hits."""
        return self.hits[group, system] / max(1, self.cases[group, system])


def replay(night: Night, day: Sequence[Case], tally: Tally) -> None:
    """Count the day's cases, of known users and as those of anonymous visitors."""
    recommender, until = night.open(), float(trained_until(night.manifest))
    repeats = repeats_allowed(night.manifest)
    static: dict[str, set[str]] = {}
    popular = set(recommender.recommend(Query(n=DEPTH)).ids())
    for case in day:
        if case.user not in static:
            static[case.user] = set(recommender.recommend(Query(user=case.user, n=DEPTH)).ids())
        live = Live(case.history[-RECENT:], trained_until=until, repeats=repeats)
        answer = recommender.recommend(Query(user=case.user, n=DEPTH, live=live)).ids()
        length = next(name for name, (low, high) in LENGTHS.items() if low <= len(case.history) <= high)
        fresh = [] if any(event.item == case.item for event in case.history) else ["new to the user"]
        for group in ("all", length, *fresh):
            tally.add(group, "static", hit=case.item in static[case.user])
            tally.add(group, "live", hit=case.item in answer)
        if case.today in CLICKS:
            visit = Live(case.history[-case.today :])
            guess = recommender.recommend(Query(session_id="visit", n=DEPTH, live=visit)).ids()
            tally.add(f"after {case.today}", "popular", hit=case.item in popular)
            tally.add(f"after {case.today}", "live", hit=case.item in guess)


def table(name: str, tally: Tally) -> None:
    """Print the recalls as Markdown."""
    print(f"\n{name}\n\n| history | events | table of the night before | with live events | factor |")
    print("| --- " * 5 + "|")
    for group in ("all", *LENGTHS, "new to the user"):
        _row(tally, group, "static")
    print("\n| anonymous | events | popularity | with live events | factor |\n" + "| --- " * 5 + "|")
    for clicks in CLICKS:
        _row(tally, f"after {clicks}", "popular")
    sys.stdout.flush()


def _row(tally: Tally, group: str, other: str) -> None:
    base, live = tally.recall(group, other), tally.recall(group, "live")
    factor = f"{live / base:.2f}" if base else ""
    print(f"| {group} | {tally.cases[group, 'live']} | {base:.4f} | {live:.4f} | {factor} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shops", nargs="*", choices=[*REPLAYED, []], help="Shops [default: both].")
    parser.add_argument("--nights", type=int, default=2, help="Days that are replayed [default: 2].")
    parser.add_argument("--minutes", type=float, default=8.0, help="Time limit of each training's search [default: 8].")
    arguments = parser.parse_args()
    for name in arguments.shops or REPLAYED:
        with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
            inputs = Path(scratch)
            options = replace(SHOPS[name](inputs), minutes=arguments.minutes)
            events = read_events(inputs / "interactions.csv")
            days = sorted({event.time // DAY * DAY for _, event in events})  # shops are closed on some days
            begins = days[-arguments.nights :]
            tally = Tally()
            for begin in begins:
                folder = inputs / f"{begin:.0f}"
                folder.mkdir()
                night = trained(options, inputs / "interactions.csv", begin, folder)
                day = list(cases(events, begin))
                replay(night, day, tally)
            table(f"{name}: the last {arguments.nights} days", tally)


if __name__ == "__main__":
    main()
