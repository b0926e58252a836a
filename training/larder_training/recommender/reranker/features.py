"""Features of the reranker in addition to scores: past events of the pair, the item and the user, and what they share.

All of it is known at one moment (``now``) and from the events before it, so that the same features can be told at an
earlier cut-off, where it is known what happened next, and at the end of the log, where it is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.data.event_log import DAY, Log
from larder_training.recommender.data.metadata import CREATED, Column
from larder_training.recommender.reranker.candidates import Candidates

_SHARES: Final = (1, 4, 16, 64)  # popularity within the log's last 1/1, 1/4, ... of its length
MAX_EVENTS: Final = 6  # types of events, categories and numbers of the catalogue that are looked at, the first by name
MAX_COLUMNS: Final = 5
_SHARED: Final = 4  # items to one text, for it to be taken for a category
_NO_COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({})
_NO_LABELS: Final[Mapping[str, NDArray[np.int32]]] = MappingProxyType({})

Feature = tuple[str, NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureContext:
    """Every event of ``log`` lies before ``now`` (epoch seconds); ``columns`` are the catalogue's, aligned with
    ``log.items``; ``profiles`` int32 ``[users]`` by column: each user's category or bin, -1 where it is not known.
    """

    log: Log
    now: int
    columns: Mapping[str, Column] = field(default_factory=lambda: _NO_COLUMNS)
    profiles: Mapping[str, NDArray[np.int32]] = field(default_factory=lambda: _NO_LABELS)


def features(pairs: Candidates, context: FeatureContext) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """float32 ``[pairs, features]`` and the features' names; NaN where a thing does not exist. Names that begin with
    ``profile`` are of categories, all others of numbers. Times are days.
    """
    found: list[Feature] = [(f"score {name}", pairs.scores[:, place]) for place, name in enumerate(pairs.names)]
    for part in (_own, _of_item, _of_user, _shared, _profile):
        found += part(pairs, context)
    return np.stack([values.astype(np.float32) for _, values in found], axis=1), tuple(name for name, _ in found)


@dataclass(frozen=True, slots=True, eq=False)
class _Visits:
    """Events grouped by a key (ascending): their number, days with an event, first and last time, a row a key."""

    key: NDArray[np.int64]
    events: NDArray[np.float64]
    days: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]

    @classmethod
    def of(cls, keys: NDArray[np.int64], time: NDArray[np.int64]) -> "_Visits":
        """``keys`` and ``time`` ``[events]``, ascending by time."""
        order = np.argsort(keys, kind="stable")
        keys, time = keys[order], time[order]
        new = np.append(True, np.diff(keys) != 0)[: len(keys)]
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(keys))  # one too many where there are no events
        another_day = new | np.append(True, np.diff(time // DAY) != 0)[: len(keys)]
        days = np.add.reduceat(another_day.astype(np.float64), starts) if len(keys) else np.zeros(0)
        return cls(
            keys[starts],
            (ends - starts).astype(np.float64),
            days,
            time[starts].astype(float),
            time[ends[: len(starts)] - 1].astype(float),
        )

    def at(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each key's row, -1 where it has no event."""
        place = np.minimum(np.searchsorted(self.key, keys), max(len(self.key) - 1, 0))
        return np.where(self.key[place] == keys, place, -1) if len(self.key) else np.full(len(keys), -1)

    def interval(self) -> NDArray[np.float64]:
        """Days between visits on different days, on average; NaN with one visit."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.days > 1, (self.last - self.first) / DAY / (self.days - 1), np.nan)


def _pick(values: NDArray[np.float64], rows: NDArray[np.int64], absent: float = np.nan) -> NDArray[np.float64]:
    return np.append(values, absent)[rows]  # row -1 is the appended one


def _own(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """What the user had to do with this very item."""
    log, items = context.log, len(context.log.items)
    wanted = pairs.user * items + pairs.item
    every = log.user.astype(np.int64) * items + log.item
    visits = _Visits.of(every, log.time)
    row = visits.at(wanted)
    ago, interval = _pick((context.now - visits.last) / DAY, row), _pick(visits.interval(), row)
    yield "own events", _pick(visits.events, row, 0)
    yield "own days", _pick(visits.days, row, 0)
    yield "own last", ago
    yield "own first", _pick((context.now - visits.first) / DAY, row)
    yield "own interval", interval
    yield "own due", ago / np.maximum(interval, 1 / 24)
    people = visits.key % items
    again = np.bincount(people, visits.days > 1, minlength=items) / np.maximum(np.bincount(people, minlength=items), 1)
    yield "item again", again[pairs.item]
    if len(log.events) > 1:
        for event, name in enumerate(log.events[:MAX_EVENTS]):
            mask = log.event == event
            of_type = _Visits.of(every[mask], log.time[mask])
            row = of_type.at(wanted)
            yield f"own {name}", _pick(of_type.events, row, 0)
            yield f"own {name} last", _pick((context.now - of_type.last) / DAY, row)


def _of_item(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """How many people the item had, ever and lately, and how long it has been there."""
    log, items = context.log, len(context.log.items)
    span = max(context.now - int(log.time[0]), 1) if len(log) else 1
    counts = []
    for share in _SHARES:
        part = log.between(context.now - span // share, context.now)
        people = np.unique(part.user.astype(np.int64) * items + part.item) % items
        counts.append(np.bincount(people, minlength=items).astype(np.float64))
        yield f"item people 1/{share}", counts[-1][pairs.item]
    yield "item trend", ((counts[2] + 1) / (counts[0] / _SHARES[2] + 1))[pairs.item]
    visits = _Visits.of(log.item.astype(np.int64), log.time)
    row = visits.at(pairs.item)
    yield "item age", _pick((context.now - visits.first) / DAY, row)
    yield "item last", _pick((context.now - visits.last) / DAY, row)


def _of_user(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """How much the user did, how lately, and how often it was the same again."""
    log, items = context.log, len(context.log.items)
    visits = _Visits.of(log.user.astype(np.int64), log.time)
    row = visits.at(pairs.user)
    own = np.unique(log.user.astype(np.int64) * items + log.item) // items
    different = np.bincount(own, minlength=len(log.users)).astype(np.float64)
    yield "user events", _pick(visits.events, row, 0)
    yield "user days", _pick(visits.days, row, 0)
    yield "user items", different[pairs.user]
    yield "user again", _pick(visits.events, row, 0) / np.maximum(different[pairs.user], 1)
    yield "user last", _pick((context.now - visits.last) / DAY, row)
    yield "user interval", _pick(visits.interval(), row)


def _shared(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    """How much of what the user did lies in the item's category, and how the item's numbers compare with his."""
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
    for name in _named(context.columns, "number"):
        numbers = np.array([np.nan if each is None else each for each in context.columns[name][1]], np.float64)
        given = ~np.isnan(numbers[log.item])
        sums = np.bincount(log.user[given], numbers[log.item[given]], minlength=len(log.users))
        means = sums / np.maximum(np.bincount(log.user[given], minlength=len(log.users)), 1)
        yield f"{name}", numbers[pairs.item]
        yield f"{name} beyond the user's", numbers[pairs.item] - means[pairs.user]


def _profile(pairs: Candidates, context: FeatureContext) -> Iterator[Feature]:
    for name, labels in sorted(context.profiles.items()):
        label = labels[pairs.user]
        yield f"profile {name}", np.where(label < 0, np.nan, label)


def _named(columns: Mapping[str, Column], kind: str) -> list[str]:
    return [name for name in sorted(columns) if columns[name][0] == kind and name != CREATED][:MAX_COLUMNS]


def _recurring(columns: Mapping[str, Column]) -> list[str]:
    """Texts that several items share on average: categories of which there are more than the tables hold."""

    def recurs(values: Sequence[object]) -> bool:
        given = [value for value in values if value is not None]
        return len(set(given)) * _SHARED <= len(given)

    return [name for name in _named(columns, "text") if recurs(columns[name][1])]


def _codes(column: Column) -> NDArray[np.int64]:
    """Each item's category as a number, -1 without one."""
    place = {value: code for code, value in enumerate(sorted({each for each in column[1] if isinstance(each, str)}))}
    return np.array([place.get(each, -1) if isinstance(each, str) else -1 for each in column[1]], np.int64)
