"""The metrics of a canary beside those of the live release, and what follows from each.

All intervals hold at all looks at once, with a probability of 95 % for all metrics together: each gets an equal part of
the level, also one of which nothing is known yet.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from larder.registry.policy import RolloutPolicy
from larder.release.manifest import Kind
from larder.release.pointer import Arm
from larder.rollout.canary.sequential_test import Aggregate, Interval, compare_means
from larder.rollout.canary.tally import ArmTally

LEVEL: Final = 0.05  # the probability that any interval is ever wrong
LABELS_MARGIN: Final = 0.1
CLICKS_MARGIN: Final = 0.01

Metric = Literal["errors", "latency", "unknown", "labels", "clicks"]
Verdict = Literal["promote", "reject", "wait"]
METRICS: Final[Mapping[Kind, tuple[Metric, ...]]] = {
    "classifier": ("errors", "latency", "unknown", "labels"),
    "recommender": ("errors", "latency", "clicks"),
}
_DELAYS: Final = ("errors", "latency", "unknown")  # the others are shown, and only what is surely worse counts


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of both releases.

    Attributes:
        metric: ``errors``, ``unknown`` and ``clicks`` are shares; ``latency`` is the canary's typical time divided by
            the live release's, minus 1; ``labels`` is the share of the label whose share changed the most.
        canary: The canary's value; for the latency its geometric mean in milliseconds.
        stable: The live release's.
        requests: The number of values of the canary and of the live release.
        interval: The difference with its bounds, in units of the metric; None for too few requests.
        margin: How much worse the metric may be: larger, for ``clicks`` smaller, for ``labels`` either.
        label: The label of ``labels``; None for other metrics, and for images that got no label.
    """

    metric: Metric
    canary: float
    stable: float
    requests: tuple[int, int]
    interval: Interval | None
    margin: float
    label: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Reject if it is surely worse by more than the margin; promote if it is surely not, or need not be sure."""
        least, most = self._worse()
        if least > self.margin:
            return "reject"
        return "wait" if self.metric in _DELAYS and not most <= self.margin else "promote"

    @property
    def beyond(self) -> bool:
        """Whether what was measured is worse by more than the margin, sure or not. Few errors count, few times not."""
        if self.metric == "errors":
            return bool(self.requests[0]) and self.canary - self.stable > self.margin
        if self.interval is None or self.metric not in _DELAYS:
            return False
        return self.interval.difference > self.margin

    def _worse(self) -> tuple[float, float]:
        """By how much it is worse at least, and at most."""
        if self.interval is None:
            return -math.inf, math.inf
        low, high = self.interval.low, self.interval.high
        if self.metric == "clicks":
            return -high, -low
        return (max(low, -high), max(-low, high)) if self.metric == "labels" else (low, high)

    def sentence(self) -> str:
        """Both values, the difference and its bounds."""
        if self.metric == "latency":
            values = f"Latency: {self.canary:.1f} ms of the canary, {self.stable:.1f} ms of the live release"
        else:
            of = {
                "errors": "Errors",
                "unknown": "Unknown images",
                "clicks": "Click-through",
                "labels": f"The label {self.label!r}" if self.label else "Images without a label",
            }[self.metric]
            values = f"{of}: {self.canary:.2%} of the canary's, {self.stable:.2%} of the live release's"
        if self.interval is None:
            return f"{values}; too few requests to compare."
        bounds = (self.interval.difference, self.interval.low, self.interval.high)
        difference, low, high = (f"{100 * value:+.2f}" for value in bounds)
        unit = " %" if self.metric == "latency" else " points"
        sign = {"clicks": "-", "labels": "±"}.get(self.metric, "+")
        return f"{values}: {difference}{unit}, {low} to {high}; the margin is {sign}{100 * self.margin:.2f}."


def compare_arms(
    arms: Mapping[Arm, ArmTally],
    kind: Kind,
    policy: RolloutPolicy,
    *,
    labels: int,
    clicks: Mapping[Arm, Aggregate],
) -> tuple[MetricComparison, ...]:
    """The metrics of which something is known; errors and latency always.

    Args:
        arms: The requests of both releases.
        kind: The kind of the model, which says what there is to measure.
        policy: The margins.
        labels: The number of labels that both releases know, each of which gets an equal part of the level; 0 if they
            know different ones, whose shares say nothing.
        clicks: The impressions of both releases and those that were clicked on; empty for a classifier.
    """
    canary, stable = arms["canary"], arms["stable"]
    level = LEVEL / len(METRICS[kind])
    found = [
        _shares("errors", canary.errors, stable.errors, level, policy.errors_margin),
        _latency(canary.latency, stable.latency, level, policy.latency_margin),
    ]
    if canary.unknown.count + stable.unknown.count:
        found.append(_shares("unknown", canary.unknown, stable.unknown, level, policy.unknown_margin))
        if labels:
            found.append(_labels(canary, stable, level, labels))
    if clicks and clicks["canary"].count:
        found.append(_shares("clicks", clicks["canary"], clicks["stable"], level, CLICKS_MARGIN))
    return tuple(found)


def decide(comparisons: Iterable[MetricComparison]) -> Verdict:
    """Reject for any metric that is worse; promote if none can be; wait for more requests otherwise."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if "reject" in verdicts:
        return "reject"
    return "wait" if "wait" in verdicts else "promote"


def _shares(
    metric: Metric, canary: Aggregate, stable: Aggregate, level: float, margin: float, label: str | None = None
) -> MetricComparison:
    # As if one more of the canary's requests had been a hit: none of a hundred does not show that there are none.
    least = 1 / canary.count if canary.count else 0.0
    interval = compare_means(canary, stable, level=level, least_variance=least)
    counts = canary.count, stable.count
    return MetricComparison(metric, canary.mean, stable.mean, counts, interval, margin, label)


def _latency(canary: Aggregate, stable: Aggregate, level: float, margin: float) -> MetricComparison:
    logarithms = compare_means(canary, stable, level=level)
    ratio = logarithms and Interval(
        math.expm1(logarithms.difference), math.expm1(logarithms.low), math.expm1(logarithms.high)
    )
    typical, live = (math.exp(arm.mean) if arm.count else 0.0 for arm in (canary, stable))
    return MetricComparison("latency", typical, live, (canary.count, stable.count), ratio, margin)


def _labels(canary: ArmTally, stable: ArmTally, level: float, known: int) -> MetricComparison:
    """The label that is surely beyond the margin, else the one whose share changed the most."""
    names = sorted(canary.labels.keys() | stable.labels.keys())
    each = level / (known + 1)  # one more: images without a label

    def count(tally: ArmTally, name: str) -> Aggregate:
        hits = float(tally.labels.get(name, 0))
        return Aggregate(tally.unknown.count, hits, hits)

    found = [
        _shares("labels", count(canary, name), count(stable, name), each, LABELS_MARGIN, name or None) for name in names
    ]
    return max(found, key=lambda entry: (entry.verdict == "reject", abs(entry.canary - entry.stable)))
