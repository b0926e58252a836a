"""Examples in the report: recommendations of some users and popular items of segments, from the tables."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from larder.recommender import EVERYONE, Query
from larder.release.serving import RecommenderServing
from larder.tables import KeyedTable, MappedFile
from larder.tables.vocabulary import Vocabulary
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.user_sequences import recent_items
from larder_training.recommender.models.segment_popularity import Segments
from larder_training.release.loader import open_tables, open_vocabulary

_USERS: Final = 8
_ITEMS: Final = 5
_SEGMENTS: Final = 40
_MARKS: Final = re.compile(r"[\W_]")
# Names of columns that name an item, in letters and digits, the best first.
_TITLES: Final = (
    "title", "name", "itemtitle", "producttitle", "itemname", "productname", "prodname", "description"
)  # fmt: skip


def examples(folder: Path, serving: RecommenderServing, log: EventLog) -> list[tuple[str, str, str]]:
    """(user, recent items, recommendations) of users from the most to the least active.

    Users are numbered, not identified, since reports are passed on.
    """
    recommender, items = open_tables(folder, serving), open_vocabulary(folder, serving)
    counts = np.bincount(log.user, minlength=len(log.users))
    active = np.argsort(-counts, kind="stable")[: max(int((counts > 1).sum()), 1)]
    chosen = active[np.linspace(0, len(active) - 1, min(_USERS, len(active))).astype(np.int64)]
    recent_user, recent_item, _ = recent_items(log, _ITEMS)
    rows = []
    for number, user in enumerate(chosen, 1):
        recent = [_title(items, int(item)) for item in recent_item[recent_user == user]]
        answer = recommender.recommend(Query(user=log.users[user], n=_ITEMS))
        recommended = [_title(items, _number(items, item)) for item in answer.ids()]
        rows.append((f"user {number}, {counts[user]} events", "; ".join(recent), "; ".join(recommended)))
    return rows


def popular_by_segment(folder: Path, serving: RecommenderServing, segments: Segments) -> list[tuple[str, int, str]]:
    """(name, number of users, popular items) of the largest segments."""
    items = open_vocabulary(folder, serving)
    table = KeyedTable.open(MappedFile(folder / serving.segments.file), serving.segments)
    largest = np.argsort(-segments.sizes, kind="stable")[:_SEGMENTS]
    rows = []
    for segment in largest:
        name = segments.texts[segment]
        row = table.lookup(name)
        titles = [_title(items, number) for number in (row.items[:_ITEMS] if row else ())]
        rows.append((name if name != EVERYONE else "all users", int(segments.sizes[segment]), "; ".join(titles)))
    return rows


def _number(items: Vocabulary, item: str) -> int:
    number = items.number(item)
    return -1 if number is None else number


@cache
def title_columns(columns: tuple[str, ...]) -> list[str]:
    """The columns that name an item, the best first."""
    plain = {column: _MARKS.sub("", column.casefold()) for column in columns}
    return sorted((name for name in columns if plain[name] in _TITLES), key=lambda name: _TITLES.index(plain[name]))


def _title(items: Vocabulary, number: int) -> str:
    """The item's title, or its id without one."""
    titles: Sequence[object] = [items.value(name, number) for name in title_columns(tuple(items.columns))]
    return next((title for title in titles if isinstance(title, str)), items.id(number))
