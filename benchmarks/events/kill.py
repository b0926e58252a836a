"""Whether events that were acknowledged survive: senders post while workers and the whole service are killed.

    python benchmarks/events/kill.py --events 200000 --senders 20 --kills 20

Each sender posts batches to a local service, which the script starts, and sends a batch again until it is acknowledged;
after a failure it gives up one batch in ten, as a closed browser does. At random times, in turn, SIGKILL ends the
worker of the events function that serves, the worker that writes the log, or the whole service, which polls the queue
and has the live store open; the service is started again. At the end the queue is drained, its dead letters come again,
the log is compacted and read.

The report is that of Jepsen's checker of a queue: ``lost`` were acknowledged and are not in the log, ``unexpected``
were never sent, ``duplicated`` are in it more than once, and ``recovered`` are in it without an acknowledgement.
``refused`` events, one in fifty, must not be in the log, and every acknowledged event must be in its user's history.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local_shop import ITEMS, MODEL, LocalShop, local_shop, nice

from larder.events.log.compaction import compact
from larder.events.log.parts import list_days
from larder.events.log.rows import read_lines, read_row
from larder.events.sqlite import SqliteLiveStore, SqliteQueue
from larder.store import open_store
from larder_client import BadRequest, Client, ClientError, Taken

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from gateway_processes import workers

BATCH: Final = 50
EVENTS_OF_USER: Final = 25  # fewer than a history keeps, so that all must be in it
REFUSED: Final = 50  # one event in so many is of tomorrow
GIVEN_UP: Final = 0.1
PAUSE_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 600.0
TARGETS: Final = ("EventsFunction", "EventLogFunction", "the service")


@dataclass
class Sent:
    """What the senders did. Ids of events.

    Attributes:
        attempts: All that were sent and are valid, with their user.
        acknowledged: Those that were acknowledged.
        refused: Those that were sent and must be refused.
        again: How many requests were sent again.
    """

    attempts: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    again: int = 0


@dataclass(frozen=True)
class Outcome:
    """Jepsen's counts of a queue, and two of our own.

    Attributes:
        attempts: Valid events that were sent.
        acknowledged: Events that were acknowledged.
        read: Different events in the log.
        lost: Acknowledged and not in the log.
        unexpected: In the log and never sent.
        duplicated: More than once in the log.
        recovered: In the log and never acknowledged.
        refused: Events that must be refused, and were sent.
        refused_read: Those of them that are in the log.
        forgotten: Acknowledged and not in the user's history.
    """

    attempts: int
    acknowledged: int
    read: int
    lost: int
    unexpected: int
    duplicated: int
    recovered: int
    refused: int
    refused_read: int
    forgotten: int

    @property
    def is_sound(self) -> bool:
        """Whether each acknowledged event is in the log once, and in its history, and nothing else is."""
        return not (self.lost or self.unexpected or self.duplicated or self.refused_read or self.forgotten)


def run(shop: LocalShop, events: int, senders: int, kills: int, draw: random.Random) -> tuple[Outcome, Counter[str]]:
    """Send, kill, and count; returns also what was killed."""
    shop.start()
    sent, finished = Sent(), threading.Event()
    share = events // senders
    killed: Counter[str] = Counter()
    with ThreadPoolExecutor(senders + 1) as threads:
        draws = [random.Random(draw.random()) for _ in range(senders)]  # noqa: S311  # not a secret
        work = [threads.submit(send, shop, sent, str(name), share, own) for name, own in enumerate(draws)]
        killer = threads.submit(kill_all, shop, sent, (events, kills), draw, killed, finished)
        wait(work)
        finished.set()
    for done in (*work, killer):
        done.result()
    drain(shop)
    return count(shop, sent), killed


def send(shop: LocalShop, sent: Sent, name: str, events: int, draw: random.Random) -> None:
    """Post the events of one sender in batches."""
    sender = Sender(shop)
    for start in range(0, events, BATCH):
        batch = list(made(name, range(start, min(start + BATCH, events)), draw))
        valid = {str(event["id"]): str(event["user"]) for event in batch if "tomorrow" not in str(event["id"])}
        sent.attempts |= valid
        sent.refused |= {str(event["id"]) for event in batch} - valid.keys()
        gives_up = draw.random() < GIVEN_UP
        while (taken := sender.post(batch)) is None and not gives_up:
            sent.again += 1
            time.sleep(PAUSE_SECONDS)
        if taken is not None:
            if taken.accepted + taken.duplicates != len(valid):
                sys.exit(f"{len(valid)} valid events were sent, and the answer is {taken}.")
            sent.acknowledged |= valid.keys()
    sender.close()


class Sender:
    """Posts to the service wherever it is: after a kill it may have another port."""

    def __init__(self, shop: LocalShop) -> None:
        """Connect at the first post."""
        self._shop = shop
        self._client: Client | None = None

    def post(self, batch: Sequence[Mapping[str, object]]) -> Taken | None:
        """The acknowledgement; None if there is none. Ends the thread if the service refuses the request."""
        try:
            if self._client is None or self._client.url != self._shop.url:
                self.close()
                self._client = self._shop.client()
            return self._client.put_events(MODEL, batch)
        except BadRequest as error:
            sys.exit(f"The service refuses the batch: {error}")
        except (ClientError, ValueError):  # ValueError: no address while the service starts again
            return None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


def made(name: str, numbers: Sequence[int], draw: random.Random) -> Iterator[dict[str, object]]:
    """The events of a sender; one in ``REFUSED`` is of tomorrow."""
    for number in numbers:
        refused = number % REFUSED == REFUSED - 1
        yield {
            "id": f"{name}-{number}{'-tomorrow' if refused else ''}",
            "type": "click",
            "item": f"item-{draw.randrange(ITEMS)}",
            "user": f"user-{name}-{number // EVENTS_OF_USER}",
            "time": time.time() + (86400 if refused else 0),
        }


def kill_all(
    shop: LocalShop,
    sent: Sent,
    wanted: tuple[int, int],
    draw: random.Random,
    killed: Counter[str],
    finished: threading.Event,
) -> None:
    """Kill in turn, each when a random share of the events was sent; ``wanted`` are the numbers of events and kills."""
    events, kills = wanted
    for number, share in enumerate(sorted(draw.uniform(0.02, 0.95) for _ in range(kills))):
        while len(sent.attempts) < share * events and not finished.wait(0.05):
            pass
        time.sleep(draw.uniform(0, 0.2))
        killed[kill(shop, TARGETS[number % len(TARGETS)])] += 1


def kill(shop: LocalShop, target: str) -> str:
    """Kill the service and start it again, or each worker of a function; returns what was killed."""
    if target == "the service" or shop.process is None:
        shop.kill()
        shop.start()
        return target
    while not (pids := [pid for pid, name in workers(shop.process.pid).items() if name == target]):
        time.sleep(0.01)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return target


def drain(shop: LocalShop) -> None:
    """Wait until the queue is empty; its dead letters come again."""
    queue = SqliteQueue.open(shop.workspace.events.removeprefix("sqlite://"))
    end = time.monotonic() + DRAIN_SECONDS
    while any(((counts := queue.counts()).waiting, counts.in_flight, counts.dead)):
        if time.monotonic() > end:
            sys.exit(f"The queue is not empty after {DRAIN_SECONDS:.0f} s: {counts}")
        if counts.dead and not counts.waiting and not counts.in_flight:
            print(f"{queue.redrive()} dead letters come again")
        time.sleep(0.5)
    queue.close()


def count(shop: LocalShop, sent: Sent) -> Outcome:
    """Compact the log, read it, and compare."""
    store = open_store(shop.workspace.store)
    if problems := compact(store).problems:
        sys.exit(f"The log could not be compacted: {problems}")
    read: Counter[str] = Counter()
    for day in list_days(store, MODEL, "events").values():
        for key in day.keys:
            read.update(str(read_row(line, "events", key)["EVENT_ID"]) for line in read_lines(store.get(key).data, key))
    live = SqliteLiveStore.open(shop.workspace.events.removeprefix("sqlite://"))
    expected = Counter(user for event, user in sent.attempts.items() if event in sent.acknowledged)
    histories = {user: len(live.read(MODEL, user, None).events) for user in expected}
    live.close()
    return Outcome(
        attempts=len(sent.attempts),
        acknowledged=len(sent.acknowledged),
        read=len(read),
        lost=len(sent.acknowledged - read.keys()),
        unexpected=len(read.keys() - sent.attempts.keys() - sent.refused),
        duplicated=sum(times > 1 for times in read.values()),
        recovered=len(read.keys() & sent.attempts.keys() - sent.acknowledged),
        refused=len(sent.refused),
        refused_read=len(read.keys() & sent.refused),
        forgotten=sum(max(0, wanted - histories[user]) for user, wanted in expected.items()),
    )


def main() -> None:
    """Print the counts; exit status 1 if an event was lost, unexpected, duplicated, forgotten, or wrongly taken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--senders", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--port", type=int, default=0, help="the port of the local service [default: a free one]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times")
    options = parser.parse_args()
    nice()
    draw = random.Random(options.seed)  # noqa: S311  # not a secret
    with local_shop(port=options.port) as shop:
        begun = time.monotonic()
        outcome, killed = run(shop, options.events, options.senders, options.kills, draw)
        print(f"{time.monotonic() - begun:.0f} s, killed: {', '.join(f'{n} x {name}' for name, n in killed.items())}")
    for name in Outcome.__dataclass_fields__:
        print(f"{name:13} {getattr(outcome, name):8,}")
    sys.exit(not outcome.is_sound)


if __name__ == "__main__":
    main()
