"""What live events cost an answer: the function `recommend` with events on and off, side by side.

    python benchmarks/events/overhead.py

Two processes run the function on one core, on copies of the same shop of random tables: in one the model takes events,
in the other it does not. They get the same requests in turn, so that other work on the machine delays both alike. Of
each pair counts the difference of the handler's times, with and without the time that the calls of the live store and
of the queue took: reading the history, and logging the answer. Visitors have no event, or ten.

A cold start is a new process: its imports and its first answer, as its log line states them, and the processor's time
since the process began, which other work on the machine hardly changes. These pairs alternate too.

Stores are SQLite, and DynamoDB with SQS as moto's server in this process has them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import boto3
from local_shop import MODEL, ROOT, write_shop
from moto.server import ThreadedMotoServer

from larder.events.event import Event
from larder.events.opening import open_live_store
from larder.events.settings import EventSettings, write_settings
from larder.store import open_store
from larder_local.gateway.cloudformation import read_template

RECENT: Final = 10
MOST_WARM: Final = 1.0  # milliseconds
MOST_COLD: Final = 20.0
HEAD: Final = "| ms, medians | off | on | of it the store | growth without it |\n| --- | --- | --- | --- | --- |"
_LATE: Final = "could not be read"
_MARK: Final = "@"  # begins the lines that are not the function's log
_WORKER: Final = """
import json, sys, time
import app

spent = 0.0

def timed(owner, name):
    call = getattr(owner, name)
    def measured(*arguments, **options):
        global spent
        begun = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            spent += time.perf_counter() - begun
    setattr(owner, name, measured)

TIMED = {
    "larder.events.aws.dynamodb": ("DynamoDbLiveStore", "read"),
    "larder.events.aws.sqs": ("SqsQueue", "send"),
    "larder.events.sqlite.live_store": ("SqliteLiveStore", "read"),
    "larder.events.sqlite.queue": ("SqliteQueue", "send"),
}
for module, (owner, name) in TIMED.items():
    if module in sys.modules:  # what the function has opened by now: a cold start must load no more
        timed(getattr(sys.modules[module], owner), name)
for line in sys.stdin:
    spent, begun = 0.0, time.perf_counter()
    answer = app.handler(json.loads(line), None)
    took = time.perf_counter() - begun
    document = json.loads(answer["body"])
    warnings = document.get("warnings", [])
    processor = 1e3 * time.process_time()
    found = [1e3 * took, 1e3 * spent, processor, "recommendation_id" in document, warnings]
    print("@" + json.dumps(found), flush=True)
"""


@dataclass
class Pairs:
    """Milliseconds of the same requests with events on and off.

    Attributes:
        on: With events.
        off: Without.
        store: The calls of the store and the queue, of those with events.
    """

    on: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """The median of the pairs' differences, without the store's calls."""
        return statistics.median(on - off - store for on, off, store in zip(self.on, self.off, self.store, strict=True))

    def row(self, name: str) -> str:
        """The numbers as a row of a table."""
        medians = (statistics.median(times) for times in (self.off, self.on, self.store))
        return (
            f"| {name}, {len(self.on)} pairs | "
            + " | ".join(f"{number:.2f}" for number in (*medians, self.growth))
            + " |"
        )


@dataclass(frozen=True)
class Answer:
    """What an answer of the function took.

    Attributes:
        took: Milliseconds of the handler.
        store: Those of the calls of the store and the queue in it.
        processor: Milliseconds of the processor, of all threads since the process began.
        is_late: Whether it did not wait for the store any longer.
        cold: The phases of a cold start; empty for a warm answer.
    """

    took: float
    store: float
    processor: float
    is_late: bool
    cold: Mapping[str, float]


@dataclass(frozen=True)
class Worker:
    """A process that runs the function.

    Attributes:
        process: The process.
        takes_events: Whether its model takes events.
    """

    process: "subprocess.Popen[str]"
    takes_events: bool

    def ask(self, request: str) -> Answer:
        """The answer to a request."""
        sent, received = _pipes(self.process)
        sent.write(request + "\n")
        sent.flush()
        cold: dict[str, float] = {}
        for line in received:
            if line.startswith(_MARK):
                took, spent, processor, has_events, warnings = json.loads(line.removeprefix(_MARK))
                if has_events != self.takes_events:
                    sys.exit("The function did not read its settings of events.")
                return Answer(took, spent, processor, any(_LATE in warning for warning in warnings), cold)
            cold = json.loads(line).get("cold") or cold
        sys.exit(f"The function ended: {self.process.wait()}")


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  # both are pipes
    return process.stdin, process.stdout


@contextmanager
def worker(folder: Path, store: Mapping[str, str], *, takes_events: bool) -> Iterator[Worker]:
    """The function on a core, with the shop of the folder ``on`` or ``off``."""
    name = "on" if takes_events else "off"
    settings = {"STORE": (folder / name).as_uri(), "CACHE_DIR": str(folder / f"cache-{uuid.uuid4()}"), "PRELOAD": MODEL}
    settings |= {"CACHE_BYTES": "200000000", "REFRESH_SECONDS": "30", "MAX_PIXELS": "50000000", "AUTHORIZATION": "NONE"}
    environment = {**os.environ, **{f"LARDER_{key}": value for key, value in settings.items()}, **store}
    environment |= {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
    process = subprocess.Popen(  # noqa: S603  # our own program
        ["taskset", "-c", "0", sys.executable, "-c", _WORKER],  # noqa: S607
        cwd=ROOT / "functions/recommend",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Worker(process, takes_events)
    finally:
        for pipe in _pipes(process):
            pipe.close()
        process.wait()
        shutil.rmtree(settings["CACHE_DIR"], ignore_errors=True)


def request(visitor: str) -> str:
    """The event of API Gateway for a visitor's recommendations."""
    path = f"/v1/models/{MODEL}/recommend"
    context = {"http": {"method": "GET", "path": path}, "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context, "isBase64Encoded": False}
    query = {"session_id": visitor, "n": "20"}
    return json.dumps({**event, "pathParameters": {"model": MODEL}, "queryStringParameters": query, "body": ""})


def answers(text: str, first: Worker, second: Worker) -> tuple[Answer, Answer]:
    """The answers of two functions to a request, one after the other."""
    return first.ask(text), second.ask(text)


def warm(folder: Path, store: Mapping[str, str], visitor: str, requests: int) -> Pairs:
    """Pairs of answers of two warm functions."""
    pairs, text = Pairs(), request(visitor)
    with worker(folder, store, takes_events=True) as on, worker(folder, store, takes_events=False) as off:
        for number in range(-50, requests):
            with_, without = answers(text, on, off) if number % 2 else answers(text, off, on)[::-1]
            if number >= 0 and not with_.is_late:  # a late answer has no events, and costs less
                pairs.on.append(with_.took)
                pairs.off.append(without.took)
                pairs.store.append(with_.store)
    return pairs


def cold(folder: Path, store: Mapping[str, str], visitor: str, rounds: int) -> tuple[Pairs, Pairs]:
    """Pairs of cold starts, by the clock and by the processor's time."""
    clock, processor, text = Pairs(), Pairs(), request(visitor)
    for number in range(rounds):
        for takes_events in (True, False) if number % 2 else (False, True):
            with worker(folder, store, takes_events=takes_events) as started:
                answer = started.ask(text)
            (clock.on if takes_events else clock.off).append(answer.cold["imports"] + answer.cold["answer"])
            (processor.on if takes_events else processor.off).append(answer.processor)
            if takes_events:
                clock.store.append(answer.store)
                processor.store.append(0.0)  # it is part of the processor's time
    return clock, processor


def stores(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The stores that are compared, with the environment of a function that uses them."""
    file = f"sqlite://{folder}/events.db"
    yield "SQLite", {"LARDER_EVENTS_STORE": file, "LARDER_EVENTS_QUEUE": file}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_REGION": "us-east-1"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
        yield "DynamoDB and SQS", _create()
    finally:
        server.stop()


def _create() -> dict[str, str]:
    """Makes the template's table and a queue."""
    template: Any = read_template(ROOT / "template.yaml")
    described = template["Resources"]["EventsTable"]["Properties"]
    keys = ("BillingMode", "AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes")
    dynamodb: Any = boto3.client("dynamodb")
    dynamodb.create_table(TableName="live", **{key: described[key] for key in keys})
    queue = boto3.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
    return {"LARDER_EVENTS_STORE": "dynamodb://live", "LARDER_EVENTS_QUEUE": queue}


def prepare(folder: Path, users: int) -> None:
    """Writes the shop twice: one that takes events, and one that does not."""
    write_shop(folder, users)
    (folder / "store").rename(folder / "on")
    shutil.copytree(folder / "on", folder / "off")
    write_settings(open_store((folder / "on").as_uri()), MODEL, EventSettings(), None)


def main() -> None:
    """Print the tables; exit status 1 if events cost more than they may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000, help="pairs of warm answers")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of cold starts")
    parser.add_argument("--users", type=int, default=10_000)
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="larder-events-") as temporary:
        folder = Path(temporary)
        prepare(folder, options.users)
        print(HEAD)
        for name, store in stores(folder):
            clicks = [Event(str(n), "click", f"item-{n}", time.time() + n, session="busy") for n in range(RECENT)]
            open_live_store(store["LARDER_EVENTS_STORE"]).add(MODEL, clicks, keep=50, seconds=86_400)
            for visitor, what in (("new", "without events"), ("busy", f"with {RECENT} events")):
                pairs = warm(folder, store, visitor, options.requests)
                failed |= pairs.growth > MOST_WARM
                print(pairs.row(f"warm, {name}, a visitor {what}"), flush=True)
            clock, processor = cold(folder, store, "busy", options.rounds)
            failed |= processor.growth > MOST_COLD
            print(clock.row(f"cold start, {name}"))
            print(processor.row(f"cold start, {name}, processor"), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
