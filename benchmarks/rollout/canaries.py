"""Simulates canaries that are watched each minute: how often equal releases seem to differ, and worse ones found.

    python benchmarks/rollout/canaries.py                                  all rows, 10,000 canaries each: minutes
    python benchmarks/rollout/canaries.py --canaries 500 --hours 6         a quick look

Each simulated canary answers its share of the requests for a day. Each minute, a binomial number of the canary's and of
the stable release's requests fail, are clicked on, and take their time (lognormal, with a deviation of 0.5 of the
logarithm). The watch looks after every minute, at errors, the logarithm of the latency, and click-through, with the
intervals of ``larder.rollout.canary.sequential_test``, each at a third of the level.

Equal releases (A/A) give the false alarms: canaries for which any interval at any look excludes no difference. Worse
releases (A/B) give the power, and how many of the canary's requests it took. The z test at the same looks is for
comparison. In the rows of alike callers the releases are equal too, but each caller's ten requests fail alike, which
the intervals do not know.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from larder.rollout.canary.sequential_test import MIN_REQUESTS, TUNED_FOR

Floats = npt.NDArray[np.float64]

DEVIATION: Final = 0.5  # of the logarithm of the latency
CHUNK: Final = 250  # canaries at once, which bounds memory
METRICS: Final = 3
CALLS: Final = 10


@dataclass(frozen=True, slots=True)
class Traffic:
    """What callers send, and how both releases answer.

    Attributes:
        per_minute: Requests a minute, of both releases.
        share: The canary's share of them.
        hours: How long each canary is watched.
        errors: The stable release's and the canary's share of failed requests.
        clicks: Their share of clicked answers.
        slower: The canary's latency divided by the stable release's.
        alike: How much a caller's requests are alike in errors and clicks, the intraclass correlation; 0 if all
            requests are independent. Otherwise each caller sends CALLS requests within a minute.
    """

    per_minute: float
    share: float = 0.05
    hours: float = 24.0
    errors: tuple[float, float] = (0.01, 0.01)
    clicks: tuple[float, float] = (0.03, 0.03)
    slower: float = 1.0
    alike: float = 0.0


@dataclass(frozen=True, slots=True)
class Sums:
    """Running sums of one arm, each of shape (canaries, looks): number, sum and sum of squares."""

    count: Floats
    total: Floats
    squares: Floats


@dataclass(frozen=True, slots=True)
class Found:
    """What the watch found.

    Attributes:
        sequential: The share of canaries with a difference by the confidence sequences.
        naive: The share by z tests of the same level at the same looks.
        requests: The canary's requests until the median of those that the sequences found; None without any.
    """

    sequential: float
    naive: float
    requests: float | None


def boundary(size: Floats, level: float, tuned_for: float = TUNED_FOR) -> Floats:
    """``larder.rollout.canary.sequential_test.boundary`` for an array."""
    log = -2.0 * np.log(level)
    prior = tuned_for / (log + np.log1p(log))
    return np.asarray(np.sqrt((size + prior) / size * (log + np.log1p(size / prior))))


def errors_apart(canary: Sums, stable: Sums) -> tuple[Floats, Floats]:
    """The differences of the means in standard errors as ``compare_means`` has them, and the size for ``boundary``.

    Where an arm has fewer than MIN_REQUESTS requests, the difference is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = canary.count * stable.count / (canary.count + stable.count)
        own = _variance(canary) / canary.count + _variance(stable) / stable.count
        both = Sums(canary.count + stable.count, canary.total + stable.total, canary.squares + stable.squares)
        error = np.sqrt(np.maximum(own, _variance(both) / size))
        apart = (canary.total / canary.count - stable.total / stable.count) / error
    enough = np.minimum(canary.count, stable.count) >= MIN_REQUESTS
    return np.where(enough & (error > 0), apart, 0.0), np.where(enough, size, 1.0)


def simulate(traffic: Traffic, level: float, canaries: int, rng: np.random.Generator) -> Found:
    """Watch so many canaries; ``level`` is for all three metrics together."""
    from scipy.stats import norm

    z = float(norm.isf(level / METRICS / 2))
    sequential = naive = 0
    needed: list[Floats] = []
    for chunk in _chunks(canaries):
        arms = [_arm(traffic, chunk, canary, rng) for canary in (True, False)]
        count = arms[0][0].count
        found = np.zeros(count.shape, dtype=bool)
        naively = np.zeros(count.shape, dtype=bool)
        for canary, stable in zip(*arms, strict=True):
            apart, size = errors_apart(canary, stable)
            found |= np.abs(apart) > boundary(size, level / METRICS)
            naively |= np.abs(apart) > z
        hit = found.any(axis=1)
        sequential += int(hit.sum())
        naive += int(naively.any(axis=1).sum())
        needed.append(count[hit, found[hit].argmax(axis=1)])
    every = np.concatenate(needed)
    return Found(sequential / canaries, naive / canaries, float(np.median(every)) if len(every) else None)


def _arm(traffic: Traffic, canaries: int, canary: bool, rng: np.random.Generator) -> list[Sums]:
    """One arm's running sums: errors, logarithm of the latency, clicks."""
    looks = round(traffic.hours * 60)
    share, which = (traffic.share, 1) if canary else (1 - traffic.share, 0)
    calls = CALLS if traffic.alike else 1
    minutes = calls * rng.poisson(traffic.per_minute * share / calls, (canaries, looks))
    sums = []
    for rate in (traffic.errors[which], traffic.clicks[which]):
        hits = np.cumsum(_hits(minutes, rate, traffic.alike, rng), axis=1, dtype=np.float64)
        sums.append(Sums(np.cumsum(minutes, axis=1, dtype=np.float64), hits, hits))
    mean = np.log(traffic.slower) if canary else 0.0
    # Of n normal values, the mean is normal and the sum of squares about it is chi-squared, independent of the mean.
    means = rng.normal(mean, DEVIATION / np.sqrt(np.maximum(minutes, 1)))
    about = DEVIATION**2 * rng.chisquare(np.maximum(minutes - 1, 1)) * (minutes > 1)
    total = np.cumsum(minutes * means, axis=1)
    sums.insert(1, Sums(sums[0].count, total, np.cumsum(minutes * means**2 + about, axis=1)))
    return sums


def _hits(minutes: npt.NDArray[np.int64], rate: float, alike: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """How many of the requests of each minute fail, or are clicked on."""
    if not alike:
        return rng.binomial(minutes, rate)
    callers = minutes.ravel() // CALLS
    rates = rng.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), callers.sum())
    minute = np.repeat(np.arange(minutes.size), callers)
    hits = np.bincount(minute, weights=rng.binomial(CALLS, rates), minlength=minutes.size)
    return hits.astype(np.int64).reshape(minutes.shape)


def _variance(sums: Sums) -> Floats:
    return np.asarray(np.maximum(sums.squares - sums.total**2 / sums.count, 0.0) / (sums.count - 1))


def _chunks(canaries: int) -> Iterator[int]:
    while canaries > 0:
        yield min(CHUNK, canaries)
        canaries -= CHUNK


def rows(hours: float) -> Iterator[tuple[str, Traffic]]:
    """What is simulated, by name: equal releases first."""
    for per_minute in (20, 200, 2000):
        yield f"equal, {per_minute:,} requests a minute", Traffic(per_minute, hours=hours)
    yield "equal, share 50 %", Traffic(200, share=0.5, hours=hours)
    yield "equal, errors 0.1 %", Traffic(200, errors=(0.001, 0.001), hours=hours)
    for alike in (0.05, 0.1, 0.2):
        yield f"callers alike by {alike:g}", Traffic(20, alike=alike, hours=hours)
    base = Traffic(200, hours=hours)
    for rate in (0.015, 0.02, 0.05):
        yield f"errors 1 % -> {100 * rate:g} %", replace(base, errors=(0.01, rate))
    for slower in (1.02, 1.05, 1.2):
        yield f"latency +{100 * (slower - 1):.0f} %", replace(base, slower=slower)
    for rate in (0.027, 0.024, 0.015):
        yield f"clicks 3 % -> {100 * rate:g} %", replace(base, clicks=(0.03, rate))


def main() -> None:
    """Print the table; exit status 1 if equal releases seem to differ more often than the level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canaries", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--level", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print("| releases | found | by z tests | requests of the canary, median |\n| --- | --- | --- | --- |")
    worst = 0.0
    for name, traffic in rows(options.hours):
        found = simulate(traffic, options.level, options.canaries, rng)
        same = name.startswith(("equal", "callers"))
        requests = f"{found.requests:,.0f}" if found.requests is not None and not same else "-"
        print(f"| {name} | {found.sequential:.2%} | {found.naive:.2%} | {requests} |", flush=True)
        if name.startswith("equal"):  # those of alike callers show what the assumption is worth
            worst = max(worst, found.sequential)
    sys.exit(worst > options.level)


if __name__ == "__main__":
    main()
