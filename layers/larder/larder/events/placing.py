"""Places an item that was put since the training among those of the release, by their columns.

It compares items as the training does (``larder_training.recommender.models.content_knn``): each column gives blocks of
features of unit length, weighted by inverse document frequency; the similarity of two items is the weighted mean of the
blocks' cosines. It differs in three ways, for speed without numpy: letters count as words do, numbers are compared only
with the likeliest items, and of a release of more than 100,000 items, every k-th is compared.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nlargest
from math import isnan, log, nan, sqrt
from typing import Final

from larder.events.base import Columns
from larder.release.serving import CREATED, ContentSpec
from larder.tables.vocabulary import Vocabulary

NEIGHBOURS: Final = 20
"""The most neighbours of a new item."""
MAX_COMPARED: Final = 100_000
"""The most items of a release that new items are compared with."""
_WORD: Final = re.compile(r"\b\w+\b")
_QUANTILES: Final = 10
_MAX_SHARE: Final = 0.2  # a more frequent value does not distinguish items
_MAX_ITEMS: Final = 1000  # a value of at most so many items is kept in any case
_COMPARED: Final = 1000  # items, the most alike by texts, that are compared by numbers
_NEAREST: Final = 200  # items with the nearest numbers below, and as many above
_SEPARATOR: Final = "|"

Value = str | float | None
Neighbours = tuple[tuple[str, float], ...]


class ContentIndex:
    """The items of a release by what their columns have. Thread-safe; building it takes up to a second and 60 MB."""

    def __init__(self, items: Vocabulary, content: ContentSpec) -> None:
        self._items: Final = items
        self._step: Final = -(-len(items) // MAX_COMPARED) or 1
        self._terms: Final[list[tuple[str, float, _Terms]]] = []
        self._numbers: Final[list[tuple[str, float, _Numbers]]] = []
        compared = range(0, len(items), self._step)
        self._weight: Final = array("f", bytes(4 * len(compared)))  # of the blocks that an item has
        for name, kinds in _weights(items, content).items():
            values = [items.value(name, number) for number in compared]
            for kind, weight in kinds.items():
                if weight > 0:
                    self._add(name, kind, weight, values)

    def _add(self, name: str, kind: str, weight: float, values: list[Value]) -> None:
        if kind == "bins":
            numbers = _Numbers(values)
            self._numbers.append((name, weight, numbers))
            having: Iterable[int] = numbers.having()
        else:
            terms = _Terms(values, _SPLITS[kind])
            self._terms.append((name, weight, terms))
            having = (position for position, length in enumerate(terms.lengths) if length)
        for position in having:
            self._weight[position] += weight

    def neighbours(self, columns: Columns) -> Neighbours:
        """The at most 20 most similar items, by id, with similarities above 0 to 1, the largest first."""
        alike: dict[int, float] = {}
        own = 0.0
        for name, weight, terms in self._terms:
            own += weight * terms.add(columns.get(name), weight, alike)
        for name, weight, numbers in self._numbers:
            value = columns.get(name)
            if isinstance(value, float | int) and not isnan(value) and numbers.distinguishes:
                own += weight
                likely = nlargest(_COMPARED, alike, key=alike.__getitem__)
                for position in {*likely, *numbers.nearest(value)}:
                    if near := numbers.cosine(value, position):
                        alike[position] = alike.get(position, 0.0) + weight * near
        if own <= 0:
            return ()
        similar = ((total / sqrt(own * self._weight[position]), position) for position, total in alike.items())
        best = nlargest(NEIGHBOURS, similar, key=lambda pair: (pair[0], -pair[1]))
        return tuple((self._items.id(position * self._step), min(value, 1.0)) for value, position in best if value > 0)


class _Terms:
    """The values or words of a column, each with the items that have it."""

    def __init__(self, values: list[Value], split: "Callable[[Value], Iterable[str]]") -> None:
        self._split: Final = split
        found: dict[str, array[int]] = {}
        for position, value in enumerate(values):
            for term in split(value):
                if (having := found.get(term)) is None:
                    having = found[term] = array("I")
                having.append(position)
        most = max(_MAX_SHARE * len(values), _MAX_ITEMS)
        self._having: Final = {
            term: having for term, having in found.items() if 1 < len(having) < len(values) and len(having) <= most
        }
        self._rarity: Final = {term: log(len(values) / len(having)) ** 2 for term, having in self._having.items()}
        self.lengths: Final = array("f", bytes(4 * len(values)))
        for term, having in self._having.items():
            rarity = self._rarity[term]
            for position in having:
                self.lengths[position] += rarity
        for position, squared in enumerate(self.lengths):
            self.lengths[position] = sqrt(squared)

    def add(self, value: Value, weight: float, alike: dict[int, float]) -> bool:
        """Add the weighted cosine with each item to ``alike``; returns whether the value has a known term."""
        terms = [term for term in self._split(value) if term in self._having]
        if not terms:
            return False
        scale = weight / sqrt(sum(self._rarity[term] for term in terms))
        known, lengths = alike.get, self.lengths
        for term in terms:
            rarity = self._rarity[term] * scale
            for position in self._having[term]:
                alike[position] = known(position, 0.0) + rarity / lengths[position]
        return True


class _Numbers:
    """The numbers of a column, each interpolated between two quantiles."""

    def __init__(self, values: list[Value]) -> None:
        self._values: Final = array("d", [float(v) if isinstance(v, float | int) else nan for v in values])
        ordered = sorted((value, position) for position, value in enumerate(self._values) if not isnan(value))
        self._ordered: Final = array("d", [value for value, _ in ordered])
        self._positions: Final = array("I", [position for _, position in ordered])
        self._knots: Final = sorted({self._quantile(k / (_QUANTILES - 1)) for k in range(_QUANTILES)})
        self.distinguishes: Final = len(self._knots) > 1

    def having(self) -> Iterator[int]:
        """The items that have a number, if it distinguishes any."""
        return iter(self._positions if self.distinguishes else ())

    def nearest(self, value: float) -> list[int]:
        """The items with the nearest numbers below and above."""
        place = bisect_left(self._ordered, value)
        return list(self._positions[max(0, place - _NEAREST) : place + _NEAREST])

    def cosine(self, value: float, position: int) -> float:
        """The cosine of a number and an item's; 0 for an item without."""
        other = self._values[position]
        if isnan(other):
            return 0.0
        first, second = self._place(value), self._place(other)
        product = sum(share * second.get(knot, 0.0) for knot, share in first.items())
        return product / sqrt(sum(s * s for s in first.values()) * sum(s * s for s in second.values()))

    def _quantile(self, share: float) -> float:
        """Interpolated between the two nearest numbers; 0 without any number."""
        if not self._ordered:
            return 0.0
        low, part = divmod(share * (len(self._ordered) - 1), 1)
        first, second = self._ordered[int(low)], self._ordered[min(int(low) + 1, len(self._ordered) - 1)]
        return first + part * (second - first)

    def _place(self, value: float) -> dict[int, float]:
        knots = self._knots
        low = min(max(bisect_right(knots, value) - 1, 0), len(knots) - 2)
        share = min(max((value - knots[low]) / (knots[low + 1] - knots[low]), 0.0), 1.0)
        return {low: 1 - share, low + 1: share}


def _values_of(value: Value) -> Iterable[str]:
    if value is None:
        return ()
    return dict.fromkeys(value.split(_SEPARATOR)) if isinstance(value, str) else (repr(float(value)),)


def _words_of(value: Value) -> Iterable[str]:
    return dict.fromkeys(_WORD.findall(value.lower())) if isinstance(value, str) else ()


_SPLITS: Final[Mapping[str, Callable[[Value], Iterable[str]]]] = {"values": _values_of, "words": _words_of}


def _weights(items: Vocabulary, content: ContentSpec) -> Mapping[str, Mapping[str, float]]:
    """The weights by column and kind; equal ones if the release states none."""
    if content.weights:
        return {name: kinds for name, kinds in content.weights.items() if name in items.columns}
    kinds = {"number": ("bins",), "category": ("values",), "text": ("words",)}
    return {name: dict.fromkeys(kinds[kind], 1.0) for name, kind in sorted(items.columns.items()) if name != CREATED}
