"""The qualities of two releases, compared by what their manifests state.

A pure function of two manifests. No data are read: a training measures a release on data that it was not trained on,
and states value, interval and test part.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from larder.release.manifest import Manifest
from larder.release.quality import RECOMMENDER_METRICS, Quality, Z, quality, read_score

_BEFORE: Final = "release_before"

Evidence = Literal["paired", "same test part", "rough", "none"]
"""How two releases were compared: case by case; on the same data, without the cases; on other data; not at all."""


@dataclass(frozen=True, slots=True)
class QualityComparison:
    """A new release and the live one.

    Attributes:
        evidence: How they were compared.
        how: The same as a sentence, or why they were not compared.
        difference: New minus live, in units of the metric; None if they were not compared.
        low: Lower end of the difference's 95 % interval; None if they were not compared.
        high: Its upper end. For rough evidence, both ends are those of intervals that do not overlap: the new value's
            end minus the live value's other end.
    """

    evidence: Evidence
    how: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    def worse(self, margin: float = 0.0) -> bool:
        """Whether the new release is worse by more than ``margin``, beyond noise."""
        return self.high is not None and self.high < -margin


def compare(new: Manifest, live: Manifest, metric: str | None = None) -> QualityComparison:
    """Compare the qualities that two manifests state, by ``metric`` or by the headline of their evaluations.

    The evidence, the best first:

    - the new training compared itself with the live release, case by case (``--compare-with``; ``--parent``, if both
      have the same test part: else the parent may have been trained on it);
    - both were tested on the same test part. The errors count as independent, which makes the interval wider than a
      paired one;
    - otherwise the comparison is rough: worse if the two 95 % intervals do not overlap.

    Classifiers of other labels, other metrics, and manifests without numbers are not compared.
    """
    ours, theirs = quality(new, metric), quality(live, metric)
    same_test = ours is not None and theirs is not None and ours.test is not None and ours.test == theirs.test
    paired = _paired(new, live, metric, same_test=same_test)
    if paired is not None:
        return paired
    if ours is None or theirs is None:
        which, what = "new" if ours is None else "live", metric or "quality"
        return QualityComparison("none", f"Not compared: the {which} release states no {what}.")
    if ours.metric != theirs.metric or ours.labels != theirs.labels:
        what = "metrics" if ours.metric != theirs.metric else "labels"
        return QualityComparison("none", f"Not compared: the releases have other {what}.")
    return _unpaired(ours, theirs, same_test=same_test)


def _unpaired(ours: Quality, theirs: Quality, *, same_test: bool) -> QualityComparison:
    new, live = ours.score, theirs.score
    difference = new.value - live.value
    if same_test:
        half = Z * math.hypot(new.error, live.error)
        how = "Both were tested on the same data."
        return QualityComparison("same test part", how, difference, difference - half, difference + half)
    how = "They were tested on different data, so this comparison is rough."
    return QualityComparison("rough", how, difference, new.low - live.high, new.high - live.low)


def _paired(new: Manifest, live: Manifest, metric: str | None, *, same_test: bool) -> QualityComparison | None:
    """The comparison that the training of ``new`` made with ``live``; None if it made none by this metric."""
    try:
        before: Any = new.evaluation.get(_BEFORE)
        if before is not None and before["release"] == live.release:
            return _paired_ranking(before, metric)
        parent: Any = new.evaluation.get("parent")
        if parent is not None and same_test and parent["release"] == live.release and metric in (None, "accuracy"):
            return _paired_accuracy(parent)
    except (KeyError, TypeError, ValueError, StopIteration):
        pass
    return None


def _paired_ranking(before: Mapping[str, Any], metric: str | None) -> QualityComparison:
    values = before["baselines"][_BEFORE]
    name = metric or next(name for name in RECOMMENDER_METRICS if name in values)
    found = read_score("difference", values[name]["difference"])
    how = f"Its training compared both on the same users, by {name}."
    return QualityComparison("paired", how, found.value, found.low, found.high)


def _paired_accuracy(parent: Mapping[str, Any]) -> QualityComparison:
    """The difference of paired proportions with its 95 % interval, by McNemar's counts."""
    images, lost, won = int(parent["photos"]), int(parent["only_parent_right"]), int(parent["only_new_right"])
    difference = (won - lost) / images
    half = Z * math.sqrt(max(won + lost - (won - lost) ** 2 / images, 0)) / images
    how = "Its training compared both on the same images, by accuracy."
    return QualityComparison("paired", how, difference, difference - half, difference + half)
