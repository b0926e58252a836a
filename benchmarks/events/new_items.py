"""Whether items that are put after the training reach those who buy them: a fifth of the items of a shop is put live.

    python benchmarks/events/new_items.py                                  Online Retail
    python benchmarks/events/new_items.py complete-journey --days 60

A release is trained on the events before the last ``--days`` days, without a random fifth of the items that had at
least 20 events by then; these are put live, with their columns. Each later purchase of an item that is new to its user
is a case: the serving code ranks all items by the user's row and their 50 newest events. Recall@k is the share of cases
whose item is among the first k, for put items and for those of the release, which they compete with.

A twin has the columns of one of the 100 most popular items, and is put alone. For users who have that item among their
first ten, it says where the twin is.

``mean`` weights neighbours by the fourth power of the similarity and scales by the release's factor, as the training
does; the others differ as they say.
"""

import argparse
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import polars as pl
from replay import read_events

from larder.events.base import LiveItem
from larder.events.placing import ContentIndex
from larder.recommender import Live, LiveCatalogue, LiveEvent, Query, Recommender
from larder.recommender.new_items.live_catalogue import NewItem, Weights
from larder.release.serving import RecommenderServing
from larder_training.recommender.train import train
from larder_training.release.loader import open_tables, read_manifest
from larder_training.reporting.progress import Progress

sys.path.append(str(Path(__file__).parents[1] / "recommender"))
from shop_files import SHOPS

DAY: Final = 86400
RECENT: Final = 50
KNOWN_EVENTS: Final = 20
SHARE: Final = 5
CUTS: Final = (10, 20, 50)
TWINS: Final = 100
USERS: Final = 5
Weighting = Callable[[Sequence[tuple[int, float]], float], Weights]


def power(sharpness: int, confidence: Callable[[float, float], float]) -> Weighting:
    """Weights by a power of the similarity that add up to ``confidence(factor, largest similarity)``."""

    def weights(similar: Sequence[tuple[int, float]], factor: float) -> Weights:
        shares = [(number, similarity**sharpness) for number, similarity in similar]
        total = sum(share for _, share in shares)
        scale = confidence(factor, max((s for _, s in similar), default=0.0)) / total if total else 0.0
        return [(number, scale * share) for number, share in shares]

    return weights


WEIGHTINGS: Final[Mapping[str, Weighting]] = {
    "mean": power(4, lambda factor, _: factor),
    "power 16": power(16, lambda factor, _: factor),
    "power 4, twins in full": power(4, lambda factor, nearest: min(factor, 1.0) ** (1 - nearest)),
    "power 8, twins in full": power(8, lambda factor, nearest: min(factor, 1.0) ** (1 - nearest)),
    "power 16, twins in full": power(16, lambda factor, nearest: min(factor, 1.0) ** (1 - nearest)),
    "power 32, without a factor": power(32, lambda _, __: 1.0),
}


@dataclass(frozen=True)
class Shop:
    """A release, and the items that it does not know.

    Attributes:
        recommender: The release.
        begin: Epoch seconds from which on its events are cases.
        events: User and event of each line of the log, by time.
        put: The items that are put live, with their similar items.
        index: Places further items.
    """

    recommender: Recommender
    begin: float
    events: Sequence[tuple[str, LiveEvent]]
    put: Sequence[LiveItem]
    index: ContentIndex

    def extended(self, put: Sequence[LiveItem], weighting: Weighting | None = None) -> Recommender:
        """The release with items that are put live; without a weighting as it is served."""
        base, content = self.recommender.items, self.recommender.content
        if weighting is None:
            return self.recommender.extended(LiveCatalogue(base, content).updated(put))
        numbers = {item.id: base.number(item.id) for item in put}
        assert not any(numbers.values()), "the release knows an item that is put"  # noqa: S101  # a benchmark's own check
        new = [NewItem(item.id, item.columns, item.time, weighting(self._known(item), content.factor)) for item in put]
        return self.recommender.extended(LiveCatalogue(base, content, new))

    def _known(self, item: LiveItem) -> list[tuple[int, float]]:
        found = ((self.recommender.items.number(name), similarity) for name, similarity in item.neighbours)
        return [(number, similarity) for number, similarity in found if number is not None]


def trained(name: str, scratch: Path, days: int, minutes: float) -> Shop:
    """A release of a shop without a fifth of its items."""
    options = replace(SHOPS[name](scratch), minutes=minutes)
    lines = pl.read_csv(scratch / "interactions.csv", infer_schema=False)
    times = lines["TIMESTAMP"].cast(pl.Float64)
    begin = float(times.max()) // DAY * DAY - days * DAY  # type: ignore[arg-type]  # a number, by the cast
    before = lines.filter(times < begin)
    known = before["ITEM_ID"].value_counts().filter(pl.col("count") >= KNOWN_EVENTS)["ITEM_ID"]
    bought_later = sorted(set(known) & set(lines.filter(times >= begin)["ITEM_ID"]))
    hidden = set(random.Random(0).sample(bought_later, len(bought_later) // SHARE))  # noqa: S311  # no secret
    before.filter(~pl.col("ITEM_ID").is_in(list(hidden))).write_csv(scratch / "before.csv")
    items = pl.read_csv(scratch / "items.csv", infer_schema=False)
    items.filter(~pl.col("ITEM_ID").is_in(list(hidden))).write_csv(scratch / "known.csv")
    options = replace(
        options, interactions=scratch / "before.csv", items=scratch / "known.csv", out=scratch / "releases", cache=None
    )
    folder = train(options, Progress(quiet=True))
    serving = read_manifest(folder).serving
    assert isinstance(serving, RecommenderServing)  # noqa: S101  # for the type checker
    recommender = open_tables(folder, serving)
    index = ContentIndex(recommender.items, recommender.content)
    put = [placed(index, str(row["ITEM_ID"]), row, recommender) for row in items.to_dicts() if row["ITEM_ID"] in hidden]
    return Shop(recommender, begin, read_events(scratch / "interactions.csv"), put, index)


def placed(index: ContentIndex, name: str, row: Mapping[str, object], recommender: Recommender) -> LiveItem:
    """An item as PutItems takes it."""
    types = recommender.items.columns
    sent = {column: value for column, value in row.items() if column in types and value is not None}
    columns = {column: float(str(value)) if types[column] == "number" else str(value) for column, value in sent.items()}
    return LiveItem(name, columns, 0.0, index.neighbours(columns))


def cases(shop: Shop) -> Iterator[tuple[str, str, Sequence[LiveEvent]]]:
    """The user, the item and the earlier events of each later purchase of an item that is new to its user."""
    histories: dict[str, list[LiveEvent]] = defaultdict(list)
    for user, event in shop.events:
        history = histories[user]
        if event.time >= shop.begin and history and all(earlier.item != event.item for earlier in history):
            yield user, event.item, history[-RECENT:]
        history.append(event)


def rank(recommender: Recommender, query: Query, item: str) -> float:
    """The place of an item from 1; infinite beyond the first 50."""
    ids = recommender.recommend(replace(query, n=CUTS[-1])).ids()
    return ids.index(item) + 1 if item in ids else float("inf")


def recall(ranks: Sequence[float], cut: int) -> float:
    """The share of the ranks that are at most ``cut``."""
    return sum(place <= cut for place in ranks) / max(1, len(ranks))


def twins(shop: Shop, weighting: Weighting | None, users: Sequence[str]) -> Iterator[float]:
    """The places of twins in the lists of users who have the item that they resemble among their first ten."""
    recommender = shop.recommender
    lists = {user: recommender.recommend(Query(user=user, n=10)).ids() for user in users}
    for item in recommender.recommend(Query(n=TWINS)).ids():
        number = recommender.items.number(item)
        assert number is not None  # noqa: S101  # for the type checker: the release has recommended it
        row = {column: recommender.items.value(column, number) for column in recommender.items.columns}
        extended = shop.extended([placed(shop.index, "the twin", row, recommender)], weighting)
        for user in [user for user, ids in lists.items() if item in ids][:USERS]:
            yield rank(extended, Query(user=user), "the twin")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shop", nargs="?", default="online-retail", choices=["online-retail", "complete-journey"])
    parser.add_argument("--days", type=int, default=30, help="Days whose purchases are cases [default: 30].")
    parser.add_argument("--minutes", type=float, default=1.0, help="Time limit of the training's search [default: 1].")
    parser.add_argument("--cases", type=int, default=1500, help="The most cases of each kind [default: 1500].")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="larder-") as scratch:
        shop = trained(arguments.shop, Path(scratch), arguments.days, arguments.minutes)
        everything = list(cases(shop))
        random.Random(1).shuffle(everything)  # noqa: S311  # no secret
        names = {item.id for item in shop.put}
        of_put = [case for case in everything if case[1] in names][: arguments.cases]
        of_known = [case for case in everything if case[1] not in names][: arguments.cases]
        print(f"{arguments.shop}: {len(shop.put)} items put, {len(of_put)} and {len(of_known)} cases\n")
        heads = [f"{kind}@{cut}" for kind in ("put", "known") for cut in CUTS]
        print("| scores | " + " | ".join([*heads, "twins in the first 10", "a twin's median place"]) + " |")
        print("| --- " * (len(heads) + 3) + "|")
        users = sorted({user for user, _, _ in everything})
        for name, weighting in {**WEIGHTINGS, "as served": None}.items():
            _row(name, shop, weighting, [of_put, of_known], users)


def _row(
    name: str,
    shop: Shop,
    weighting: Weighting | None,
    kinds: Iterable[Sequence[tuple[str, str, Sequence[LiveEvent]]]],
    users: Sequence[str],
) -> None:
    recommender, values = shop.extended(shop.put, weighting), list[str]()
    for of_kind in kinds:
        ranks = [
            rank(recommender, Query(user=user, live=Live(history, trained_until=shop.begin)), item)
            for user, item, history in of_kind
        ]
        values += [f"{recall(ranks, cut):.4f}" for cut in CUTS]
    places = list(twins(shop, weighting, users))
    print(f"| {name} | " + " | ".join([*values, f"{recall(places, 10):.2f}", f"{median(places):g}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
