"""Looks through the photos before anything is learnt: what is broken, double, rare, or probably labelled wrong.

An audit tells; it changes nothing. Only what cannot be used is left out of a training, and ``scan`` and ``split`` do
that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from larder_training.classifier.audit.label_errors import find_label_errors
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.classifier.data.splits import FEW_GROUPS, MIN_GROUPS
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import plain_views

UNEVEN: Final = 5.0  # the largest class over the smallest, from which balance is worth a word
NAMED: Final = 1000  # entries of a list in a document; counts are always whole


@dataclass(frozen=True, slots=True)
class LabelError:
    """A photo whose label looks wrong.

    ``confidence`` is what models that had not seen the photo give its label, ``proposed`` the label that they would
    give, with ``proposed_confidence``.
    """

    sample: Sample
    confidence: float
    proposed: str
    proposed_confidence: float


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """A class: its usable photos, how many different pictures they are, and how many of its labels look wrong."""

    label: str
    images: int
    different: int
    label_errors: int


@dataclass(frozen=True, slots=True)
class ImageAudit:
    """What was found. ``judged`` photos were asked for wrong labels; classes of a single picture cannot be."""

    scan: DatasetScan
    classes: tuple[ClassStatistics, ...]
    near_duplicate_groups: tuple[tuple[Sample, ...], ...]
    label_errors: tuple[LabelError, ...]
    checked_labels: int

    @property
    def conflicting_groups(self) -> tuple[tuple[Sample, ...], ...]:
        """The groups of near-duplicates that have more than one label."""
        return tuple(members for members in self.near_duplicate_groups if len({one.image.label for one in members}) > 1)

    @property
    def small_classes(self) -> tuple[ClassStatistics, ...]:
        """The classes with few different photos."""
        return tuple(one for one in self.classes if one.different < FEW_GROUPS)

    @property
    def imbalance(self) -> float | None:
        """The largest class's photos over the smallest's; None where a class has none."""
        counts = sorted(one.images for one in self.classes)
        return counts[-1] / counts[0] if counts and counts[0] else None

    def describe(self) -> str:
        """The findings in one line, for the log."""
        said = [f"{len(self.label_errors)} labels look wrong"]
        if self.conflicting_groups:
            said.append(f"{len(self.conflicting_groups)} groups of near-duplicates have several labels")
        if self.small_classes:
            named = ", ".join(one.label for one in self.small_classes[:5]) + (
                ", ..." if len(self.small_classes) > 5 else ""
            )
            said.append(f"{len(self.small_classes)} classes have under {FEW_GROUPS} different photos ({named})")
        if self.imbalance is None or self.imbalance >= UNEVEN:
            said.append("the classes are of very different size")
        return f"Audit of {len(self.scan.samples)} photos: {'; '.join(said)}"

    def document(self) -> dict[str, object]:
        """JSON-ready: every count, and the first ``NAMED`` names of each list."""
        scan = self.scan
        return {
            "photos": len(scan.samples),
            "classes": {
                one.label: {"photos": one.images, "different": one.different, "suspects": one.label_errors}
                for one in self.classes
            },
            "tiny_classes": [one.label for one in self.small_classes],
            "imbalance": None if self.imbalance is None else round(self.imbalance, 2),
            "bad": _listed(len(scan.bad), ({"file": photo.name, "reason": reason} for photo, reason in scan.bad)),
            "copies": _listed(len(scan.copies), map(_name, scan.copies)),
            "conflicting": _listed(len(scan.conflicts), map(_name, scan.conflicts)),
            "near_duplicates": _listed(scan.near_duplicates, map(_names, self.near_duplicate_groups)),
            "near_duplicates_of_other_labels": _listed(
                len(self.conflicting_groups), map(_names, self.conflicting_groups)
            ),
            "suspects": {
                "judged": self.checked_labels,
                **_listed(len(self.label_errors), map(_told, self.label_errors)),
            },
        }


def audit(scan: DatasetScan, features: FeatureGraph, context: ClassifierContext) -> ImageAudit:
    """Judges the photos that ``scan`` kept; wrong labels are looked for in the features of the photos as served.

    A training with the same photos and features finds the features in the cache.
    """
    counts = Counter(checked.image.label for checked in scan.samples)
    groups: defaultdict[str, set[int]] = defaultdict(set)
    sizes = Counter(checked.group for checked in scan.samples)
    members: defaultdict[int, list[Sample]] = defaultdict(list)
    for checked in scan.samples:
        groups[checked.image.label].add(checked.group)
        if sizes[checked.group] > 1:
            members[checked.group].append(checked)
    judged = [checked for checked in scan.samples if len(groups[checked.image.label]) > 1]
    suspects = _suspects(judged, features, context)
    wrong = Counter(suspect.sample.image.label for suspect in suspects)
    left_out = (photo.label for photo in (*(photo for photo, _ in scan.bad), *scan.copies, *scan.conflicts))
    classes = [
        ClassStatistics(label, counts[label], len(groups[label]), wrong[label])
        for label in sorted({*counts, *left_out})
    ]
    doubles = tuple(tuple(alike) for alike in members.values())
    return ImageAudit(scan, tuple(classes), doubles, tuple(suspects), len(judged))


def untrainable_classes(found: ImageAudit) -> tuple[ClassStatistics, ...]:
    """The classes that a training refuses."""
    return tuple(one for one in found.classes if one.different < MIN_GROUPS)


def _suspects(photos: Sequence[Sample], features: FeatureGraph, context: ClassifierContext) -> list[LabelError]:
    names, labels = np.unique([checked.image.label for checked in photos], return_inverse=True)
    if len(names) < 2:
        return []
    extract = FeatureExtractor.of(features, context)
    rows = extract(plain_views(photos, features.image_spec), "Features for the audit")[:, : features.dimensions]
    groups = np.array([checked.group for checked in photos])
    found = find_label_errors(rows, labels.astype(np.int64), groups, seed=context.seed, progress=context.progress)
    suspects = []
    for position in found.label_errors:
        likely = found.probabilities[position]
        best = int(likely.argmax())
        own, other = float(likely[labels[position]]), float(likely[best])
        suspects.append(LabelError(photos[position], round(own, 6), str(names[best]), round(other, 6)))
    return suspects


def _listed(count: int, entries: Iterable[object]) -> dict[str, object]:
    return {"count": count, "first": list(islice(entries, NAMED))}


def _name(photo: LabelledImage) -> str:
    return photo.name


def _names(members: Iterable[Sample]) -> list[Mapping[str, str]]:
    return [{"file": checked.image.name, "label": checked.image.label} for checked in members]


def _told(suspect: LabelError) -> Mapping[str, object]:
    return {
        "file": suspect.sample.image.name,
        "label": suspect.sample.image.label,
        "confidence": suspect.confidence,
        "proposed": suspect.proposed,
        "proposed_confidence": suspect.proposed_confidence,
    }
