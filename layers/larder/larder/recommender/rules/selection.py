"""Choose the items of a list, page by page, from candidates that come best first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from larder.recommender.reasons import Candidate

if TYPE_CHECKING:  # imported when a filter is first used
    from larder.filters import Predicate

_SEPARATOR: Final = "|"
ReadValue = Callable[[str, int], str | float | None]


class Caps:
    """How many items of a page may have one value in a column. Not thread-safe: one for each request.

    An item with several values counts for each of them; an item without a value is never capped.
    """

    def __init__(self, limits: Mapping[str, int], read: ReadValue) -> None:
        """``read`` gives the value of an item in a column."""
        self.left_out: dict[str, int] = dict.fromkeys(limits, 0)
        self._limits = limits
        self._read = read
        self._counts: dict[tuple[str, object], int] = {}

    def start(self, numbers: Iterable[int]) -> None:
        """Begin a page that has these items already."""
        if self._limits:
            self._counts.clear()
            self.left_out = dict.fromkeys(self._limits, 0)
            for number in numbers:
                self.count(number)

    def full(self, number: int) -> str | None:
        """A column in which a value of the item has its limit; None if the item may be shown."""
        for column, limit in self._limits.items():
            if any(self._counts.get((column, value), 0) >= limit for value in self._values(column, number)):
                return column
        return None

    def count(self, number: int) -> None:
        """Count an item that is shown."""
        for column in self._limits:
            for value in self._values(column, number):
                self._counts[column, value] = self._counts.get((column, value), 0) + 1

    def _values(self, column: str, number: int) -> set[object]:
        value = self._read(column, number)
        if value is None:
            return set()
        return set(value.split(_SEPARATOR)) if isinstance(value, str) else {value}


NO_CAPS: Final = Caps({}, lambda column, number: None)  # noqa: ARG005  # it reads no column


class Selection:
    """The candidates of a list that has several pages or caps. Not thread-safe: one for each request."""

    def __init__(
        self, candidates: Iterator[Candidate], excluded: set[int], allowed: "Predicate | None", caps: Caps
    ) -> None:
        """``excluded`` are items that must not be chosen; those that are chosen are added to it."""
        self._candidates = candidates
        self._excluded = excluded
        self._allowed = allowed
        self._caps = caps
        self._waiting: list[Candidate] = []  # better than all candidates that are left: capped on an earlier page

    def choose(self, count: int) -> list[Candidate]:
        """The next ``count`` candidates that the caps allow; those that they do not allow wait for the next page."""
        chosen: list[Candidate] = []
        capped: dict[int, Candidate] = {}  # by number: an item can come again, with another reason
        # Do not request a candidate after the last one: it may need a sort of all the others.
        while len(chosen) < count and (candidate := self._next()) is not None:
            column = self._caps.full(candidate[0])
            if column is not None:
                if capped.setdefault(candidate[0], candidate) is candidate:
                    self._caps.left_out[column] += 1
                continue
            self._caps.count(candidate[0])
            self._excluded.add(candidate[0])
            chosen.append(candidate)
        self._waiting = [*capped.values(), *self._waiting]
        return chosen

    def is_over(self) -> bool:
        """Whether no candidate is left for a further page."""
        candidate = self._next()
        if candidate is not None:
            self._waiting.insert(0, candidate)
        return candidate is None

    def _next(self) -> Candidate | None:
        """The best candidate that is left and may be shown."""
        while True:
            candidate = self._waiting.pop(0) if self._waiting else next(self._candidates, None)
            if candidate is None:
                return None
            number = candidate[0]
            if number not in self._excluded and (self._allowed is None or self._allowed(number)):
                return candidate
