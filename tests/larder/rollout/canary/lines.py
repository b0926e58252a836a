"""Log lines of a canary, as functions write them."""

import json
import math
import random
from datetime import UTC, datetime

OLD, NEW = "20260101t000000z-00000001", "20260102t000000z-00000002"
START = datetime(2026, 1, 3, tzinfo=UTC)
START_MS = int(1000 * START.timestamp())


def line(arm: str | None, release: str | None, *, status: int = 200, ms: float = 5.0, **more: object) -> str:
    """The line of an answered request."""
    record = {"route": "POST /", "model": "pets", "release": release, "arm": arm, "status": status, "ms": ms}
    return json.dumps({**record, "time": START_MS, **more})


def begun(arm: str, release: str, request: str, *, time: int = START_MS) -> str:
    """The line of a request that has begun."""
    return json.dumps(
        {"begun": True, "model": "pets", "release": release, "arm": arm, "request": request, "time": time}
    )


def log(
    rng: random.Random,
    requests: int,
    share: float,
    *,
    failing: float = 0.01,
    slower: float = 1.0,
    unknown: float = 0.02,
    cats: float = 0.5,
) -> list[str]:
    """A log of requests: the stable release fails in 1 % and takes 5 ms, the canary as stated.

    2 % of the stable release's images are unknown, and half of them are cats.
    """
    lines = []
    for _ in range(requests):
        canary = rng.random() < share
        arm, release = ("canary", NEW) if canary else ("stable", OLD)
        status = 500 if rng.random() < (failing if canary else 0.01) else 200
        ms = rng.lognormvariate(math.log(5.0 * (slower if canary else 1.0)), 0.5)
        label = "cat" if rng.random() < (cats if canary else 0.5) else "dog"
        unlike = rng.random() < (unknown if canary else 0.02)
        lines.append(line(arm, release, status=status, ms=ms, unknown=unlike, label=label))
    return lines
