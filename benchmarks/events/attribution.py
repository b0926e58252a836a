"""Time and memory of counting what the recommendations of one large day earned.

    python benchmarks/events/attribution.py --answers 1000000 --events 1000000

It writes a day of answers with 20 items, and events of which half name an answer, into a temporary folder, as the
compaction leaves them, and counts the day in a process of its own.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

from larder.events.attribution.update import attribute_day
from larder.events.base import RowKind
from larder.events.log.parts import day_key
from larder.events.log.rows import compress, line_of
from larder.release.keys import attribution_key
from larder.store import open_store

DAY, START = "2026-12-01", 1796083200
ITEMS = 20
SOURCES = ("user", "session", "popular")


def main() -> None:
    """Write the day, count it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # A process of its own each, so that the memory of the writing does not count.
        for work in (write, count):
            process = multiprocessing.get_context("spawn").Process(
                target=work, args=(Path(folder), arguments.answers, arguments.events)
            )
            process.start()
            process.join()


def write(folder: Path, answers: int, events: int) -> None:
    """Write the day's files."""
    store = open_store(folder.as_uri())
    files: tuple[tuple[RowKind, Iterator[bytes]], ...] = (
        ("recommendations", _answers(answers)),
        ("events", _events(answers, events)),
    )
    for kind, lines in files:
        size = len(data := compress(lines))
        store.put(day_key("shop", kind, DAY), data)
        print(f"{kind}: {size / 1e6:.0f} MB")


def count(folder: Path, *_: int) -> None:
    """Count the day."""
    store = open_store(folder.as_uri())
    before, begun, used = _peak(), time.perf_counter(), time.process_time()
    made = attribute_day(store, "shop", DAY)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    clicks = sum(count.events for earned in made.places.values() for count in earned.events.values())
    size = len(store.get(attribution_key("shop", DAY)).data)
    print(f"{seconds:.1f} s ({used:.1f} s of a processor), peak {_peak():.0f} MB of which {before:.0f} MB before")
    print(f"{clicks:,} events attributed, {len(made.places):,} places, {size / 1e3:.0f} kB")


def _answers(number: int) -> Iterator[bytes]:
    random = Random(1)  # noqa: S311  # made-up data
    for place in range(number):
        first = random.randrange(50_000)
        items = [[f"item-{(first + 7 * k) % 50_000}", SOURCES[k % 3]] for k in range(ITEMS)]
        row = {
            "RECOMMENDATION_ID": _id(place),
            "RELEASE": f"20261130t000000z-{place % 2}aaaaaaa",
            "TIMESTAMP": START + 80_000 * place / number,
            "USER_ID": f"user-{random.randrange(200_000)}",
            "ITEMS": items,
        }
        yield line_of(row if place % 4 else {**row, "FILTER": f"@filter-{place % 3}"})


def _events(answers: int, number: int) -> Iterator[bytes]:
    random = Random(2)  # noqa: S311  # made-up data
    starts = Random(1)  # noqa: S311  # made-up data
    for place in range(number):
        first = starts.randrange(50_000)
        starts.randrange(200_000)
        row = {
            "USER_ID": f"user-{random.randrange(200_000)}",
            "ITEM_ID": f"item-{(first + 7 * random.randrange(ITEMS)) % 50_000}",
            "EVENT_TYPE": random.choice(("view", "click", "purchase")),
            "TIMESTAMP": START + 80_000 * place / number + 5,
            "EVENT_ID": str(uuid.UUID(int=random.getrandbits(128))),
        }
        yield line_of({**row, "RECOMMENDATION_ID": _id(place)} if place % 2 and place < answers else row)


def _id(place: int) -> str:
    return f"{place % 2}aaaaaaa-{uuid.uuid5(uuid.NAMESPACE_OID, str(place))!s:.27}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
