"""Splits a data set into train, validation and test, stratified by class; images of one group stay together."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import PARTS, Part
from larder_training.classifier.data.grouping import MIN_GROUPS
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.reporting.counts import counted

_LISTED: Final = 50  # small classes that an error lists
FEW_GROUPS: Final = 20  # per class; classes with fewer give validation and test less than their shares


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """The samples of each part.

    Attributes:
        labels: The classes, in the order of the model's outputs.
        parts: The samples by part.
        straddling: Samples left out because an image of their group is in a part that is evaluated.
        stated: Whether the split is that of the list or of the folders.
        together: What stays together in a random split.
        cut: Parts that a stated split lacks, as a whole or for a class, and that were cut from train.
        method: How images are assigned to a part that is not stated.
    """

    labels: tuple[str, ...]
    parts: Mapping[Part, tuple[Sample, ...]]
    straddling: tuple[Sample, ...]
    stated: bool
    together: str = "near-duplicates together"
    cut: tuple[Part, ...] = ()
    method: str = "at random by class"

    def describe(self) -> str:
        """The split in one sentence, to report with every number that depends on it."""
        sizes = ", ".join(f"{len(self.parts[part]):,} {part}" for part in PARTS)
        how = "as the data states" if self.stated else f"{self.method}, {self.together}"
        cut = f"; {' and '.join(self.cut)} cut from train {self.method} where missing" if self.cut else ""
        return f"{sizes} images, split {how}{cut}"


def split_dataset(scan: DatasetScan, *, validation: float, test: float, seed: int) -> DatasetSplit:
    """Splits as the data states if it does for every image, else at random.

    For a part that a stated split lacks, or that lacks a class, images are cut from train.

    If images of a group are in different parts of a manifest's split, those of one part stay: of test before validation
    before train.

    Args:
        scan: The samples.
        validation: Share of the validation part in a random split.
        test: Share of the test part in a random split.
        seed: Random seed.

    Raises:
        InvalidRequest: A class has too few different images, or only some images have a split.
    """
    stated = states_parts(scan)
    _check_classes(scan)
    labels = tuple(sorted({sample.image.label for sample in scan.samples}))
    shares: dict[Part, float] = {"validation": validation, "test": test}
    cut: list[Part] = []
    if stated:
        parts, straddling = by_manifest(scan.samples)
        cut = [part for part in shares if _cut_missing(part, shares[part], parts, labels, seed)]
    else:
        parts, straddling = _at_random(scan.samples, shares, seed), []
    final = {part: tuple(parts[part]) for part in PARTS}
    result = DatasetSplit(labels, final, tuple(straddling), stated, scan.together, tuple(cut))
    _check_parts(result)
    return result


def states_parts(scan: DatasetScan) -> bool:
    """Whether the data state the split. Raises InvalidRequest if they do for some images only."""
    stated = {sample.image.part is not None for sample in scan.samples}
    if stated == {True, False}:
        raise InvalidRequest(
            "Some images have a split and others do not. Fill in the whole split column, or leave it empty."
        )
    return stated == {True}


def _check_classes(scan: DatasetScan) -> None:
    bad = Counter(image.label for image, _ in scan.bad)
    groups: defaultdict[str, set[int]] = defaultdict(set)
    for sample in scan.samples:
        groups[sample.image.label].add(sample.group)
    left_out = Counter(image.label for image in (*scan.copies, *scan.conflicts))
    labels = sorted({*groups, *bad, *left_out} - {""})  # an entry without a label is of no class
    small = [label for label in labels if len(groups[label]) < MIN_GROUPS]
    if not small:
        return
    one, many = (
        ("group of usable images", "groups of usable images") if scan.stated else ("different usable image", None)
    )
    described = [
        f"{label!r} has {counted(len(groups[label]), one, many)} ({counted(bad[label], 'bad file')}, "
        f"{counted(left_out[label], 'copy or conflicting label', 'copies or conflicting labels')})"
        for label in small[:_LISTED]
    ]
    more = f"; and {counted(len(small) - _LISTED, 'more class', 'more classes')}" if len(small) > _LISTED else ""
    usable = Counter(sample.image.label for sample in scan.samples)
    grouped = any(usable[label] >= MIN_GROUPS for label in small)  # it would suffice without groups
    remedy = f"Add images, {'state other groups with --groups (none: no groups), ' if grouped else ''}or remove "
    raise InvalidRequest(
        f"Class {'; '.join(described)}{more}. At least {MIN_GROUPS} are needed for each class. {remedy}"
        f"{'the class' if len(small) == 1 else 'the classes'}."
    )


def _check_parts(split: DatasetSplit) -> None:
    for part in PARTS:
        present = {sample.image.label for sample in split.parts[part]}
        missing = [label for label in split.labels if label not in present]
        if missing:
            raise InvalidRequest(
                f"The {part} part has no image of {', '.join(missing[:5])}. Add images, or leave the split column "
                "empty to split at random."
            )


def by_manifest(samples: Sequence[Sample]) -> tuple[Mapping[Part, list[Sample]], list[Sample]]:
    """The samples by the part that the data state, and those that are left out: a copy is in a later part."""
    rank = {part: position for position, part in enumerate(PARTS)}
    latest: dict[int, int] = {}  # the last part that each group is in
    for sample in samples:
        latest[sample.group] = max(latest.get(sample.group, 0), rank[sample.image.part or "train"])
    parts: Mapping[Part, list[Sample]] = {part: [] for part in PARTS}
    straddling = []
    for sample in samples:
        part = sample.image.part or "train"
        if rank[part] < latest[sample.group]:
            straddling.append(sample)
        else:
            parts[part].append(sample)
    return parts, straddling


def _cut_missing(
    part: Part, share: float, parts: Mapping[Part, list[Sample]], labels: Sequence[str], seed: int
) -> bool:
    """Moves images of the classes that ``part`` lacks from train to it; whether there were any."""
    missing = set(labels) - {sample.image.label for sample in parts[part]}
    available = [sample for sample in parts["train"] if sample.image.label in missing]
    if not available:
        return False
    cut = _at_random(available, {part: share}, seed)
    parts[part].extend(cut[part])
    moved = {sample.image.name for sample in cut[part]}
    parts["train"][:] = [sample for sample in parts["train"] if sample.image.name not in moved]
    return True


def _at_random(samples: Sequence[Sample], shares: Mapping[Part, float], seed: int) -> Mapping[Part, list[Sample]]:
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    classes: defaultdict[str, list[list[Sample]]] = defaultdict(list)
    # Sorted by content, so that the split does not depend on file names.
    for members in sorted(groups.values(), key=lambda members: min(sample.digest for sample in members)):
        counts = Counter(sample.image.label for sample in members)
        classes[min(counts, key=lambda label: (-counts[label], label))].append(members)
    parts: Mapping[Part, list[Sample]] = {part: [] for part in PARTS}
    random = np.random.default_rng(seed)
    all_shares = {"train": 1 - sum(shares.values()), **shares}
    for label in sorted(classes):
        shuffled = [classes[label][position] for position in random.permutation(len(classes[label]))]
        _assign(shuffled, {part: all_shares[part] for part in PARTS if part in all_shares}, parts)
    return {part: sorted(parts[part], key=lambda sample: sample.image.name) for part in PARTS}


def _assign(groups: list[list[Sample]], shares: Mapping[Part, float], parts: Mapping[Part, list[Sample]]) -> None:
    """Assigns each group, large ones first, to the part that lacks most; the last ones fill empty parts.

    In a class of few groups, validation and test get their share rounded down, but at least one image.
    """
    total = sum(len(group) for group in groups)
    target = {part: share * total for part, share in shares.items()}
    if len(groups) < FEW_GROUPS:
        evaluated = [part for part in shares if part != "train"]
        target |= {part: max(1.0, float(int(target[part]))) for part in evaluated}
        target["train"] = total - sum(target[part] for part in evaluated)
    need = dict(target)
    groups.sort(key=len, reverse=True)
    for position, group in enumerate(groups):
        remaining = len(groups) - position
        empty: list[Part] = [part for part in shares if need[part] == target[part]]
        choice = empty[0] if remaining <= len(empty) else max(shares, key=lambda part: need[part])
        need[choice] -= len(group)
        parts[choice].extend(group)
