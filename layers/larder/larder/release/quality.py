"""The quality of a release in one number with its interval, as its manifest states it.

Nothing is computed from data: the manifest has the metric on the test part, its 95 % interval, and what it was tested
on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing

Z: Final = 1.96  # standard errors of a 95 % interval
RECOMMENDER_METRICS: Final = ("recall@20", "ndcg@20")
_CLASSIFIER_METRICS: Final = ("accuracy", "micro_f1", "macro_f1")
_SHARES: Final = frozenset({"accuracy"})  # metrics that are shown as percentages


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value.

    Attributes:
        name: What was measured: a baseline, or ``this release``.
        value: The value.
        low: Lower end of the 95 % interval; ``value`` without an interval.
        high: Upper end of the 95 % interval; ``value`` without an interval.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The standard error that the interval implies."""
        return (self.high - self.low) / (2 * Z)


@dataclass(frozen=True, slots=True)
class Quality:
    """The headline of a release's evaluation.

    Attributes:
        metric: Name of the metric, such as ``accuracy`` or ``recall@20``.
        score: Its value on the test part.
        cases: Number of images or users of the test part.
        baselines: The same metric of the baselines on the same cases, the best first.
        labels: The labels of a classifier; empty for a recommender.
        test: Digest of the data, the split and the seed: equal digests mean the same test part. None if unknown.
    """

    metric: str
    score: Score
    cases: int
    baselines: tuple[Score, ...]
    labels: frozenset[str]
    test: str | None

    def text(self) -> str:
        """Such as ``recall@20 0.2514 (0.2401 to 0.2630) on 830 test users, 1.12 times the best baseline (own items
        again, 0.2245)``.
        """
        measured = f"{self.short()} on {self.tested_on()}"
        if not self.baselines:
            return measured
        best = self.baselines[0]
        if self.metric in _SHARES or best.value <= 0:  # a multiple means little near the maximum of a metric
            return f"{measured}; best baseline: {self.best_baseline()}"
        return f"{measured}, {self.score.value / best.value:.2f} times the best baseline ({self.best_baseline()})"

    def short(self) -> str:
        """The metric, its value and its 95 % interval."""
        score = self.score
        return f"{self.metric} {self.show(score.value)} ({self.show(score.low)} to {self.show(score.high)})"

    def best_baseline(self) -> str:
        """The name and the value of the best baseline; ``none`` without one."""
        return f"{self.baselines[0].name}, {self.show(self.baselines[0].value)}" if self.baselines else "none"

    def tested_on(self) -> str:
        """Such as ``223 test images``."""
        return f"{self.cases:,} test {'images' if self.labels else 'users'}"

    def show(self, value: float) -> str:
        """A value of the metric in three or four digits."""
        return f"{100 * value:.1f} %" if self.metric in _SHARES else f"{value:.4f}"

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "metric": self.metric,
            "value": self.score.value,
            "interval_95": [self.score.low, self.score.high],
            "cases": self.cases,
            "baselines": {baseline.name: baseline.value for baseline in self.baselines},
        }


def quality(manifest: Manifest, metric: str | None = None) -> Quality | None:
    """The headline of a release's evaluation, or its ``metric``; None if its manifest does not have the numbers."""
    try:
        if isinstance(manifest.serving, ClassifierServing):
            return _classifier(manifest, manifest.serving, (metric,) if metric else _CLASSIFIER_METRICS)
        return _recommender(manifest, (metric,) if metric else RECOMMENDER_METRICS)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration):
        return None


def _classifier(manifest: Manifest, serving: ClassifierServing, metrics: Sequence[str]) -> Quality:
    test: Mapping[str, Any] = manifest.evaluation["test"]  # type: ignore[assignment]  # checked by quality()
    metric = next(name for name in metrics if name in test)
    low, high = test.get(f"{metric}_interval_95", (test[metric], test[metric]))
    training: Mapping[str, Any] = manifest.training
    baselines = []
    if metric == "accuracy":
        parts = training["data"]["parts"]["test"]
        label, count = max(parts.items(), key=lambda entry: entry[1])
        baselines.append(_certain(f"always {label!r}", count / sum(parts.values())))
    parent = manifest.evaluation.get("parent")
    if isinstance(parent, Mapping) and metric == "accuracy":
        baselines.append(_certain(f"parent {parent['release']}", parent["parent_accuracy"]))
    constant: Any = manifest.evaluation.get("baselines", {})
    baselines += [_certain(name, values[metric]) for name, values in constant.items() if metric in values]
    return Quality(
        metric=metric,
        score=Score("this release", float(test[metric]), float(low), float(high)),
        cases=int(test["photos"]),
        baselines=_best_first(baselines),
        labels=frozenset(serving.labels),
        test=_digest(
            training["data"].get("fingerprint"),
            training.get("split"),
            manifest.evaluation.get("split"),
            training.get("seed"),
        ),
    )


def _recommender(manifest: Manifest, names: Sequence[str]) -> Quality:
    evaluation: Mapping[str, Any] = manifest.evaluation
    metrics = evaluation["metrics"]
    metric = next(name for name in names if name in metrics)
    baselines = [
        read_score(name.replace("_", " "), values[metric])
        for name, values in evaluation["baselines"].items()
        if metric in values
    ]
    training: Mapping[str, Any] = manifest.training
    interactions = training["data"]["inputs"]["interactions"]
    return Quality(
        metric=metric,
        score=read_score("this release", metrics[metric]),
        cases=int(evaluation["users"]),
        baselines=_best_first(baselines),
        labels=frozenset(),
        test=_digest(interactions, evaluation.get("split"), training.get("order"), training.get("seed")),
    )


def read_score(name: str, values: Mapping[str, Any]) -> Score:
    """A score of a recommender's evaluation, ``{"mean": ..., "interval": [low, high]}``."""
    low, high = values["interval"]
    return Score(name, float(values["mean"]), float(low), float(high))


def _certain(name: str, value: float) -> Score:
    return Score(name, float(value), float(value), float(value))


def _best_first(baselines: Sequence[Score]) -> tuple[Score, ...]:
    return tuple(sorted(baselines, key=lambda baseline: -baseline.value))


def _digest(*parts: object) -> str | None:
    if parts[0] is None:
        return None
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
