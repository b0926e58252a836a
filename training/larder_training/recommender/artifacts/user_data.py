"""Writes what only filters read: what users did, by event type, and their profiles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.recommender.rules.user_data import CONTINUATION
from larder.release.serving import ColumnType, InteractionTable, ProfileTables
from larder.release.serving_reader import MAX_EVENT_TYPES
from larder.tables import EMPTY
from larder_training.numerics.sparse import place_within
from larder_training.recommender.data.columns.profiles import Profiles
from larder_training.recommender.data.event_log import EventLog
from larder_training.release.tables import write_keyed, write_vocabulary

INTERACTIONS: Final = "interactions.safetensors"
USER_PROFILES: Final = "user-profiles.safetensors"
PROFILES: Final = "profiles.safetensors"
EVENTS_PER_TYPE: Final = 100  # of a user: Amazon Personalize's limit
MOST_ROWS: Final = 4  # of one user, so that reading them takes few round trips
MOST_PROFILES: Final = 1_000_000  # different ones: the file is read as a whole, and has about 50 bytes for each
_ROW_BYTES: Final = 8
_SLOT_BYTES: Final = 6
_WIDEST: Final = 65_535


def write_interactions(path: Path, log: EventLog) -> InteractionTable:
    """Writes the newest ``EVENTS_PER_TYPE`` items of each user and event type, newest first, each once.

    A user with more events than a row has slots gets further rows. The width is the one that takes the fewest bytes,
    and no user has more than ``MOST_ROWS`` rows. Of a log with more than 1,000 event types, the most frequent are
    written. Memory is that of the table.
    """
    types = _frequent_types(log)
    code_of = np.full(len(log.events), -1, np.int64)
    code_of[types] = np.arange(len(types))
    blocks = [_newest(log.take(rows), code_of, len(types)) for rows in log.blocks()]
    user, item, code = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    lengths = np.bincount(user, minlength=len(log.users))
    width = row_width(lengths)
    rows_of = -(-lengths // width)
    first_row = np.cumsum(rows_of) - rows_of
    place = place_within(user)
    row, slot = first_row[user] + place // width, place % width
    items = np.full((int(rows_of.sum()), width), EMPTY, np.uint32)
    codes = np.zeros(items.shape, np.float16)
    items[row, slot], codes[row, slot] = item, code
    keys = [
        text if part == 0 else f"{text}{CONTINUATION}{part}"
        for text, count in zip(log.users, rows_of.tolist(), strict=True)
        for part in range(count)
    ]
    return InteractionTable(write_keyed(path, keys, items, codes), tuple(log.events[type_] for type_ in types))


def row_width(lengths: NDArray[np.int64]) -> int:
    """The width of rows with the fewest bytes, if users have this many events; a user has ``MOST_ROWS`` at most."""
    values, users = np.unique(lengths[lengths > 0], return_counts=True)
    longest = int(values.max(initial=1))
    widths = np.unique(np.linspace(-(-longest // MOST_ROWS), min(longest, _WIDEST), 200).astype(np.int64))
    rows = (-(-values // widths[:, None]) * users).sum(axis=1)
    return int(widths[np.argmin(rows * (_ROW_BYTES + _SLOT_BYTES * widths))])


def write_profiles(folder: Path, profiles: Profiles) -> ProfileTables:
    """Writes the different profiles, and the number of each user's; users without any value have no row.

    If there are more than ``MOST_PROFILES`` different ones, the columns with the most values are left out.
    """
    codes, columns = {}, dict(profiles.values)
    for name, values in columns.items():
        number: dict[object, int] = {}
        codes[name] = np.fromiter((number.setdefault(value, len(number)) for value in values), np.int64, len(values))
    names = sorted(columns, key=lambda name: (int(codes[name].max(initial=0)), name))
    different, first, profile_of = _different([codes[name] for name in names])
    while different > MOST_PROFILES and len(names) > 1:
        names.pop()
        different, first, profile_of = _different([codes[name] for name in names])
    kinds: dict[str, ColumnType] = {name: profiles.specification[name].type for name in sorted(names)}
    written: Mapping[str, tuple[ColumnType, Sequence[object]]] = {
        name: (kind, [columns[name][row] for row in first]) for name, kind in kinds.items()
    }
    write_vocabulary(folder / PROFILES, [str(number) for number in range(different)], written)
    rows = profile_of[:, None].astype(np.uint32)
    users = write_keyed(folder / USER_PROFILES, profiles.users, rows, np.zeros(rows.shape))
    return ProfileTables(users, PROFILES, different, kinds)


def _frequent_types(log: EventLog) -> NDArray[np.int64]:
    """The numbers of the log's event types, or of the most frequent ones, ascending."""
    counts = np.bincount(log.event, minlength=len(log.events))
    return np.sort(np.argsort(-counts, kind="stable")[: min(int((counts > 0).sum()), MAX_EVENT_TYPES)])


def _newest(
    log: EventLog, code_of: NDArray[np.int64], types: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """User, item and type of the newest events, by user and newest first; an item counts once for each type."""
    user, item = log.user[::-1].astype(np.int64), log.item[::-1].astype(np.int64)
    code = code_of[log.event[::-1]]
    known = np.flatnonzero(code >= 0)
    group = user[known] * types + code[known]
    _, newest = np.unique(group * len(log.items) + item[known], return_index=True)  # the first is the latest
    newest = newest[np.lexsort((newest, group[newest]))]
    newest = newest[place_within(group[newest]) < EVENTS_PER_TYPE]
    rows = known[newest]
    rows = rows[np.lexsort((rows, user[rows]))]
    return user[rows], item[rows], code[rows]


def _different(codes: Sequence[NDArray[np.int64]]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """The number of different combinations, the first row of each, and the combination of each row."""
    combined = codes[0]
    for column in codes[1:]:
        combined = np.unique(combined * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    _, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    return len(first), first, inverse
