"""Half an hour's load in five minutes, on this machine alone, while workers are killed and a release goes live.

``larder up`` serves the demo; clients ask classify and recommend in turn, each request at its own appointed time. At
random moments a worker is killed; half-way, a new release of both models is published. In the end every request must
have had an answer: 200, or 502 where its worker was killed under it; nothing may have grown. Run from the repository's
root: ``.venv/bin/python benchmarks/serving/soak.py``; the first time it trains the demo, which takes a minute.
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
from larder_local.workspace import Workspace
from larder_training.release.writer import write_release

HALF_HOUR = 30 * 60
CLIENTS = 8
WARM = 0.2  # of the time: caches fill and every worker has answered; growth counts from there
GROWTH = 20 * MIB  # of one process; Python's allocator gives back late, a leak does not stop
PATIENCE = 40.0  # s after the load, for a worker to look which release is live: it does each 30 s
MODELS = ("digits", "shop")


@dataclass
class Seen:
    """What came back, request by request."""

    statuses: Counter[int] = field(default_factory=Counter)
    releases: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Runs the load and tells what came of it; exit status 1 where something was lost or grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long; the load per second stays the same")
    parser.add_argument("--per-second", type=float, default=10.0, help="requests a second of the half hour")
    parser.add_argument("--kills", type=int, default=5, help="how many workers are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the workers")
    parser.add_argument("--home", type=Path, help="a folder with the demo in .larder; by default a new one")
    parser.add_argument("--gateway", type=int, help="the process of a `larder up` that runs in --home already")
    given = parser.parse_args()
    with home(given.home) as folder, service(folder, given.gateway) as (address, gateway):
        rate = given.per_second * HALF_HOUR / 300
        draw = random.Random(given.seed)  # noqa: S311  # which worker dies is no secret
        sys.exit(soak(Workspace(folder / ".larder"), address, gateway, given.minutes * 60, rate, given.kills, draw))


@contextmanager
def home(given: Path | None) -> Iterator[Path]:
    """The folder to serve from."""
    if given:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def service(folder: Path, gateway: int | None) -> Iterator[tuple[str, int]]:
    """Address and process of a running ``larder up``."""
    address = folder / ".larder" / "address"
    if gateway is not None:
        yield address.read_text().strip(), gateway
        return
    command = [sys.executable, "-m", "larder_local", "up", "--port", "0", "--workers", "2"]
    with (folder / "up.log").open("w") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as up:  # noqa: S603  # our own
        try:
            while not address.exists():
                if up.poll() is not None:
                    sys.exit(f"larder up ended with {up.returncode}:\n{(folder / 'up.log').read_text()}")
                time.sleep(0.1)
            yield address.read_text().strip(), up.pid
        finally:
            up.terminate()


def soak(
    folder: Workspace, address: str, gateway: int, seconds: float, rate: float, kills: int, draw: random.Random
) -> int:
    """Sends ``rate`` requests a second for so long; 0 where nothing was lost that need not be, and nothing grew."""
    seen, requests = Seen(), round(seconds * rate)
    ask = asking(folder, address, seen)
    for number in range(2 * CLIENTS):
        ask(number)
    began = time.monotonic()
    killed: list[str] = []
    warm: dict[str, int] = {}
    further: set[str] = set()
    plan: list[tuple[float, Callable[[], object]]] = [
        (seconds * WARM, lambda: warm.update(memory(gateway))),
        (seconds / 2, lambda: further.update(publish(folder, address, model) for model in MODELS)),
    ]
    moments = [draw.uniform(seconds * WARM, seconds * 0.9) for _ in range(kills)]
    plan += [(moment, lambda: killed.append(kill(gateway, draw))) for moment in moments]
    numbers = itertools.count()
    clients = [threading.Thread(target=client, args=(numbers, requests, rate, began, ask)) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for moment, act in sorted(plan, key=lambda each: each[0]):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        act()
    for thread in clients:
        thread.join()
    took, last = time.monotonic() - began, memory(gateway)
    while not further <= seen.releases and time.monotonic() < began + took + PATIENCE:
        time.sleep(0.5)
        for number in range(2 * CLIENTS):
            ask(number)
    return report(seen, requests, took, killed, further, warm, last)


def client(numbers: Iterator[int], requests: int, rate: float, began: float, ask: Callable[[int], None]) -> None:
    """Sends one request after the other, none before its time, until all have been sent."""
    for number in numbers:
        if number >= requests:
            return
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        ask(number)


def asking(folder: Workspace, address: str, seen: Seen) -> Callable[[int], None]:
    """What sends request ``number``, on a connection that each client keeps, and notes what comes."""
    pictures = [path.read_bytes() for path in sorted((folder.demo / "digits/test").rglob("*.png"))[:200]]
    users = sorted(set(re.findall(r"\bu\d{4}\b", (folder.demo / "shop/interactions.csv").read_text())))
    local, lock, host = threading.local(), threading.Lock(), urlsplit(address).netloc

    def ask(number: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(host, timeout=60)
        begun = time.perf_counter()
        try:
            if number % 2:
                user = users[number % len(users)]
                local.connection.request("GET", f"/v1/models/shop/recommend?user={user}&n=10")
            else:
                picture = pictures[number % len(pictures)]
                local.connection.request("POST", "/v1/models/digits/classify", picture, {"content-type": "image/png"})
            answer = local.connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error).encode()
            local.connection.close()
        with lock:
            seen.seconds.append(time.perf_counter() - begun)
            seen.statuses[status] += 1
            if status == 200:
                seen.releases.add(json.loads(body)["release"])
            else:
                seen.failures.append(f"{status} {body.decode(errors='replace')[:200]}")

    return ask


def publish(folder: Workspace, address: str, model: str) -> str:
    """A further release of ``model``, the same under a later name, published as one would; returns that name."""
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
    seen: Seen,
    requests: int,
    seconds: float,
    killed: list[str],
    further: set[str],
    warm: dict[str, int],
    last: dict[str, int],
) -> int:
    """Prints what came of it; 0 where all is as it should be."""
    cuts = statistics.quantiles(seen.seconds, n=100)
    print(f"{requests} requests in {seconds:.0f} s: {dict(seen.statuses)}")
    print(f"{1e3 * statistics.median(seen.seconds):.1f} ms p50, {1e3 * cuts[98]:.1f} ms p99")
    print(f"{len(killed)} workers killed: {', '.join(killed)}")
    for failure in seen.failures:
        print(f"  {failure}")
    wrong = [f"{status} came back" for status in seen.statuses if status not in (200, 502)]
    if seen.statuses[502] > len(killed):
        wrong.append("more requests were lost than workers were killed")
    if not further <= seen.releases:
        wrong.append("a new release never answered")
    for name, held in last.items():
        grown = held - warm.get(name, held)
        print(f"{name:18} {held / MIB:6.1f} MiB of its own, {grown / MIB:+6.1f}")
        wrong += [f"{name} grew by {grown / MIB:.1f} MiB"] if grown > GROWTH else []
    print("; ".join(wrong) or "nothing was lost but what a killed worker was at, and nothing grew")
    return bool(wrong)


if __name__ == "__main__":
    main()
