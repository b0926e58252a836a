"""Popularity by segment: sets of profile columns, the users of each, and the items they like, smoothed."""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from larder.recommender import EVERYONE, segment_text
from larder_training.numerics.topk import TopK, best, blocks
from larder_training.recommender.data.metadata import Profiles

MIN_USERS: Final = 20  # with events, for a segment to stand
MAX_COLUMNS: Final = 5
SEGMENT_SLOTS: Final = 600  # more than the longest answer (500), so that there is always something to show


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """``texts`` name the segments (the first is all users), ``sets`` their columns, most specific first; ``members``
    is 0/1 ``[segments, users]``, and ``of_profile`` int64 ``[profiles]`` each profile's most specific segment.
    """

    texts: list[str]
    sets: tuple[tuple[str, ...], ...]
    members: sp.csr_array
    of_profile: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """``[segments]``: users in each."""
        return np.asarray(self.members.sum(axis=1), np.float64).ravel()


def segment_users(known: NDArray[np.bool_], profiles: Profiles | None, rows: NDArray[np.int64] | None) -> Segments:
    """Finds the segments with at least ``MIN_USERS`` known users.

    Args:
        known: bool ``[users]``: who has events.
        profiles: of users, or None.
        rows: int64 ``[users]``: each user's row in ``profiles``, -1 without one.

    All sets of one and two columns, and of three where there are three; of more than five columns, those that most
    users have.
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
                found = _combinations(profiles, columns, profiled, rows[profiled])
                for text, users, like in found:
                    of_profile[like] = len(texts)  # larger sets come later, so the most specific stays
                    texts.append(text)
                    parts.append(users)
                sets += [columns] if found else []
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
    """Each segment's favourite items, the first with score 1.

    Args:
        present: ``[users, items]``, what users had: an item's score is its mean over the segment's users.
        segments: whose rows are made.
        prior_users: users of everybody's taste that are added to each segment's own, so that a segment of twenty users
            is not ruled by what three of them did.
        width: items a segment, at most.
        model: ``[items, items]``; in place of what users had stands what such a model foretells them, ``present @
            model``, which averages out much of what single users did by chance.
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
    given = {name: int((labels[rows] >= 0).sum()) for name, labels in profiles.labels.items()}
    usual = sorted(profiles.labels, key=lambda name: (-given[name], name))[:MAX_COLUMNS]
    return sorted(usual)


def _combinations(
    profiles: Profiles, columns: tuple[str, ...], users: NDArray[np.int64], rows: NDArray[np.int64]
) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """The segments of one set of columns: text, its users with events, and the rows of ``profiles`` that are in it."""
    labels = np.stack([profiles.labels[name] for name in columns], axis=1).astype(np.int64)
    code = np.zeros(len(labels), np.int64)
    for column in labels.T:
        code = code * (column.max(initial=0) + 1) + column
    code[(labels < 0).any(axis=1)] = -1
    found = []
    for value, size in zip(*np.unique(code[rows], return_counts=True), strict=True):
        if value < 0 or size < MIN_USERS:
            continue
        like = np.flatnonzero(code == value)
        text = segment_text(columns, profiles.profile(int(like[0])), profiles.specification)
        if text is not None:
            found.append((text, users[code[rows] == value], like))
    return found
