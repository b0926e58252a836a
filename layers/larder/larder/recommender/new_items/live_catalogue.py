"""Items that were put since the training, next to those of the release: their columns, and their scores.

The items that a new item resembles score it (``larder.events.placing``): its score is the weighted mean of theirs, plus
what the items of the session that it resembles add for being seen, times a factor that is 1 for the twin of an item.
The training fills the rows of items without events alike (``larder_training.recommender.models.cold_start``), with a
smoother mean: it has all rows, while a request has the best items of each, and a mean with many missing ones is low.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Protocol

from larder.recommender.reasons import Candidate
from larder.recommender.response import NAMED_ITEMS, Reason
from larder.recommender.scoring import Contributions, Scores
from larder.release.serving import CREATED, ColumnType, ContentSpec
from larder.tables.vocabulary import Vocabulary

MAX_NEW: Final = 2_000
"""The most new items that take part; of more, those that were put first are left out until the next training."""
_SHARPNESS: Final = 32  # measured: benchmarks/events/new_items.py
_SEPARATOR: Final = "|"
_NOTHING: Final[Mapping[str, str | float]] = MappingProxyType({})

Columns = Mapping[str, str | float]
Weights = Sequence[tuple[int, float]]


class NumberedItems(Protocol):
    """The items of a recommender: a ``Vocabulary``, or one that is extended by live items."""

    @property
    def columns(self) -> Mapping[str, ColumnType]:
        """The type of each column."""

    def __len__(self) -> int: ...

    def number(self, item: str) -> int | None:
        """The number of the item with this id, or None if it is unknown."""

    def id(self, number: int) -> str:
        """The id of an item."""

    def value(self, column: str, number: int) -> str | float | None:
        """The value of an item in a column, or None if it is missing."""

    def has(self, column: str, text: str) -> bool:
        """Whether an item has ``text`` in a column of texts, whole or between the ``|`` of a value."""

    def is_empty(self, column: str) -> bool:
        """Whether no item has a value in the column."""


class PutItem(Protocol):
    """An item that was put since the training, such as ``larder.events.base.LiveItem``."""

    @property
    def id(self) -> str:
        """The item's id."""

    @property
    def columns(self) -> Columns:
        """Its columns; those that the release lacks are ignored."""

    @property
    def time(self) -> float:
        """When it was put, in epoch seconds."""

    @property
    def neighbours(self) -> Sequence[tuple[str, float]]:
        """The items of the release that it resembles, with their similarities, 0 to 1."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that the release does not know.

    Attributes:
        id: The item's id.
        columns: Its columns.
        time: When it was put, in epoch seconds.
        neighbours: The numbers of the items that it resembles, with the weights of their scores, the largest first.
    """

    id: str
    columns: Columns
    time: float
    neighbours: Weights

    @property
    def created(self) -> float:
        """When it was created, in epoch seconds; when it was put if its columns do not say."""
        created = self.columns.get(CREATED)
        return created if isinstance(created, int | float) else self.time


def _weights(similarities: Sequence[tuple[int, float]], factor: float) -> Weights:
    """The weights of an item's neighbours, the largest first.

    They are proportional to a power of the similarity, and add up to ``factor ** (1 - s)`` with the largest similarity
    s: the less the nearest neighbour has in common with the item, the less is known of it. A factor above 1 counts as
    1: it makes up for missing rows in smoother means.
    """
    nearest = max((similarity for _, similarity in similarities), default=0.0)
    if nearest <= 0:
        return []
    shares = {number: (similarity / nearest) ** _SHARPNESS for number, similarity in similarities}
    scale = min(factor, 1.0) ** (1 - nearest) / sum(shares.values())
    return sorted(((number, scale * share) for number, share in shares.items() if share > 0), key=lambda pair: -pair[1])


class LiveCatalogue:
    """The items of a release, extended by those that were put since. Immutable, so thread-safe.

    New items have the numbers from ``len(base)`` on. Columns that were put of known items replace the release's.
    """

    def __init__(
        self,
        base: Vocabulary,
        content: ContentSpec,
        new: Sequence[NewItem] = (),
        changed: Mapping[int, Columns] = MappingProxyType({}),
    ) -> None:
        """Define it by its parts; ``updated`` makes them from items that were put."""
        self.base: Final = base
        self.new: Final = new
        self.columns: Final = base.columns
        self._first: Final = len(base)
        self._content: Final = content
        self._changed: Final = changed
        self._number: Final = {item.id: self._first + index for index, item in enumerate(new)}
        self._texts = {
            (name, part)
            for columns in (*changed.values(), *(item.columns for item in new))
            for name, value in columns.items()
            if isinstance(value, str)
            for part in (value, *value.split(_SEPARATOR))
        }
        self._filled: Final = {name for name, _ in self._texts} | {
            name for columns in (*changed.values(), *(item.columns for item in new)) for name in columns
        }
        self._placed: Final[dict[int, list[tuple[int, float]]]] = {}
        for index, item in enumerate(new):
            for number, weight in item.neighbours:
                self._placed.setdefault(number, []).append((self._first + index, weight))

    def updated(self, put: Iterable[PutItem]) -> "LiveCatalogue":
        """The catalogue with these items, in the order in which they were put; an id that was put before is replaced.

        Only the ids of ``put`` are looked up in the release.
        """
        new = {item.id: item for item in self.new}
        changed = dict(self._changed)
        for item in put:
            columns = {name: value for name, value in item.columns.items() if self._fits(name, value)}
            number = self.base.number(item.id)
            if number is not None:
                changed[number] = columns
                continue
            found = ((self.base.number(neighbour), similarity) for neighbour, similarity in item.neighbours)
            known = [(neighbour, similarity) for neighbour, similarity in found if neighbour is not None]
            new.pop(item.id, None)
            new[item.id] = NewItem(item.id, columns, item.time, _weights(known, self._content.factor))
        return LiveCatalogue(self.base, self._content, list(new.values())[-MAX_NEW:], changed)

    def _fits(self, name: str, value: str | float) -> bool:
        """Whether a value has the type of its column."""
        kind = self.columns.get(name)
        return kind is not None and isinstance(value, str) == (kind != "number")

    def __len__(self) -> int:
        return self._first + len(self.new)

    def is_new(self, number: int) -> bool:
        """Whether the release does not know the item."""
        return number >= self._first

    def new_since(self, time: float) -> list[int]:
        """The new items that were created at ``time``, in epoch seconds, or later."""
        return [self._first + index for index, item in enumerate(self.new) if item.created >= time]

    def number(self, item: str) -> int | None:
        """The number of the item with this id, or None if it is unknown."""
        number = self._number.get(item)
        return self.base.number(item) if number is None else number

    def id(self, number: int) -> str:
        """The id of item ``number``; raises IndexError if it does not exist."""
        return self.base.id(number) if number < self._first else self.new[number - self._first].id

    def value(self, column: str, number: int) -> str | float | None:
        """The value of item ``number`` in ``column``, or None if it is missing; raises as ``Vocabulary.value``."""
        if number >= self._first and column in self.columns:
            return self.new[number - self._first].columns.get(column)
        changed = self._changed.get(number, _NOTHING).get(column)
        return self.base.value(column, number) if changed is None else changed

    def has(self, column: str, text: str) -> bool:
        """Whether an item has ``text`` in the column of texts, as its whole value or between the ``|`` of it."""
        return (column, text) in self._texts or self.base.has(column, text)

    def is_empty(self, column: str) -> bool:
        """Whether no item has a value in the column."""
        return column not in self._filled and self.base.is_empty(column)

    def known_to_tables(self, numbers: Iterable[int]) -> list[int]:
        """``numbers`` with the nearest item of the release in place of each new item; one like no other is left out."""
        found = []
        for number in numbers:
            if number < self._first:
                found.append(number)
            elif neighbours := self.new[number - self._first].neighbours:
                found.append(neighbours[0][0])
        return found

    def scored(self, scores: Scores, session: Sequence[int], weight: float, decay: float) -> Scores:
        """``scores`` with those of the new items.

        Args:
            scores: The scores of the release's items.
            session: The numbers of the session's items in the tables, newest first.
            weight: The weight of a session's newest item.
            decay: The k-th newest counts ``decay ** k``.
        """
        own = self._own(session, weight, decay)
        totals = self._means(scores.totals, own)
        return replace(scores, totals={**scores.totals, **totals}) if totals else scores

    def _own(self, session: Sequence[int], weight: float, decay: float) -> dict[int, float]:
        own: dict[int, float] = {}
        for k, number in enumerate(session):
            own[number] = own.get(number, 0.0) + self._content.own * weight * decay**k
        return own

    def _means(self, totals: Contributions, own: Contributions) -> dict[int, float]:
        found: dict[int, float] = {}
        for number in self._placed.keys() & (totals.keys() | own.keys()):
            score = totals.get(number, 0.0) + own.get(number, 0.0)
            for new, weight in self._placed[number]:
                found[new] = found.get(new, 0.0) + weight * score
        return found

    def explained(self, candidates: Iterable[Candidate], totals: Contributions) -> list[Candidate]:
        """``candidates`` with the reasons for those new items that have none."""
        return [
            (number, self._reason(number, totals) if reason is None and self.is_new(number) else reason)
            for number, reason in candidates
        ]

    def _reason(self, number: int, totals: Contributions) -> Reason:
        """The at most three items that it resembles and that score most for it."""
        neighbours = self.new[number - self._first].neighbours
        ordered = sorted(neighbours, key=lambda pair: -pair[1] * totals.get(pair[0], 0.0))
        return Reason("content", items=tuple(self.base.id(known) for known, _ in ordered[:NAMED_ITEMS]))
