"""Whether exploration finds the good ones among new items, and what it costs: a simulation with stated click rates.

    python benchmarks/events/exploration.py

A shop of 2,000 items with random tables gets ``--new`` items that are like no other. A recommendation of an item of the
release is clicked with probability 0.05, of a new item with its own, which is drawn from Beta(1, 19), whose mean is
0.05 too; one new item, the good one, has 0.3. Each answer has 10 places. The serving code answers, and every 100
answers the code that counts the log counts them, so that what is known is late, as it is in service. ``uniform`` gives
new items the same share without looking at clicks; ``none`` is a service without exploration.

It prints, as means over ``--tries`` simulations: after how many answers the good item had 50 impressions; its share of
the explored places in the last fifth of the answers; expected clicks for each answer, all and in the last fifth; and
the regret: clicks that the explored places lost against a service that had known the good item from the beginning. The
cost in recall needs no simulation: known items keep their order, and lose the last places of a list.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final

from local_shop import MODEL, write_shop

from larder.events.base import LiveItem, LogRow
from larder.events.statistics import EventStatistics, KnownStatistics, counted
from larder.recommender import Exploration, Live, LiveCatalogue, Query, Recommendations, Recommender
from larder.release.serving import RecommenderServing
from larder_training.release.loader import open_tables, read_manifest

PLACES: Final = 10
BATCH: Final = 100
GOOD: Final = "new-0"
GOOD_RATE: Final = 0.3
KNOWN_RATE: Final = 0.05
FOUND: Final = 50
Policy = tuple[str, float]
POLICIES: Final[Sequence[Policy]] = (
    ("none", 0.0),
    ("uniform", 0.1),
    ("thompson", 0.05),
    ("thompson", 0.1),
    ("thompson", 0.2),
)


@dataclass
class Outcome:
    """What one simulation earned.

    Attributes:
        found: Answers until the good item had 50 impressions; None if it never had.
        clicks: Expected clicks for each answer.
        late_clicks: Those for each of the last fifth of the answers.
        late_share: The good item's share of the explored places in the last fifth; 0 without such places.
        regret: Expected clicks that the explored places lost against the good item.
    """

    found: int | None
    clicks: float
    late_clicks: float
    late_share: float
    regret: float


def simulate(shop: Recommender, rates: Mapping[str, float], policy: Policy, answers: int, seed: int) -> Outcome:
    """Answer ``answers`` visitors; ``rates`` has the click rate of each new item."""
    draw = random.Random(seed)  # noqa: S311  # a simulation
    statistics, pending = EventStatistics(), list[LogRow]()
    new, now = shop.new_since(0.0), time.time()
    found, good, regret = None, 0, 0.0
    clicks, late = list[float](), list[str]()
    for number in range(answers):
        if number % BATCH == 0:
            statistics, pending = counted(statistics, pending, now), []
            known = KnownStatistics(statistics, now)
        shown = {} if policy[0] == "uniform" else known.items
        exploration = Exploration(policy[1], new, f"{seed} {number}", shown, known.click_rate)
        answer = shop.recommend(Query(user=f"user-{number % 1000}", n=PLACES, live=Live(exploration=exploration)))
        clicked = [item for item in answer.ids() if draw.random() < rates.get(item, KNOWN_RATE)]
        pending += rows(number, answer, clicked, now)
        explored = [item for item in answer.ids() if item in rates]
        regret += sum(GOOD_RATE - rates[item] for item in explored)
        good += GOOD in explored
        if good == FOUND and found is None:
            found = number + 1
        clicks.append(sum(rates.get(item, KNOWN_RATE) for item in answer.ids()))
        if number >= answers * 4 // 5:
            late += explored
    share = late.count(GOOD) / len(late) if late else 0.0
    return Outcome(found, mean(clicks), mean(clicks[answers * 4 // 5 :]), share, regret)


def rows(number: int, answer: Recommendations, clicked: Sequence[str], now: float) -> list[LogRow]:
    """What an answer and its clicks add to the log."""
    name = f"0a1b2c3d-{number}"
    listed = {"RECOMMENDATION_ID": name, "TIMESTAMP": now, "ITEMS": [[item, None] for item in answer.ids()]}
    events = [
        {"EVENT_ID": f"{number}-{item}", "ITEM_ID": item, "TIMESTAMP": now, "RECOMMENDATION_ID": name}
        for item in clicked
    ]
    return [LogRow(MODEL, "recommendations", listed), *(LogRow(MODEL, "events", event) for event in events)]


def open_shop(folder: Path, new: int) -> Recommender:
    """The shop with its new items."""
    write_shop(folder, 1000)
    (release,) = (path.parent for path in folder.rglob("manifest.json"))
    serving = read_manifest(release).serving
    assert isinstance(serving, RecommenderServing)  # noqa: S101  # for the type checker
    shop = open_tables(release, serving)
    put = [LiveItem(f"new-{k}", {}, 1.0) for k in range(new)]
    return shop.extended(LiveCatalogue(shop.items, shop.content).updated(put))


def main() -> None:
    """Print one line for each policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--new", type=int, default=50)
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--tries", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.new} new items, {options.answers} answers, {options.tries} simulations")
    print("| policy | share | found after | of explored, late | clicks | clicks, late | regret |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="larder-exploration-") as temporary:
        shop = open_shop(Path(temporary), options.new)
        for policy in POLICIES:
            outcomes = []
            for seed in range(options.tries):
                draw = random.Random(1000 + seed)  # noqa: S311  # a simulation
                rates = {f"new-{k}": draw.betavariate(1, 19) for k in range(options.new)} | {GOOD: GOOD_RATE}
                outcomes.append(simulate(shop, rates, policy, options.answers, seed))
            print(line(policy, outcomes))


def line(policy: Policy, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    found = [outcome.found for outcome in outcomes if outcome.found is not None]
    after = f"{mean(found):,.0f}" if len(found) == len(outcomes) else f"{len(found)} of {len(outcomes)} found"
    cells = [policy[0], f"{policy[1]:.0%}", after]
    cells += [f"{mean(outcome.late_share for outcome in outcomes):.0%}"]
    cells += [f"{mean(outcome.clicks for outcome in outcomes):.3f}"]
    cells += [f"{mean(outcome.late_clicks for outcome in outcomes):.3f}"]
    cells += [f"{mean(outcome.regret for outcome in outcomes):,.0f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
