"""What the log says of a canary, and whether it is worse than the stable release.

Functions write one JSON line a request (``larder.web.router``), with ``arm`` while a canary answers. Nothing else is
stored, and no request waits for the comparison.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from larder.rollout.canary.sequential_test import Aggregate, Interval, compare_means

LEVEL: Final = 0.05  # the probability that any interval is ever wrong
ERRORS_MARGIN: Final = 0.005
LATENCY_MARGIN: Final = 0.1

Verdict = Literal["promote", "reject", "wait"]


@dataclass(frozen=True, slots=True)
class Arm:
    """The requests that one release answered.

    Attributes:
        errors: 1 for each request that failed by Larder's fault (5xx), 0 for each that was answered.
        latency: The natural logarithm of the milliseconds of each answered request.
    """

    errors: Aggregate
    latency: Aggregate


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of both arms.

    Attributes:
        metric: ``errors``, a share; or ``latency``, the canary's typical time divided by the stable release's, minus 1.
        canary: The canary's share of errors, or its geometric mean in milliseconds.
        stable: The stable release's.
        interval: The difference with its bounds, in units of the metric; None for too few requests.
        margin: How much larger the metric may be.
    """

    metric: Literal["errors", "latency"]
    canary: float
    stable: float
    interval: Interval | None
    margin: float

    @property
    def verdict(self) -> Verdict:
        """Reject if it is surely larger by more than the margin; promote if it is surely not; wait otherwise."""
        if self.interval is None:
            return "wait"
        if self.interval.low > self.margin:
            return "reject"
        return "promote" if self.interval.high <= self.margin else "wait"

    def sentence(self) -> str:
        """Both values, the difference and its bounds."""
        if self.metric == "errors":
            values = f"Errors: {self.canary:.2%} of the canary's requests, {self.stable:.2%} of the live release's"
            unit, scale = " points", 100.0
        else:
            values = f"Latency: {self.canary:.1f} ms of the canary, {self.stable:.1f} ms of the live release"
            unit, scale = " %", 100.0
        if self.interval is None:
            return f"{values}; too few requests to compare."
        shown = (scale * value for value in (self.interval.difference, self.interval.low, self.interval.high))
        difference, low, high = (f"{value:+.2f}" for value in shown)
        return f"{values}: {difference}{unit}, {low} to {high}; the margin is {scale * self.margin:+.2f}."


def read_log(lines: Iterable[str], model: str, canary: str, stable: str) -> tuple[Arm, Arm]:
    """The canary's and the stable release's requests of a log; all other lines are left out.

    Only requests whose caller's key chose the release count: the others never get the canary, so they may differ. A
    line may have a prefix, such as the time that ``aws logs tail`` puts before it.
    """
    arms = {"canary": _Sums(), "stable": _Sums()}
    releases = {"canary": canary, "stable": stable}
    for line in lines:
        record = _record(line)
        arm = record.get("arm")
        if not isinstance(arm, str) or record.get("model") != model or record.get("release") != releases.get(arm):
            continue
        status, milliseconds = record.get("status"), record.get("ms")
        if isinstance(status, int) and isinstance(milliseconds, int | float):
            arms[arm].add(status, milliseconds)
    return arms["canary"].arm(), arms["stable"].arm()


def compare_arms(canary: Arm, stable: Arm) -> tuple[MetricComparison, MetricComparison]:
    """Errors and latency of both arms, by intervals that all hold at all looks with a probability of 95 %."""
    level = LEVEL / 2
    # As if one more request of the canary had failed: none of a hundred does not show that there are no errors.
    least = 1 / canary.errors.count if canary.errors.count else 0.0
    errors = compare_means(canary.errors, stable.errors, level=level, least_variance=least)
    logarithms = compare_means(canary.latency, stable.latency, level=level)
    ratio = logarithms and Interval(
        math.expm1(logarithms.difference), math.expm1(logarithms.low), math.expm1(logarithms.high)
    )
    return (
        MetricComparison("errors", canary.errors.mean, stable.errors.mean, errors, ERRORS_MARGIN),
        MetricComparison(
            "latency", math.exp(canary.latency.mean), math.exp(stable.latency.mean), ratio, LATENCY_MARGIN
        ),
    )


def decide(comparisons: Iterable[MetricComparison]) -> Verdict:
    """Reject for any metric that is worse; promote if none can be; wait for more requests otherwise."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if "reject" in verdicts:
        return "reject"
    return "wait" if "wait" in verdicts else "promote"


class _Sums:
    """An arm that is being summed."""

    def __init__(self) -> None:
        self._errors: list[int] = [0, 0]
        self._latency: list[float] = [0.0, 0.0]

    def add(self, status: int, milliseconds: float) -> None:
        if 400 <= status < 500:  # the caller's fault
            return
        self._errors[0] += 1
        if status >= 500:
            self._errors[1] += 1
            return
        logarithm = math.log(max(milliseconds, 1e-3))
        self._latency[0] += logarithm
        self._latency[1] += logarithm * logarithm

    def arm(self) -> Arm:
        count, failed = self._errors
        return Arm(Aggregate(count, failed, failed), Aggregate(count - failed, *self._latency))


def _record(line: str) -> Mapping[str, object]:
    start = line.find("{")
    try:
        record = json.loads(line[start:]) if start >= 0 else {}
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
