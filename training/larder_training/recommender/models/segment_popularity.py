"""Popularity by segment: sets of profile columns, the users of each segment, and their popular items, smoothed."""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.recommender import EVERYONE, segment_text
from larder_training.numerics.topk import TopK, best, blocks
from larder_training.recommender.data.metadata import Profiles

MIN_USERS: Final = 20  # with events, per segment
MAX_COLUMNS: Final = 5
SEGMENT_SLOTS: Final = 600  # more than the longest response (500)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of users.

    Attributes:
        texts: Names of the segments; the first is all users.
        sets: Sets of columns that define segments, the most specific first.
        members: 0/1 ``[segments, users]``.
        of_profile: int64 ``[profiles]``: the most specific segment of each profile.
    """

    texts: list[str]
    sets: tuple[tuple[str, ...], ...]
    members: sp.csr_array
    of_profile: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """``[segments]``: number of users."""
        return np.asarray(self.members.sum(axis=1), np.float64).ravel()


def segment_users(known: NDArray[np.bool_], profiles: Profiles | None, rows: NDArray[np.int64] | None) -> Segments:
    """Finds the segments with at least ``MIN_USERS`` users with events.

    Segments are defined by one or two columns, and by all three if there are three. Of more than five columns, the five
    that most users have are taken.

    Args:
        known: Bool ``[users]``: whether the user has events.
        profiles: Of users; None: no segments but all users.
        rows: int64 ``[users]``: row of each user in ``profiles``; -1: none.
    """
    everyone = np.flatnonzero(known)
    texts, parts = [EVERYONE], [everyone]
    of_profile = np.zeros(0 if profiles is None else len(profiles.users), np.int64)
    sets = []
    if profiles is not None and rows is not None:
        profiled = everyone[rows[everyone] >= 0]
        chosen = _columns(profiles, rows[profiled])
        for size in range(1, min(len(chosen), 3 if len(chosen) <= 3 else 2) + 1):
            for columns in combinations(chosen, size):
                segments = _combinations(profiles, columns, profiled, rows[profiled])
                for text, users, members_of in segments:
                    of_profile[members_of] = len(texts)  # larger sets come later, so that the most specific remains
                    texts.append(text)
                    parts.append(users)
                sets += [columns] if segments else []
    ends = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    columns_of = np.concatenate(parts)
    members = sp.csr_array((np.ones(len(columns_of)), columns_of, ends), shape=(len(texts), len(known)))
    return Segments(texts, tuple(sorted(sets, key=lambda columns: (-len(columns), columns))), members, of_profile)


def segment_rows(
    present: sp.csr_array,
    segments: Segments,
    prior_users: float,
    width: int = SEGMENT_SLOTS,
    model: sp.csr_array | None = None,
) -> TopK:
    """Each segment's most popular items, the first with score 1.

    Args:
        present: ``[users, items]``: the presence matrix. An item's score is its mean over the segment's users.
        segments: The segments.
        prior_users: Users with the mean of all users that are added to each segment, which smooths small segments.
        width: Most items per segment.
        model: ``[items, items]``: scores are means of ``present @ model`` instead, which smooths single events.
    """
    items = present.shape[1]
    width = min(width, items)
    sums = (segments.members @ present).tocsr()
    sizes = segments.sizes[:, None]
    share = _times(sums[[0]], model) / max(sizes[0, 0], 1)
    rows = TopK.empty(len(segments.texts), width)
    for block in blocks(len(segments.texts), items):
        smoothed = (_times(sums[block], model) + prior_users * share) / (sizes[block] + prior_users)
        top = smoothed.max(axis=1, keepdims=True)
        scores = (smoothed / np.where(top > 0, top, 1)).astype(np.float16)
        for row, values in zip(range(block.start, block.stop), scores, strict=True):
            places = best(values, width)
            rows.items[row, : places.size] = places
            rows.scores[row, : places.size] = values[places]
    return rows


def _times(sums: sp.csr_array, model: sp.csr_array | None) -> NDArray[np.float64]:
    product = sums if model is None else sums @ model
    return np.asarray(product.toarray(), np.float64)


def _columns(profiles: Profiles, rows: NDArray[np.int64]) -> list[str]:
    counts = {name: int((labels[rows] >= 0).sum()) for name, labels in profiles.labels.items()}
    return sorted(sorted(profiles.labels, key=lambda name: (-counts[name], name))[:MAX_COLUMNS])


def _combinations(
    profiles: Profiles, columns: tuple[str, ...], users: NDArray[np.int64], rows: NDArray[np.int64]
) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """The segments of one set of columns: name, users with events, and rows of ``profiles``."""
    labels = np.stack([profiles.labels[name] for name in columns], axis=1).astype(np.int64)
    code = np.zeros(len(labels), np.int64)
    for column in labels.T:
        code = code * (column.max(initial=0) + 1) + column
    code[(labels < 0).any(axis=1)] = -1
    segments = []
    for value, size in zip(*np.unique(code[rows], return_counts=True), strict=True):
        if value < 0 or size < MIN_USERS:
            continue
        members = np.flatnonzero(code == value)
        text = segment_text(columns, profiles.profile(int(members[0])), profiles.specification)
        if text is not None:
            segments.append((text, users[code[rows] == value], members))
    return segments
