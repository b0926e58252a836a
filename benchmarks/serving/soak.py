"""The load of half an hour in five minutes, while workers are killed and a release goes live.

``larder up`` serves the demo; clients send requests to classify and recommend in turn, each at its scheduled time. At
random times a worker is killed; at half-time, new releases of both models are published. Every request must get a
response: 200, or 502 if its worker was killed; and memory must not grow. Run from the repository's root:
``.venv/bin/python benchmarks/serving/soak.py``; without ``--home``, it trains the demo first, which takes a minute.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from gateway_processes import MIB, kill, memory

from larder.release.manifest import parse
from larder_local.keys import local_key
from larder_local.workspace import Workspace
from larder_training.release.writer import write_release

HALF_HOUR = 30 * 60
CLIENTS = 8
WARM = 0.2  # of the time: until then caches fill; growth counts from there
GROWTH = 20 * MIB  # per process; Python's allocator releases memory late, but a leak does not end
PATIENCE = 40.0  # s after the load, since workers read the pointer every 30 s
MODELS = ("digits", "shop")


@dataclass
class Results:
    """The results of all requests.

    Attributes:
        statuses: The number of responses by status; 0 for a connection error.
        releases: The releases that answered.
        failures: Status and text of each failure.
        seconds: The latency of each request.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    releases: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Runs the load and prints the results; exit status 1 if a request was lost or memory grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="duration; the rate stays the same")
    parser.add_argument("--per-second", type=float, default=10.0, help="requests per second of the half hour")
    parser.add_argument("--kills", type=int, default=5, help="number of workers to kill")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times and workers")
    parser.add_argument("--home", type=Path, help="folder with the demo in .larder; default: a new one")
    parser.add_argument("--gateway", type=int, help="process id of a `larder up` that runs in --home")
    options = parser.parse_args()
    with home(options.home) as folder, service(folder, options.gateway) as (address, gateway):
        rate = options.per_second * HALF_HOUR / 300
        draw = random.Random(options.seed)  # noqa: S311  # not a secret
        sys.exit(soak(Workspace(folder / ".larder"), address, gateway, options.minutes * 60, rate, options.kills, draw))


@contextmanager
def home(folder: Path | None) -> Iterator[Path]:
    """The folder to serve from."""
    if folder:
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


@contextmanager
def service(folder: Path, gateway: int | None) -> Iterator[tuple[str, int]]:
    """The address and the process id of a running ``larder up``."""
    state, printed = folder / ".larder" / "service.json", folder / "up.log"
    if gateway is not None:
        yield json.loads(state.read_bytes())["url"], gateway
        return
    command = [sys.executable, "-m", "larder_local", "up", "--port", "0", "--workers", "2"]
    with printed.open("w") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as up:  # noqa: S603  # our own
        try:
            while "Ctrl-C" not in printed.read_text():  # the demo is trained
                if up.poll() is not None:
                    sys.exit(f"larder up ended with {up.returncode}:\n{printed.read_text()}")
                time.sleep(0.1)
            yield json.loads(state.read_bytes())["url"], up.pid
        finally:
            up.terminate()


def soak(
    folder: Workspace, address: str, gateway: int, seconds: float, rate: float, kills: int, draw: random.Random
) -> int:
    """Sends ``rate`` requests per second; returns 0 if only killed workers lost requests and memory did not grow."""
    results, requests = Results(), round(seconds * rate)
    ask = sender(folder, address, results)
    for number in range(2 * CLIENTS):
        ask(number)
    began = time.monotonic()
    killed: list[str] = []
    warm: dict[str, int] = {}
    new_releases: set[str] = set()
    plan: list[tuple[float, Callable[[], object]]] = [
        (seconds * WARM, lambda: warm.update(memory(gateway))),
        (seconds / 2, lambda: new_releases.update(publish(folder, address, model) for model in MODELS)),
    ]
    times = [draw.uniform(seconds * WARM, seconds * 0.9) for _ in range(kills)]
    plan += [(kill_time, lambda: killed.append(kill(gateway, draw))) for kill_time in times]
    numbers = itertools.count()
    clients = [threading.Thread(target=client, args=(numbers, requests, rate, began, ask)) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for action_time, act in sorted(plan, key=lambda action: action[0]):
        time.sleep(max(0.0, began + action_time - time.monotonic()))
        act()
    for thread in clients:
        thread.join()
    took, last = time.monotonic() - began, memory(gateway)
    while not new_releases <= results.releases and time.monotonic() < began + took + PATIENCE:
        time.sleep(0.5)
        for number in range(2 * CLIENTS):
            ask(number)
    return report(results, requests, took, killed, new_releases, warm, last)


def client(numbers: Iterator[int], requests: int, rate: float, began: float, ask: Callable[[int], None]) -> None:
    """Sends requests in turn, each not before its time, until all are sent."""
    for number in numbers:
        if number >= requests:
            return
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        ask(number)


def sender(folder: Workspace, address: str, results: Results) -> Callable[[int], None]:
    """A function that sends request ``number`` on the connection of its thread, and records the result."""
    images = [path.read_bytes() for path in sorted((folder.demo / "digits/test").rglob("*.png"))[:200]]
    users = sorted(set(re.findall(r"\bu\d{4}\b", (folder.demo / "shop/interactions.csv").read_text())))
    local, lock, host = threading.local(), threading.Lock(), urlsplit(address).netloc
    key = {"x-api-key": local_key.read(folder) or ""}

    def ask(number: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(host, timeout=60)
        begun = time.perf_counter()
        try:
            if number % 2:
                user = users[number % len(users)]
                local.connection.request("GET", f"/v1/models/shop/recommend?user={user}&n=10", headers=key)
            else:
                image = images[number % len(images)]
                headers = {**key, "content-type": "image/png"}
                local.connection.request("POST", "/v1/models/digits/classify", image, headers)
            answer = local.connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error).encode()
            local.connection.close()
        with lock:
            results.seconds.append(time.perf_counter() - begun)
            results.statuses[status] += 1
            if status == 200:
                results.releases.add(json.loads(body)["release"])
            else:
                results.failures.append(f"{status} {body.decode(errors='replace')[:200]}")

    return ask


def publish(folder: Workspace, address: str, model: str) -> str:
    """Publishes the release of ``model`` again under a new name; returns the name."""
    old = folder.releases_of(model)[-1]
    manifest = parse((old / "manifest.json").read_bytes())
    release = write_release(
        folder.root / "soak",
        model=model,
        kind=manifest.kind,
        serving=manifest.serving,
        files={name: old / name for name in manifest.files},
        evaluation=manifest.evaluation,
        training=manifest.training,
        structure=manifest.structure,
        created=datetime.now(UTC),
    )
    command = [sys.executable, "-m", "larder_local", "publish", str(release)]
    environment = {**os.environ, "LARDER_URL": address}
    subprocess.run(command, cwd=folder.root.parent, check=True, capture_output=True, env=environment)  # noqa: S603  # our own
    return release.name


def report(
    results: Results,
    requests: int,
    seconds: float,
    killed: list[str],
    new_releases: set[str],
    warm: dict[str, int],
    last: dict[str, int],
) -> int:
    """Prints the results; returns 0 if there was no problem."""
    cuts = statistics.quantiles(results.seconds, n=100)
    print(f"{requests} requests in {seconds:.0f} s: {dict(results.statuses)}")
    print(f"{1e3 * statistics.median(results.seconds):.1f} ms p50, {1e3 * cuts[98]:.1f} ms p99")
    print(f"{len(killed)} workers killed: {', '.join(killed)}")
    for failure in results.failures:
        print(f"  {failure}")
    problems = [f"status {status}" for status in results.statuses if status not in (200, 502)]
    if results.statuses[502] > len(killed):
        problems.append("more requests lost than workers killed")
    if not new_releases <= results.releases:
        problems.append("a new release has not answered")
    for name, size in last.items():
        growth = size - warm.get(name, size)
        print(f"{name:18} {size / MIB:6.1f} MiB, {growth / MIB:+6.1f}")
        problems += [f"{name} grew by {growth / MIB:.1f} MiB"] if growth > GROWTH else []
    print("; ".join(problems) or "only killed workers lost requests, and memory did not grow")
    return bool(problems)


if __name__ == "__main__":
    main()
