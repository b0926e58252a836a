"""What a person reads in the report: some users' lists and the segments' favourites, from the tables as formula."""

from collections.abc import Sequence
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
_TITLES: Final = ("TITLE", "NAME", "DESCRIPTION")


def examples(folder: Path, serving: RecommenderServing, log: EventLog) -> list[tuple[str, str, str]]:
    """User, recent items and recommendations for users spread evenly over those with the most events; users are
    numbered, not named, since a report is passed on.
    """
    recommender, items = open_tables(folder, serving), open_vocabulary(folder, serving)
    counts = np.bincount(log.user, minlength=len(log.users))
    busy = np.argsort(-counts, kind="stable")[: max(int((counts > 1).sum()), 1)]
    chosen = busy[np.linspace(0, len(busy) - 1, min(_USERS, len(busy))).astype(np.int64)]
    user, item, _ = recent_items(log, _ITEMS)
    rows = []
    for number, each in enumerate(chosen, 1):
        had = [_named(items, int(one)) for one in item[user == each]]
        answer = recommender.recommend(Query(user=log.users[each], n=_ITEMS))
        shown = [_named(items, _number(items, one)) for one in answer.ids()]
        rows.append((f"user {number}, {counts[each]} events", "; ".join(had), "; ".join(shown)))
    return rows


def popular_by_segment(folder: Path, serving: RecommenderServing, segments: Segments) -> list[tuple[str, int, str]]:
    """Text, users and favourites of the largest segments."""
    items = open_vocabulary(folder, serving)
    table = KeyedTable.open(MappedFile(folder / serving.segments.file), serving.segments)
    order = np.argsort(-segments.sizes, kind="stable")[:_SEGMENTS]
    rows = []
    for place in order:
        text = segments.texts[place]
        row = table.lookup(text)
        names = [_named(items, number) for number in (row.items[:_ITEMS] if row else ())]
        rows.append((text if text != EVERYONE else "all users", int(segments.sizes[place]), "; ".join(names)))
    return rows


def _number(items: Vocabulary, item: str) -> int:
    number = items.number(item)
    return -1 if number is None else number


def _named(items: Vocabulary, number: int) -> str:
    names: Sequence[object] = [items.value(name, number) for name in _TITLES if name in items.columns]
    return next((name for name in names if isinstance(name, str)), items.id(number))
