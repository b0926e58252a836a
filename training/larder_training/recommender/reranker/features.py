"""Features of the reranker in addition to scores: past events of the pair, the item and the user, and shared columns.

They depend only on events before one moment. Training computes them at past cutoffs, where the following interactions
are known; the released rows are reranked by features at the end of the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import CREATED
from larder_training.numerics.ragged import take
from larder_training.recommender.data.columns.kinds import Column
from larder_training.recommender.data.columns.profiles import LabelPairs
from larder_training.recommender.data.event_log import DAY, EventLog
from larder_training.recommender.reranker.candidates import Candidates

_SHARES: Final = (1, 4, 16, 64)  # popularity within the last 1/1, 1/4, ... of the log's time
MAX_EVENTS: Final = 6  # event types with features of their own, the first by name
MAX_COLUMNS: Final = 5  # columns of each kind with features, the first by name
_SHARED: Final = 4  # items per text, on average, for a text column to be used as a category
_NO_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({})
_NO_LABELS: Final[Mapping[str, NDArray[np.int32]]] = MappingProxyType({})

Feature = tuple[str, NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureContext:
    """Everything that features are computed from.

    Attributes:
        log: Events, all before ``now``.
        now: Epoch seconds.
        columns: Item columns, in the order of ``log.items``.
        profiles: int32 ``[users]`` by profile column: category or bin of each user; -1: unknown.
    """

    log: EventLog
    now: int
    columns: Mapping[str, Column] = field(default_factory=lambda: _NO_COLUMNS)
    profiles: Mapping[str, NDArray[np.int32]] = field(default_factory=lambda: _NO_LABELS)


def features(pairs: Candidates, context: FeatureContext) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """float32 ``[pairs, features]``, and the names of the features.

    Features whose name begins with ``profile`` are categorical, all others numeric. Times are in days. NaN: not
    available.
    """
    columns: list[Feature] = [(f"score {name}", pairs.scores[:, index]) for index, name in enumerate(pairs.names)]
    for group in (_pair_features, _item_features, _user_features, _column_features, _profile_features):
        columns += group(pairs, context)
    return np.stack([values.astype(np.float32) for _, values in columns], axis=1), tuple(name for name, _ in columns)


@dataclass(frozen=True, slots=True, eq=False)
class _Visits:
    """Events grouped by a key, one row per key.

    Attributes:
        key: Keys, ascending.
        events: Number of events.
        days: Number of days with an event.
        first: Time of the first event, in epoch seconds.
        last: Time of the last event, in epoch seconds.
    """

    key: NDArray[np.int64]
    events: NDArray[np.float64]
    days: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]

    @classmethod
    def of(cls, keys: NDArray[np.int64], time: NDArray[np.int64]) -> "_Visits":
        """Groups events by ``keys`` ``[events]``; ``time`` ``[events]`` ascends."""
        order = np.argsort(keys, kind="stable")
        keys, time = keys[order], time[order]
        new = np.append(True, np.diff(keys) != 0)[: len(keys)]
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(keys))  # one too many without events
        new_day = new | np.append(True, np.diff(time // DAY) != 0)[: len(keys)]
        days = np.add.reduceat(new_day.astype(np.float64), starts) if len(keys) else np.zeros(0)
        return cls(
            keys[starts],
            (ends - starts).astype(np.float64),
            days,
            time[starts].astype(float),
            time[ends[: len(starts)] - 1].astype(float),
        )

    def at(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each key; -1 for a key without events."""
        row = np.minimum(np.searchsorted(self.key, keys), max(len(self.key) - 1, 0))
        return np.where(self.key[row] == keys, row, -1) if len(self.key) else np.full(len(keys), -1)

    def interval(self) -> NDArray[np.float64]:
        """Mean days between days with an event; NaN with one such day."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.days > 1, (self.last - self.first) / DAY / (self.days - 1), np.nan)


def _pick(values: NDArray[np.float64], rows: NDArray[np.int64], absent: float = np.nan) -> NDArray[np.float64]:
    """``values[rows]``; ``absent`` for row -1."""
    return np.append(values, absent)[rows]


def _pair_features(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """Past events of the user with the item."""
    log, items = context.log, len(context.log.items)
    keys = pairs.user * items + pairs.item
    event_keys = log.user.astype(np.int64) * items + log.item
    visits = _Visits.of(event_keys, log.time)
    row = visits.at(keys)
    ago, interval = _pick((context.now - visits.last) / DAY, row), _pick(visits.interval(), row)
    yield "pair events", _pick(visits.events, row, 0)
    yield "pair days", _pick(visits.days, row, 0)
    yield "pair last", ago
    yield "pair first", _pick((context.now - visits.first) / DAY, row)
    yield "pair interval", interval
    yield "pair due", ago / np.maximum(interval, 1 / 24)
    item = visits.key % items
    repeat_share = np.bincount(item, visits.days > 1, minlength=items) / np.maximum(
        np.bincount(item, minlength=items), 1
    )
    yield "item repeat share", repeat_share[pairs.item]
    if len(log.events) > 1:
        for event, name in enumerate(log.events[:MAX_EVENTS]):
            mask = log.event == event
            of_type = _Visits.of(event_keys[mask], log.time[mask])
            row = of_type.at(keys)
            yield f"pair {name}", _pick(of_type.events, row, 0)
            yield f"pair {name} last", _pick((context.now - of_type.last) / DAY, row)


def _item_features(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """Users of the item, in total and recently, and the item's age."""
    log, items = context.log, len(context.log.items)
    span = max(context.now - int(log.time[0]), 1) if len(log) else 1
    counts = []
    for share in _SHARES:
        recent = log.between(context.now - span // share, context.now)
        item = np.unique(recent.user.astype(np.int64) * items + recent.item) % items
        counts.append(np.bincount(item, minlength=items).astype(np.float64))
        yield f"item users 1/{share}", counts[-1][pairs.item]
    yield "item trend", ((counts[2] + 1) / (counts[0] / _SHARES[2] + 1))[pairs.item]
    visits = _Visits.of(log.item.astype(np.int64), log.time)
    row = visits.at(pairs.item)
    yield "item age", _pick((context.now - visits.first) / DAY, row)
    yield "item last", _pick((context.now - visits.last) / DAY, row)


def _user_features(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """How active the user is, how recently, and how often they repeat items."""
    log, items = context.log, len(context.log.items)
    visits = _Visits.of(log.user.astype(np.int64), log.time)
    row = visits.at(pairs.user)
    user = np.unique(log.user.astype(np.int64) * items + log.item) // items
    item_counts = np.bincount(user, minlength=len(log.users)).astype(np.float64)
    yield "user events", _pick(visits.events, row, 0)
    yield "user days", _pick(visits.days, row, 0)
    yield "user items", item_counts[pairs.user]
    yield "user events per item", _pick(visits.events, row, 0) / np.maximum(item_counts[pairs.user], 1)
    yield "user last", _pick((context.now - visits.last) / DAY, row)
    yield "user interval", _pick(visits.interval(), row)


def _column_features(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """Share of the user's events in the item's categories, and the item's numbers relative to the user's mean."""
    log = context.log
    events = np.maximum(np.bincount(log.user, minlength=len(log.users)), 1)
    for name in [*_named(context.columns, "category"), *_recurring(context.columns)]:
        codes = _codes(context.columns[name])
        width = int(codes.max(initial=0)) + 1
        known = codes[log.item] >= 0
        visits = _Visits.of(log.user[known].astype(np.int64) * width + codes[log.item[known]], log.time[known])
        code = codes[pairs.item]
        row = np.where(code >= 0, visits.at(pairs.user * width + code), -1)
        yield f"{name} share", _pick(visits.events, row, 0) / events[pairs.user]
        yield f"{name} last", _pick((context.now - visits.last) / DAY, row)
    for name in _named(context.columns, "categories"):
        yield from _shares_of_several(name, LabelPairs.of(context.columns[name][1]), pairs, context)
    for name in _named(context.columns, "number"):
        values = context.columns[name][1]
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        known = ~np.isnan(numbers[log.item])
        sums = np.bincount(log.user[known], numbers[log.item[known]], minlength=len(log.users))
        means = sums / np.maximum(np.bincount(log.user[known], minlength=len(log.users)), 1)
        yield f"{name}", numbers[pairs.item]
        yield f"{name} above the user's mean", numbers[pairs.item] - means[pairs.user]


def _shares_of_several(name: str, labels: LabelPairs, pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """As of a category, for items with several values: the mean share, and the latest time, over the item's values."""
    log, items, width = context.log, len(context.log.items), int(labels.codes.max(initial=0)) + 1
    event, entry = take(labels.rows, log.item.astype(np.int64), items)
    visits = _Visits.of(log.user[event].astype(np.int64) * width + labels.codes[entry], log.time[event])
    pair, entry = take(labels.rows, pairs.item.astype(np.int64), items)
    row = visits.at(pairs.user[pair] * width + labels.codes[entry])
    counts = np.bincount(pair, minlength=len(pairs.item))
    sums = np.bincount(pair, _pick(visits.events, row, 0), minlength=len(pairs.item))
    events = np.maximum(np.bincount(log.user, minlength=len(log.users)), 1)
    yield f"{name} share", sums / np.maximum(counts, 1) / events[pairs.user]
    last = np.full(len(pairs.item), np.inf)
    np.minimum.at(last, pair[row >= 0], (context.now - visits.last[row[row >= 0]]) / DAY)
    yield f"{name} last", np.where(np.isfinite(last), last, np.nan)


def _profile_features(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    for name, labels in sorted(context.profiles.items()):
        label = labels[pairs.user]
        yield f"profile {name}", np.where(label < 0, np.nan, label)


def _named(columns: Mapping[str, Column], kind: str) -> list[str]:
    return [name for name in sorted(columns) if columns[name][0] == kind and name != CREATED][:MAX_COLUMNS]


def _recurring(columns: Mapping[str, Column]) -> list[str]:
    """Text columns whose texts are shared by several items on average: categories with too many values for tables."""

    def recurs(values: Sequence[object]) -> bool:
        texts = [value for value in values if value is not None]
        return len(set(texts)) * _SHARED <= len(texts)

    return [name for name in _named(columns, "text") if recurs(columns[name][1])]


def _codes(column: Column) -> NDArray[np.int64]:
    """``[items]``: number of each item's category, in alphabetical order; -1 without one."""
    categories = sorted({value for value in column[1] if isinstance(value, str)})
    code_of = {value: code for code, value in enumerate(categories)}
    return np.array([code_of.get(value, -1) if isinstance(value, str) else -1 for value in column[1]], np.int64)
