"""The quality of a release in one number with its interval, from its manifest, and the comparison of two releases.

Nothing is computed from data: the manifest has the metric on the test part, its 95 % interval, and what it was tested
on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing

_Z: Final = 1.96  # standard errors of a 95 % interval
_RECOMMENDER_METRICS: Final = ("recall@20", "ndcg@20")
_CLASSIFIER_METRICS: Final = ("accuracy", "micro_f1", "macro_f1")
_BEFORE: Final = "release_before"
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
        return (self.high - self.low) / (2 * _Z)


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


@dataclass(frozen=True, slots=True)
class QualityComparison:
    """A new release and the live one.

    Attributes:
        difference: New minus live, in units of the metric; None if the two cannot be compared.
        worse: Whether the new release is worse beyond noise.
        how: How they were compared, or why they were not, as a sentence.
    """

    difference: float | None
    worse: bool
    how: str


def quality(manifest: Manifest) -> Quality | None:
    """The headline of a release's evaluation; None if its manifest does not have the numbers."""
    try:
        if isinstance(manifest.serving, ClassifierServing):
            return _classifier(manifest, manifest.serving)
        return _recommender(manifest)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration):
        return None


def compare(new: Manifest, live: Manifest) -> QualityComparison:
    """Compares the qualities that two manifests state.

    Three kinds of evidence, the best first:

    - the new training compared itself with the live release, case by case (``--compare-with``; ``--parent``, if both
      have the same test part: else the parent may have been trained on it);
    - both were tested on the same test part: worse if the 95 % interval of the difference is below 0. The errors count
      as independent, which makes the interval wider than a paired one;
    - otherwise the comparison is rough: worse if the two 95 % intervals do not overlap.

    Classifiers of other labels, other metrics, and manifests without numbers are not compared.
    """
    ours, theirs = quality(new), quality(live)
    same_test = ours is not None and theirs is not None and ours.test is not None and ours.test == theirs.test
    paired = _paired(new, live, same_test=same_test)
    if paired is not None:
        return paired
    if ours is None or theirs is None:
        which = "new" if ours is None else "live"
        return QualityComparison(None, worse=False, how=f"Not compared: the {which} release states no quality.")
    if ours.metric != theirs.metric or ours.labels != theirs.labels:
        what = "metrics" if ours.metric != theirs.metric else "labels"
        return QualityComparison(None, worse=False, how=f"Not compared: the releases have other {what}.")
    difference = ours.score.value - theirs.score.value
    if same_test:
        error = math.hypot(ours.score.error, theirs.score.error)
        worse = difference + _Z * error < 0
        return QualityComparison(difference, worse, "Both were tested on the same data.")
    worse = ours.score.high < theirs.score.low
    return QualityComparison(difference, worse, "They were tested on different data, so this comparison is rough.")


def _classifier(manifest: Manifest, serving: ClassifierServing) -> Quality:
    test: Mapping[str, Any] = manifest.evaluation["test"]  # type: ignore[assignment]  # checked by quality()
    metric = next(name for name in _CLASSIFIER_METRICS if name in test)
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


def _recommender(manifest: Manifest) -> Quality:
    evaluation: Mapping[str, Any] = manifest.evaluation
    metrics = evaluation["metrics"]
    metric = next(name for name in _RECOMMENDER_METRICS if name in metrics)
    baselines = [
        _score(name.replace("_", " "), values[metric])
        for name, values in evaluation["baselines"].items()
        if metric in values
    ]
    training: Mapping[str, Any] = manifest.training
    interactions = training["data"]["inputs"]["interactions"]
    return Quality(
        metric=metric,
        score=_score("this release", metrics[metric]),
        cases=int(evaluation["users"]),
        baselines=_best_first(baselines),
        labels=frozenset(),
        test=_digest(interactions, evaluation.get("split"), training.get("order"), training.get("seed")),
    )


def _paired(new: Manifest, live: Manifest, *, same_test: bool) -> QualityComparison | None:
    """The comparison that the training of ``new`` made with ``live``; None if it made none."""
    try:
        before: Any = new.evaluation.get(_BEFORE)
        if before is not None and before["release"] == live.release:
            return _paired_ranking(before)
        parent: Any = new.evaluation.get("parent")
        if parent is not None and same_test and parent["release"] == live.release:
            return _paired_accuracy(parent)
    except (KeyError, TypeError, ValueError, StopIteration):
        pass
    return None


def _paired_ranking(before: Mapping[str, Any]) -> QualityComparison:
    values = before["baselines"][_BEFORE]
    metric = next(name for name in _RECOMMENDER_METRICS if name in values)
    difference = _score("difference", values[metric]["difference"])
    return QualityComparison(
        difference.value, difference.high < 0, f"Its training compared both on the same users, by {metric}."
    )


def _paired_accuracy(parent: Mapping[str, Any]) -> QualityComparison:
    """Worse if the 95 % interval of the difference of paired proportions is below 0 (McNemar's counts)."""
    images, lost, won = int(parent["photos"]), int(parent["only_parent_right"]), int(parent["only_new_right"])
    difference = (won - lost) / images
    error = math.sqrt(max(won + lost - (won - lost) ** 2 / images, 0)) / images
    return QualityComparison(
        difference, difference + _Z * error < 0, "Its training compared both on the same images, by accuracy."
    )


def _score(name: str, values: Mapping[str, Any]) -> Score:
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
