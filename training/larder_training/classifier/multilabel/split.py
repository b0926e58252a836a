"""Splits images with several labels into train, validation and test."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from larder.errors import InvalidRequest
from larder_training.classifier.data.formats.entries import PARTS, Part
from larder_training.classifier.data.grouping import MIN_GROUPS
from larder_training.classifier.data.labels import label_matrix
from larder_training.classifier.data.scan import DatasetScan, Sample
from larder_training.classifier.data.splits import DatasetSplit, by_manifest, states_parts
from larder_training.classifier.multilabel.stratification import iterative_stratification
from larder_training.classifier.selection.training_set import groups_of
from larder_training.reporting.counts import counted

METHOD: Final = "by iterative stratification over the labels"
_LISTED: Final = 20  # labels that an error names


def split_images(scan: DatasetScan, *, validation: float, test: float, seed: int) -> DatasetSplit:
    """Splits as the data state if they do for every image, else by iterative stratification.

    A part that a stated split lacks is cut from train.

    Args:
        scan: The samples.
        validation: Share of the validation part in a random split.
        test: Share of the test part in a random split.
        seed: Random seed.

    Raises:
        InvalidRequest: A label has too few images with or without it, or only some images have a split.
    """
    stated = states_parts(scan)
    labels = tuple(sorted({label for sample in scan.samples for label in sample.image.classes}))
    _check_labels(scan, labels)
    shares: dict[Part, float] = {"validation": validation, "test": test}
    straddling: list[Sample] = []
    cut: list[Part] = []
    if stated:
        found, straddling = by_manifest(scan.samples)
        parts = dict(found)
        cut = [part for part in shares if not parts[part]]
        divided = _at_random(parts["train"], labels, {part: shares[part] for part in cut}, seed)
        parts |= {part: divided[part] for part in ("train", *cut)}
    else:
        parts = _at_random(scan.samples, labels, shares, seed)
    split = DatasetSplit(
        labels,
        {part: tuple(parts[part]) for part in PARTS},
        tuple(straddling),
        stated,
        scan.together,
        tuple(cut),
        METHOD,
    )
    _check_train(split)
    return split


def _at_random(
    samples: Sequence[Sample], labels: Sequence[str], shares: dict[Part, float], seed: int
) -> dict[Part, list[Sample]]:
    names: tuple[Part, ...] = ("train", *shares)
    if not shares:
        return {"train": list(samples)}
    # By content, so that the split does not depend on file names.
    by_content = sorted(range(len(samples)), key=lambda position: samples[position].digest)
    order = np.random.default_rng(seed).permutation(by_content)
    part_of = iterative_stratification(
        label_matrix(samples, labels), groups_of(samples), [1 - sum(shares.values()), *shares.values()], order.tolist()
    )
    return {
        name: sorted(
            (sample for sample, part in zip(samples, part_of, strict=True) if part == number),
            key=lambda sample: sample.image.name,
        )
        for number, name in enumerate(names)
    }


def _check_labels(scan: DatasetScan, labels: Sequence[str]) -> None:
    groups: defaultdict[str, set[int]] = defaultdict(set)
    images: Counter[str] = Counter()
    for sample in scan.samples:
        for label in sample.image.classes:
            groups[label].add(sample.group)
            images[label] += 1
    problems = [
        f"{label!r} has {counted(len(groups[label]), 'different usable image')}"
        for label in labels
        if len(groups[label]) < MIN_GROUPS
    ]
    problems += [
        f"{label!r} is missing from {counted(len(scan.samples) - images[label], 'image')} only"
        for label in labels
        if len(scan.samples) - images[label] < MIN_GROUPS
    ]
    if len(labels) < 2:
        problems.append(f"there {'is one label' if labels else 'is not any label'}, and a classifier needs two")
    if problems:
        more = "; ..." if len(problems) > _LISTED else ""
        raise InvalidRequest(
            f"{'; '.join(problems[:_LISTED])}{more}. At least {MIN_GROUPS} images with each label and as many without "
            "it are needed. Add images, or remove the label."
        )


def _check_train(split: DatasetSplit) -> None:
    for part in PARTS:
        if not split.parts[part]:
            raise InvalidRequest(f"The {part} part has no image. Add images, or leave the split column empty.")
    truth = label_matrix(split.parts["train"], split.labels)
    for label, count in zip(split.labels, truth.sum(axis=0).tolist(), strict=True):
        if count in {0, len(truth)}:
            which = "no image" if not count else "only images"
            raise InvalidRequest(
                f"The train part has {which} with {label!r}. Add images, or leave the split column empty to split at "
                "random."
            )
