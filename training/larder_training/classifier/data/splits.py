"""Cuts the photos into train, validation and test, by class and never through a group of near-duplicates."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from larder.errors import InvalidRequest
from larder_training.classifier.data.manifests import PARTS, Part
from larder_training.classifier.data.scan import DatasetScan, Sample

MIN_GROUPS: Final = 5  # different pictures a class: three to learn from, one to calibrate on, one to test
FEW_GROUPS: Final = 20  # different pictures a class, under which learning needs each more than judging does


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """The photos of each part, the labels in their order, and what was left out because another part shows it."""

    labels: tuple[str, ...]
    parts: Mapping[Part, tuple[Sample, ...]]
    straddling: tuple[Sample, ...]
    stated: bool

    def describe(self) -> str:
        """The split in one sentence, to stand beside every number that comes from it."""
        sizes = ", ".join(f"{len(self.parts[part])} {part}" for part in PARTS)
        how = "as the manifest states it" if self.stated else "at random by class, near-duplicates together"
        return f"{sizes} photos, split {how}"


def split_dataset(scan: DatasetScan, *, validation: float, test: float, seed: int) -> DatasetSplit:
    """Splits by the manifest's own column where every photo has it, else at random.

    A manifest's split is kept, but where near-duplicates straddle it only those of the part that is judged on stay
    (test before validation before train). Raises InvalidRequest where a class keeps too few different photos.
    """
    stated = {sample.image.part is not None for sample in scan.samples}
    if stated == {True, False}:
        raise InvalidRequest(
            "Some photos have a split and some have none. Fill in the split column, or leave it empty."
        )
    _check_classes(scan)
    labels = tuple(sorted({sample.image.label for sample in scan.samples}))
    if stated == {True}:
        parts, straddling = _as_stated(scan.samples)
    else:
        parts, straddling = _at_random(scan.samples, {"validation": validation, "test": test}, seed), []
    result = DatasetSplit(labels, {part: tuple(parts[part]) for part in PARTS}, tuple(straddling), stated == {True})
    _check_parts(result)
    return result


def _check_classes(scan: DatasetScan) -> None:
    bad = Counter(photo.label for photo, _ in scan.bad)
    groups: defaultdict[str, set[int]] = defaultdict(set)
    for sample in scan.samples:
        groups[sample.image.label].add(sample.group)
    left_out = Counter(photo.label for photo in (*scan.copies, *scan.conflicts))
    for label in sorted({*groups, *bad, *left_out}):
        if len(groups[label]) < MIN_GROUPS:
            raise InvalidRequest(
                f"Class {label!r} has {len(groups[label])} different photos that can be used ({bad[label]} files are "
                f"bad, {left_out[label]} are copies or have conflicting labels); at least {MIN_GROUPS} are needed. "
                "Add photos, or take the class out."
            )


def _check_parts(split: DatasetSplit) -> None:
    for part in PARTS:
        present = {sample.image.label for sample in split.parts[part]}
        missing = [label for label in split.labels if label not in present]
        if missing:
            raise InvalidRequest(
                f"The {part} part has no photo of {', '.join(missing[:5])}. Add photos of it, or leave the split "
                "column empty so that Larder splits."
            )


def _as_stated(samples: Sequence[Sample]) -> tuple[Mapping[Part, list[Sample]], list[Sample]]:
    rank = {part: position for position, part in enumerate(PARTS)}
    judged: dict[int, int] = {}
    for sample in samples:
        judged[sample.group] = max(judged.get(sample.group, 0), rank[sample.image.part or "train"])
    parts: Mapping[Part, list[Sample]] = {part: [] for part in PARTS}
    straddling = []
    for sample in samples:
        part = sample.image.part or "train"
        if rank[part] < judged[sample.group]:
            straddling.append(sample)
        else:
            parts[part].append(sample)
    return parts, straddling


def _at_random(samples: Sequence[Sample], shares: Mapping[Part, float], seed: int) -> Mapping[Part, list[Sample]]:
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    classes: defaultdict[str, list[list[Sample]]] = defaultdict(list)
    # Sorted by content, so that renaming files changes nothing.
    for members in sorted(groups.values(), key=lambda members: min(sample.digest for sample in members)):
        counts = Counter(sample.image.label for sample in members)
        classes[min(counts, key=lambda label: (-counts[label], label))].append(members)
    parts: Mapping[Part, list[Sample]] = {part: [] for part in PARTS}
    random = np.random.default_rng(seed)
    wanted = {"train": 1 - sum(shares.values()), **shares}
    for label in sorted(classes):
        shuffled = [classes[label][position] for position in random.permutation(len(classes[label]))]
        _deal(shuffled, {part: wanted[part] for part in PARTS}, parts)
    return {part: sorted(parts[part], key=lambda sample: sample.image.name) for part in PARTS}


def _deal(groups: list[list[Sample]], shares: Mapping[Part, float], parts: Mapping[Part, list[Sample]]) -> None:
    """Gives each group, large ones first, to the part that still lacks most; the last ones fill what is empty.

    The judged parts of a class of few groups get their share rounded down, but one photo at least.
    """
    total = sum(len(group) for group in groups)
    wanted = {part: shares[part] * total for part in PARTS}
    if len(groups) < FEW_GROUPS:
        wanted |= {part: max(1.0, float(int(wanted[part]))) for part in PARTS[1:]}
        wanted["train"] = total - sum(wanted[part] for part in PARTS[1:])
    need = dict(wanted)
    groups.sort(key=len, reverse=True)
    for position, group in enumerate(groups):
        lacking = len(groups) - position
        empty: list[Part] = [part for part in PARTS if need[part] == wanted[part]]
        choice = empty[0] if lacking <= len(empty) else max(PARTS, key=lambda part: need[part])
        need[choice] -= len(group)
        parts[choice].extend(group)
