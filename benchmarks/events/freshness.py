"""How soon an event is in the answers: the time from its acknowledgement to the first answer that has it.

    python benchmarks/events/freshness.py                                     a local service, which it starts
    python benchmarks/events/freshness.py --emulator --target 200             the built bundle in an emulator of AWS
    python benchmarks/events/freshness.py --url https://... --key ID.SECRET --model shop --item p0007    any deployment

In each try a new visitor clicks on an item: the script sends the event, waits for the acknowledgement, and asks for
recommendations, again and again until an answer has the event: one of its items is there because of the clicked one.
The time ends when this answer has arrived, so that it includes at least one whole request. Both requests take the same
connection.
"""

import argparse
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emulated_shop import BUNDLE, emulated_shop
from local_shop import ITEMS, MODEL, local_shop

from larder_client import Client

GIVE_UP_SECONDS: Final = 10.0
ANSWERS: Final = 10  # items in an answer
WARMING: Final = 50  # tries before those that count


@dataclass
class Freshness:
    """What the tries took.

    Attributes:
        seen: Milliseconds from the acknowledgement to the first answer with the event, of each try.
        asks: How many answers each try needed.
        taken: Milliseconds from sending the event to its acknowledgement, of each try.
    """

    seen: list[float] = field(default_factory=list)
    asks: list[int] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)

    def share_within(self, milliseconds: float) -> float:
        """The share of tries that took at most so long."""
        return sum(took <= milliseconds for took in self.seen) / len(self.seen)

    def report(self, target: float) -> str:
        """The numbers as text."""
        first = sum(asks == 1 for asks in self.asks) / len(self.asks)
        return "\n".join(
            (
                f"{len(self.seen)} tries, {first:.1%} seen by the first answer",
                f"acknowledgement to answer   {_cuts(self.seen)}",
                f"event to acknowledgement    {_cuts(self.taken)}",
                f"{self.share_within(target):.1%} within {target:.0f} ms",
            )
        )


def _cuts(times: Sequence[float]) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"{statistics.median(times):7.1f} ms p50, {cuts[98]:7.1f} ms p99, {max(times):7.1f} ms max"


def measure(client: Client, model: str, pick: Callable[[int], str], tries: int) -> Freshness:
    """Measure.

    Args:
        client: A client of the service.
        model: A recommender that takes events.
        pick: The item to click on in a try; items that resemble it must be known.
        tries: The number of tries.
    """
    result = Freshness()
    for number in range(tries):
        item, visitor = pick(number), f"visitor-{uuid.uuid4()}"
        begun = time.perf_counter()
        client.put_events(model, [{"id": str(uuid.uuid4()), "type": "click", "item": item, "session_id": visitor}])
        acknowledged = time.perf_counter()
        asks = 1
        while not _has(client, model, visitor, item):
            asks += 1
            if time.perf_counter() - acknowledged > GIVE_UP_SECONDS:
                sys.exit(f"Try {number}: no answer has the click on {item} after {GIVE_UP_SECONDS:.0f} s.")
        result.seen.append(1e3 * (time.perf_counter() - acknowledged))
        result.taken.append(1e3 * (acknowledged - begun))
        result.asks.append(asks)
    return result


def _has(client: Client, model: str, visitor: str, item: str) -> bool:
    answer = client.recommend(model, session_id=visitor, n=ANSWERS)
    return any(entry.because is not None and item in entry.because.items for entry in answer.items)


def _measure_random(client: Client, tries: int) -> Freshness:
    """Measures random items of the shop, when it is warm."""
    draw = random.Random(0)  # noqa: S311  # not a secret
    for number in (WARMING, tries):
        found = measure(client, MODEL, lambda _: f"item-{draw.randrange(ITEMS)}", number)
    return found


def main() -> None:
    """Print the times; exit status 1 if fewer than 99 % of the tries are within the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--target", type=float, default=100.0, help="milliseconds [default: 100]")
    parser.add_argument("--port", type=int, default=0, help="the port of the service [default: a free one]")
    parser.add_argument("--emulator", action="store_true", help="measure the built bundle on Ministack")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="the folder of its template [default: %(default)s]")
    parser.add_argument("--url", help="a running service, in place of a local one")
    parser.add_argument("--key", help="its key, with the scopes events and recommend")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--item", action="append", help="an item to click on, with --url; may be repeated")
    options = parser.parse_args()
    if options.url:
        with Client(options.url, options.key) as client:
            found = measure(client, options.model, lambda n: options.item[n % len(options.item)], options.tries)
    elif options.emulator:
        with emulated_shop(options.bundle, port=options.port) as client:
            found = _measure_random(client, options.tries)
    else:
        with local_shop(port=options.port) as shop:
            shop.start()
            with shop.client() as client:
                found = _measure_random(client, options.tries)
    print(found.report(options.target))
    sys.exit(found.share_within(options.target) < 0.99)


if __name__ == "__main__":
    main()
