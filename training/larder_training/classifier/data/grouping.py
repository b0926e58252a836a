"""Decides which images stay together in the split, and which only look alike.

Near-duplicates are copies: re-encoded, scaled or slightly cropped files, frames of a burst or of a video. Images of one
fixed camera look as similar, but differ in what the label is about. Labels separate the two. Copies have one label,
apart from label errors; a common background has the labels of the data set. So a group is not evidence of copies if its
labels are more mixed than label errors explain, or if it holds so much of a class that no split can be made with it.

Within such a group, images still count as copies if they have one label and are much nearer to each other than to any
other image of the group.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.stats import binom

from larder_training.classifier.data.near_duplicates import (
    MAX_DIFFERENCE,
    Groups,
    group_near_duplicates,
    merge_groups,
    relative_thumbnails,
)

MIN_GROUPS: Final = 5  # per class: three for training, one for validation, one for testing
MOST: Final = 0.7  # of a class: what the training part gets of it by default
LABEL_ERRORS: Final = 0.1  # share of wrong labels that is possible: test sets have up to 10.1 % (Northcutt et al. 2021)
CHANCE: Final = 0.01  # that label errors of this share mix the labels of a group as much
ISOLATION: Final = 1.5  # how much farther the nearest other image of the group is than the copies are from each other
ROUNDING: Final = 0.41  # difference of equal thumbnails, each rounded to whole numbers: sqrt(2 / 12)
MAX_IMAGES: Final = 4_000  # of a group that copies are searched in: memory and time grow with the square


@dataclass(frozen=True, slots=True)
class Grouping:
    """Images that stay together, and images that only look alike.

    Attributes:
        groups: ``[n]``: for each image, the lowest position in its group.
        alike: Positions of the images of each group that is not evidence of copies.
        notes: Sentences for the user.
    """

    groups: Groups
    alike: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()


def group_copies(labels: Sequence[str], hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> Grouping:
    """Groups near-duplicates, except where their labels show that they only look alike.

    Args:
        labels: ``[n]``.
        hashes: ``[n]``, from ``near_duplicates.dhash``.
        thumbnails: ``[n, 864]``, from ``near_duplicates.downscale``; may be memory-mapped.
    """
    groups = group_near_duplicates(hashes, thumbnails)
    found = _members(groups)
    names = np.array(labels)
    alike = _alike(found, names, groups)
    for members in alike:
        groups[members] = members
    sizes, isolated = Counter(names.tolist()), Counter[str]()
    for members in alike:
        for copies in _isolated(members, names, thumbnails):
            label = str(names[copies[0]])
            isolated[label] += len(copies) - 1
            if sizes[label] - isolated[label] >= MIN_GROUPS:  # a chance likeness must not make a small class too small
                groups[copies] = copies.min()
    return Grouping(groups, tuple(tuple(members.tolist()) for members in alike))


def join_sources(found: Grouping, labels: Sequence[str], sources: Sequence[str | None]) -> Grouping:
    """Joins the groups of boxes that are cut out of one image, unless a class then has too few groups.

    Args:
        found: The groups of near-duplicates, or as stated.
        labels: ``[n]``.
        sources: ``[n]``: the image that each one is cut out of; None: a whole file.
    """
    if not any(sources):
        return found
    position: dict[str, int] = {}
    rows = [row for row, source in enumerate(sources) if source is not None]
    firsts = [position.setdefault(str(sources[row]), row) for row in rows]
    joined = merge_groups(found.groups, [np.array([rows, firsts]).T])
    before, after = _variety(labels, found.groups), _variety(labels, joined)
    few = sorted(label for label, groups in after.items() if groups < MIN_GROUPS <= before[label])
    if few:
        note = (
            f"The boxes of {', '.join(few[:5])} come from fewer than {MIN_GROUPS} images, so boxes of one image may be "
            "in different parts of the split, and the accuracy on other images may be lower"
        )
        return replace(found, notes=(*found.notes, note))
    return replace(found, groups=joined)


def _variety(labels: Sequence[str], groups: Groups) -> Counter[str]:
    """The number of groups of each class."""
    return Counter(label for label, _ in set(zip(labels, groups.tolist(), strict=True)))


def _members(groups: Groups) -> list[NDArray[np.int64]]:
    """The positions of the images of each group of two or more."""
    order = np.argsort(groups, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [piece for piece in pieces if len(piece) > 1]


def _alike(found: Sequence[NDArray[np.int64]], labels: NDArray[np.str_], groups: Groups) -> list[NDArray[np.int64]]:
    """The groups that are not evidence of copies: those that fill a class, and those whose labels are mixed."""
    sizes = Counter(labels.tolist())
    variety = _variety(labels.tolist(), groups)
    alike, others = [], []
    for members in found:
        counts = Counter(labels[members].tolist())
        filled = any(_fills(count, sizes[label], variety[label]) for label, count in counts.items())
        if filled or _mixed(counts.total() - max(counts.values()), counts.total()):
            alike.append(members)
        else:
            others.append((members, counts.total() - max(counts.values())))
    # Each of many small groups has too few images to be judged by itself.
    if _mixed(sum(minority for _, minority in others), sum(len(members) for members, _ in others)):
        alike += [members for members, minority in others if minority]
    return alike


def _fills(count: int, size: int, variety: int) -> bool:
    """Whether ``count`` of the ``size`` images of a class, in ``variety`` groups, are too many for any part."""
    return size >= MIN_GROUPS and (count > MOST * size or (variety < MIN_GROUPS and count > size / 2))


def _mixed(minority: int, images: int) -> bool:
    """Whether more images differ in label from the most frequent label of their group than label errors explain."""
    return images > 0 and bool(binom.sf(minority - 1, images, LABEL_ERRORS) < CHANCE)


def _isolated(
    members: NDArray[np.int64], labels: NDArray[np.str_], thumbnails: NDArray[np.uint8]
) -> Iterator[NDArray[np.int64]]:
    """The largest sets of images with one label that are much nearer to each other than to the rest."""
    if len(members) > MAX_IMAGES:
        return
    rows = relative_thumbnails(thumbnails[members])
    waiting: list[tuple[ClusterNode, float]] = [(to_tree(linkage(rows, "single")), MAX_DIFFERENCE)]
    sizes = Counter(labels[members].tolist())
    while waiting:
        node, distance_to_others = waiting.pop()
        if node.is_leaf():
            continue
        copies = members[node.pre_order()]
        names = set(labels[copies].tolist())
        apart = distance_to_others >= ISOLATION * max(node.dist, ROUNDING)
        if apart and len(names) == 1 and len(copies) <= sizes[names.pop()] / 2:
            yield copies
        else:
            waiting += [(child, node.dist) for child in (node.get_left(), node.get_right()) if child is not None]
