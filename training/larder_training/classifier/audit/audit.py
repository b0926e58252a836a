"""Audits labelled images before a training: bad files, copies, small classes and label errors.

An audit reports and changes nothing. A training leaves out only files that it cannot use (``scan``, ``splits``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from larder_training.classifier.audit.label_errors import LabelError, find_label_errors
from larder_training.classifier.audit.multi_label_errors import find_multi_label_errors
from larder_training.classifier.config.context import ClassifierContext
from larder_training.classifier.data.grouping import MIN_GROUPS
from larder_training.classifier.data.label_leaks import LabelLeak, find_leaks
from larder_training.classifier.data.manifests import LabelledImage
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.classifier.data.splits import FEW_GROUPS
from larder_training.classifier.features.backbone import FeatureGraph
from larder_training.classifier.features.extract import FeatureExtractor
from larder_training.classifier.features.views import plain_views
from larder_training.reporting.counts import counted

UNEVEN: Final = 5.0  # the imbalance from which the summary mentions it
_GOOD: Final = 0.95  # share of labels that are predicted; below it, the audit says that its suspicions are weak
LISTED: Final = 1000  # entries of a list in the JSON document; counts are complete


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Counts of one class.

    Attributes:
        label: The class.
        images: Number of usable images.
        different: Number of groups of near-duplicates among them.
        label_errors: Number of likely label errors among them.
    """

    label: str
    images: int
    different: int
    label_errors: int


@dataclass(frozen=True, slots=True)
class ImageAudit:
    """The findings of an audit.

    Attributes:
        scan: Usable and unusable files.
        classes: Counts of each class, sorted by label.
        near_duplicate_groups: Groups of two or more near-duplicates; none if the user states the groups.
        label_errors: Likely label errors, the lowest confidence first.
        checked_labels: Number of images whose label was checked: those of classes with at least two groups. Of
            multi-label data, the number of pairs of an image and a label.
        leaks: Columns of the list that reveal the label.
        agreement: Share of these whose label is what models on the features predict, out of fold; of multi-label data,
            the micro F1 of the predictions. None if none was checked.
        builtin: Whether the features are the built-in ones, not those of a backbone.
    """

    scan: DatasetScan
    classes: tuple[ClassStatistics, ...]
    near_duplicate_groups: tuple[tuple[Sample, ...], ...]
    label_errors: tuple[LabelError, ...]
    checked_labels: int
    leaks: tuple[LabelLeak, ...] = ()
    agreement: float | None = None
    builtin: bool = False

    @property
    def conflicting_groups(self) -> tuple[tuple[Sample, ...], ...]:
        """The groups of near-duplicates with more than one label."""
        return tuple(
            members for members in self.near_duplicate_groups if len({sample.image.label for sample in members}) > 1
        )

    @property
    def multi_label(self) -> bool:
        """Whether an image has any number of labels."""
        return any(sample.image.label_set is not None for sample in self.scan.samples)

    @property
    def small_classes(self) -> tuple[ClassStatistics, ...]:
        """The classes with fewer than ``FEW_GROUPS`` different images."""
        return tuple(statistics for statistics in self.classes if statistics.different < FEW_GROUPS)

    @property
    def imbalance(self) -> float | None:
        """Images of the largest class divided by those of the smallest; None if a class has none."""
        counts = sorted(statistics.images for statistics in self.classes)
        return counts[-1] / counts[0] if counts and counts[0] else None

    def describe(self) -> str:
        """A summary in one line, for the log."""
        errors = len(self.label_errors)
        findings = [f"{counted(errors, 'label')} {'looks' if errors == 1 else 'look'} wrong"]
        if self.scan.alike:
            images = sum(map(len, self.scan.alike))
            findings.append(f"{images} images look alike without evidence that they are copies")
        if self.conflicting_groups:
            findings.append(f"{counted(len(self.conflicting_groups), 'group')} of near-duplicates with several labels")
        if self.small_classes:
            names = [statistics.label for statistics in self.small_classes]
            named = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            findings.append(
                f"{counted(len(names), 'class', 'classes')} with fewer than {FEW_GROUPS} different images ({named})"
            )
        findings += [leak.describe() for leak in self.leaks]
        if self.imbalance is None or self.imbalance >= UNEVEN:
            findings.append("the classes differ much in size")
        return f"Audit of {len(self.scan.samples):,} images: {'; '.join(findings)}"

    def trust(self) -> str | None:
        """How far the label errors can be trusted, by the measured accuracy of the features; None without a check."""
        if self.agreement is None:
            return None
        text = f"How far to trust this: models on {'the built-in features' if self.builtin else 'these features'} "
        if self.multi_label:
            text += f"reach a micro F1 of {self.agreement:.2f} out of fold. "
            contradicted = "Labels are wrong"
        else:
            checked = [statistics.images for statistics in self.classes if statistics.different > 1]
            most = max(checked) / sum(checked)
            text += f"predict {self.agreement:.1%} of the labels out of fold (always the largest class: {most:.1%}). "
            contradicted = f"They contradict {1 - self.agreement:.1%} of the labels: so many are wrong"
        if self.agreement >= _GOOD:
            return text + "A label that they contradict deserves a look."
        advice = " A backbone finds label errors much better: leave out --backbone none." if self.builtin else ""
        return (
            f"{text}{contradicted}, or the features are too weak to judge them. Expect false suspicions, and label "
            f"errors that are not found.{advice}"
        )

    def printed(self) -> dict[str, object]:
        """What ``larder audit --json`` prints: ``document``, and what the reader of the data chose and found."""
        return {**self.document(), "notes": list(self.scan.notes)}

    def document(self) -> dict[str, object]:
        """The findings, JSON-ready: every count, and the first ``LISTED`` entries of each list."""
        scan = self.scan
        return {
            "photos": len(scan.samples),
            "classes": {
                statistics.label: {
                    "photos": statistics.images,
                    "different": statistics.different,
                    "suspects": statistics.label_errors,
                }
                for statistics in self.classes
            },
            "tiny_classes": [statistics.label for statistics in self.small_classes],
            "imbalance": None if self.imbalance is None else round(self.imbalance, 2),
            "bad": _listed(len(scan.bad), ({"file": image.name, "reason": reason} for image, reason in scan.bad)),
            "copies": _listed(len(scan.copies), map(_name, scan.copies)),
            "conflicting": _listed(len(scan.conflicts), map(_name, scan.conflicts)),
            "near_duplicates": _listed(scan.near_duplicates, map(_names, self.near_duplicate_groups)),
            "near_duplicates_of_other_labels": _listed(
                len(self.conflicting_groups), map(_names, self.conflicting_groups)
            ),
            "alike": _listed(len(scan.alike), map(_names, scan.alike)),
            "together": scan.together,
            "leaking_columns": [{"columns": list(leak.columns), "reason": leak.reason} for leak in self.leaks],
            "suspects": {
                "judged": self.checked_labels,
                "agreement": None if self.agreement is None else round(self.agreement, 6),
                **_listed(len(self.label_errors), map(_error_entry, self.label_errors)),
            },
        }


def audit(scan: DatasetScan, features: FeatureGraph, context: ClassifierContext) -> ImageAudit:
    """Audits the usable images of a scan; label errors are found in the features of the images as they are served.

    A training with the same images and features finds the features in the cache.
    """
    counts = Counter(label for sample in scan.samples for label in sample.image.classes)
    groups: defaultdict[str, set[int]] = defaultdict(set)
    sizes = Counter(group for group, _ in {(sample.group, sample.image.file_name) for sample in scan.samples})
    members: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in scan.samples:
        for label in sample.image.classes:
            groups[label].add(sample.group)
        if sizes[sample.group] > 1 and not scan.stated:
            members[sample.group].append(sample)
    if context.options.multi_label:
        label_errors, checked, agreement = find_multi_label_errors(scan.samples, features, context)
    else:
        checkable = [sample for sample in scan.samples if len(groups[sample.image.label]) > 1]
        label_errors, agreement = _label_errors(checkable, features, context)
        checked = len(checkable)
    error_counts = Counter(error.label or error.sample.image.label for error in label_errors)
    unusable = (*(image for image, _ in scan.bad), *scan.copies, *scan.conflicts)
    left_out = (label for image in unusable for label in image.classes)
    left_out = (label for label in left_out if label)  # an entry without a label is of no class
    classes = [
        ClassStatistics(label, counts[label], len(groups[label]), error_counts[label])
        for label in sorted({*counts, *left_out})
    ]
    near_duplicate_groups = tuple(tuple(samples) for samples in members.values())
    # A multi-label training uses no side information, which could leak.
    leaks = [] if context.options.multi_label else find_leaks(scan.samples, _columns(scan))
    return ImageAudit(
        scan=scan,
        classes=tuple(classes),
        near_duplicate_groups=near_duplicate_groups,
        label_errors=tuple(label_errors),
        checked_labels=checked,
        leaks=tuple(leaks),
        agreement=agreement,
        builtin="builtin" in features.description,
    )


def _columns(scan: DatasetScan) -> set[str]:
    """The columns of the list that are side information by default."""
    stated = scan.stated.column if scan.stated else None
    return {name for sample in scan.samples for name in sample.image.side} - {stated}


def untrainable_classes(audit: ImageAudit) -> tuple[ClassStatistics, ...]:
    """The classes that a training refuses."""
    return tuple(statistics for statistics in audit.classes if statistics.different < MIN_GROUPS)


def _label_errors(
    samples: Sequence[Sample], features: FeatureGraph, context: ClassifierContext
) -> tuple[list[LabelError], float | None]:
    """The likely label errors, and the share of labels that are predicted out of fold."""
    names, labels = np.unique([sample.image.label for sample in samples], return_inverse=True)
    if len(names) < 2:
        return [], None
    extract = FeatureExtractor.of(features, context)
    rows = extract(plain_views(samples, features.image_spec), "Features for the audit")[:, : features.dimensions]
    groups = np.array([sample.group for sample in samples])
    check = find_label_errors(rows, labels.astype(np.int64), groups, seed=context.seed, progress=context.progress)
    label_errors = []
    for position in check.label_errors:
        probabilities = check.probabilities[position]
        best = int(probabilities.argmax())
        own, proposed = float(probabilities[labels[position]]), float(probabilities[best])
        label_errors.append(LabelError(samples[position], round(own, 6), str(names[best]), round(proposed, 6)))
    return label_errors, float((check.probabilities.argmax(axis=1) == labels).mean())


def _listed(count: int, entries: Iterable[object]) -> dict[str, object]:
    return {"count": count, "first": list(islice(entries, LISTED))}


def _name(image: LabelledImage) -> str:
    return image.name


def _names(samples: Iterable[Sample]) -> list[Mapping[str, str]]:
    return [{"file": sample.image.name, "label": sample.image.label} for sample in samples]


def _error_entry(error: LabelError) -> Mapping[str, object]:
    return {
        "file": error.sample.image.name,
        "label": error.stated,
        "confidence": error.confidence,
        "proposed": error.proposed,
        "proposed_confidence": error.proposed_confidence,
    }
