"""Popularity by segment: sets of profile columns, the users of each segment, and their popular items, smoothed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.recommender import EVERYONE, segment_text
from larder_training.numerics.ragged import take
from larder_training.numerics.topk import TopK, best, blocks
from larder_training.recommender.data.columns.profiles import LabelPairs, Profiles

MIN_USERS: Final = 20  # with events, per segment
MAX_COLUMNS: Final = 5
SEGMENT_SLOTS: Final = 600  # more than the longest response (500)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of users.

    Attributes:
        texts: Names of the segments; the first is all users.
        sets: Sets of columns that define segments, the most specific first.
        members: 0/1 ``[segments, users]``; a user with several values of a column is in several of its segments.
        of_profile: int64 ``[profiles]``: the segment of each profile that serving chooses, the most specific.
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
    found: dict[tuple[str, ...], _Combination] = {}
    if profiles is not None and rows is not None:
        profiled = everyone[rows[everyone] >= 0]
        chosen = _columns(profiles, rows[profiled])
        for size in range(1, min(len(chosen), 3 if len(chosen) <= 3 else 2) + 1):
            for columns in combinations(chosen, size):
                combination = _combination(profiles, columns, profiled, rows[profiled], len(texts))
                if combination.texts:
                    found[columns] = combination
                    texts += combination.texts
                    parts += combination.users
    ends = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    columns_of = np.concatenate(parts)
    members = sp.csr_array((np.ones(len(columns_of)), columns_of, ends), shape=(len(texts), len(known)))
    sets = tuple(sorted(found, key=lambda columns: (-len(columns), columns)))
    of_profile = np.zeros(0 if profiles is None else len(profiles.users), np.int64)
    for columns in reversed(sets):  # the most specific is written last; as in serving, the first of equals
        of_profile[found[columns].rows[::-1]] = found[columns].segments[::-1]
    return Segments(texts, sets, members, of_profile)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Combination:
    """The segments of one set of columns.

    Attributes:
        texts: The names of the segments.
        users: The users with events of each.
        rows: int64 ``[pairs]``: rows of the profiles that are in a segment; a row may be in several.
        segments: int64 ``[pairs]``: the number of that segment.
    """

    texts: list[str]
    users: list[NDArray[np.int64]]
    rows: NDArray[np.int64]
    segments: NDArray[np.int64]


def _combination(
    profiles: Profiles, columns: tuple[str, ...], users: NDArray[np.int64], rows: NDArray[np.int64], first: int
) -> _Combination:
    """The segments with enough of ``users``, whose profiles are ``rows``, numbered from ``first``."""
    pairs = [profiles.pairs(name) for name in columns]
    row, code = _joined(pairs, len(profiles.users))
    user_of = np.full(len(profiles.users), -1, np.int64)
    user_of[rows] = users
    user = user_of[row]
    texts: list[str] = []
    parts: list[NDArray[np.int64]] = []
    segment = np.full(row.size, -1, np.int64)
    for value, size in zip(*np.unique(code[user >= 0], return_counts=True), strict=True):
        if size < MIN_USERS:
            continue
        places = np.flatnonzero(code == value)
        profile = profiles.profile(int(row[places[0]])) | _categories(columns, pairs, int(value))
        text = segment_text(columns, profile, profiles.specification)
        if text is not None:
            segment[places] = first + len(texts)
            texts.append(text)
            parts.append(np.sort(user[places[user[places] >= 0]]))
    return _Combination(texts, parts, row[segment >= 0], segment[segment >= 0])


def _joined(pairs: Sequence[LabelPairs], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that have a label in each column, and the labels as one number; the last column's label varies fastest."""
    rows, code = pairs[0].rows, pairs[0].codes
    for other in pairs[1:]:
        position, entry = take(other.rows, rows, size)
        code = code[position] * _radix(other) + other.codes[entry]
        rows = rows[position]
    return rows, code


def _categories(columns: Sequence[str], pairs: Sequence[LabelPairs], code: int) -> dict[str, str | float]:
    """The categories that a number of ``_joined`` stands for, of the columns whose cells have several."""
    values: dict[str, str | float] = {}
    for name, column in zip(reversed(columns), reversed(pairs), strict=True):
        code, label = divmod(code, _radix(column))
        if column.texts:
            values[name] = column.texts[label]
    return values


def _radix(pairs: LabelPairs) -> int:
    return int(pairs.codes.max(initial=0)) + 1
