"""Iterative stratification of images with several labels.

Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (2011): the label with the fewest images
left is shared out first, each image to the part that lacks most of this label. Here a whole group of near-duplicates is
shared out at once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Truth = NDArray[np.bool_]


def iterative_stratification(
    truth: Truth, groups: NDArray[np.int64], shares: Sequence[float], order: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """The part of each image, ``[N]``, from 0.

    Every part gets an image of every label that has as many groups as there are parts, unless groups with several
    labels make this impossible.

    Args:
        truth: ``[N, C]``, whether an image has a label; a row may be all false.
        groups: ``[N]``; images of one group get one part.
        shares: The share of each part; they sum to 1.
        order: Positions of the images in the order in which equal groups are shared out. None: as they come.
    """
    positions = np.arange(len(truth)) if order is None else np.asarray(order)
    names, first = np.unique(groups[positions], return_index=True)
    names = names[np.argsort(first)]
    member = np.argsort(names)[np.searchsorted(np.sort(names), groups)]
    counts = np.zeros((len(names), truth.shape[1]))
    np.add.at(counts, member, truth)
    sizes = np.bincount(member, minlength=len(names)).astype(float)
    part_of = _share_out(counts, sizes, np.asarray(shares, float))
    _fill_gaps(part_of, counts > 0, len(shares))
    parts: NDArray[np.int64] = part_of[member]
    return parts


def _share_out(
    counts: NDArray[np.float64], sizes: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The part of each group, from its images with each label ``counts`` ``[G, C]`` and all its images ``sizes``."""
    wanted = np.outer(shares, counts.sum(axis=0))
    wanted_images = shares * sizes.sum()
    part_of = np.full(len(sizes), -1, np.int64)
    left = (counts > 0).sum(axis=0)

    def assign(group: int, need: NDArray[np.float64]) -> None:
        # Of parts that lack as much of the label, the one that lacks most images.
        part = int(np.lexsort((np.arange(len(shares)), -wanted_images, -need))[0])
        part_of[group] = part
        wanted[part] -= counts[group]
        wanted_images[part] -= sizes[group]
        left[counts[group] > 0] -= 1

    while left.any():
        label = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        waiting = np.flatnonzero((part_of < 0) & (counts[:, label] > 0))
        for group in waiting[np.argsort(-counts[waiting, label], kind="stable")].tolist():
            assign(group, wanted[:, label])
    rest = np.flatnonzero(part_of < 0)
    for group in rest[np.argsort(-sizes[rest], kind="stable")].tolist():
        assign(group, wanted_images)
    return part_of


def _fill_gaps(part_of: NDArray[np.int64], has: Truth, parts: int) -> None:
    """Moves a group to each part that lacks a label, from the part with most groups of it that can spare one."""
    for label in range(has.shape[1]):
        for part in range(parts):
            if (has[:, label] & (part_of == part)).any():
                continue
            owners = np.bincount(part_of[has[:, label]], minlength=parts)
            for giver in np.argsort(-owners, kind="stable").tolist():
                spare = _spare(part_of, has, label, giver)
                if spare is not None:
                    part_of[spare] = part
                    break


def _spare(part_of: NDArray[np.int64], has: Truth, label: int, giver: int) -> int | None:
    """A group with this label whose labels all remain in the part without it; if several, that with fewest labels."""
    inside = part_of == giver
    remaining = has[inside].sum(axis=0)
    candidates = [
        group for group in np.flatnonzero(inside & has[:, label]).tolist() if (remaining[has[group]] > 1).all()
    ]
    return min(candidates, key=lambda group: int(has[group].sum()), default=None)
