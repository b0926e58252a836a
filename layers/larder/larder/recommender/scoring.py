"""The score (ARCHITECTURE.md, "Answers"): weighted sums of table rows, by source.

The sum of the session items' neighbour rows is the linear item-item model itself, so a session needs no known user.
Training computes the same sums in the same order (``larder_training.recommender.evaluation.serving_formula``), so that
equal scores stay equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from larder.recommender.response import Source
from larder.tables import Row

Contributions: TypeAlias = Mapping[int, float]
"""Item numbers, and what one source adds to the score of each."""

_EAGER: Final = 4  # a request for more than a quarter of the candidates sorts all of them at once
_NONE: Final[Contributions] = MappingProxyType({})


class SessionRow(NamedTuple):
    """The row of a session item in ``neighbours`` or ``transitions``.

    Attributes:
        number: The item's number.
        weight: The weight of the row.
        row: The row.
    """

    number: int
    weight: float
    row: Row


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all candidates of one query, by source.

    Attributes:
        knows_user: Whether the user has a row.
        recent: The user's recent items, newest first.
        session_rows: The rows of the session's items.
        segment_text: The name of the segment that was scored.
        user: The contributions of the user's row.
        session: The contributions of the session's rows.
        revisit: The contributions of repeat consumption.
        segment: The contributions of the segment's row.
        totals: The sums of all contributions.
    """

    knows_user: bool = False
    recent: Sequence[int] = ()
    session_rows: Sequence[SessionRow] = ()
    segment_text: str | None = None
    user: Contributions = field(default_factory=lambda: _NONE)
    session: Contributions = field(default_factory=lambda: _NONE)
    revisit: Contributions = field(default_factory=lambda: _NONE)
    segment: Contributions = field(default_factory=lambda: _NONE)
    totals: Contributions = field(default_factory=lambda: _NONE)

    @classmethod
    def of(
        cls,
        user: tuple[Contributions, Sequence[int]] | None,
        session_rows: Sequence[SessionRow],
        revisits: Iterable[tuple[int, float]],
        segment: tuple[str, Contributions] | None,
    ) -> "Scores":
        """Sum up all rows. ``user`` is (contributions, recent items), ``segment`` is (name, contributions)."""
        session: dict[int, float] = {}
        for row in session_rows:
            _add(session, row.weight, zip(*row.row, strict=True))
        revisit: dict[int, float] = {}
        _add(revisit, 1.0, revisits)
        from_user, recent = user or (_NONE, ())
        text, popular = segment or (None, _NONE)
        totals = _sum(_sum(_sum(session, from_user), revisit), popular)
        return cls(user is not None, recent, session_rows, text, from_user, session, revisit, popular, totals)

    def main_sources(self, numbers: Iterable[int]) -> list[Source | None]:
        """The source with the largest contribution to each item, of equal ones the more personal; None if all are 0."""
        all_sources: tuple[tuple[Source, Contributions], ...] = (
            ("user", self.user),
            ("session", self.session),
            ("revisit", self.revisit),
            ("segment", self.segment),
        )
        sources = [(source, contributions.get) for source, contributions in all_sources if contributions]  # mostly two
        result: list[Source | None] = []
        for number in numbers:
            main: Source | None = None
            largest = 0.0
            for source, contribution_to in sources:
                if (contribution := contribution_to(number, 0.0)) > largest:
                    main, largest = source, contribution
            result.append(main)
        return result


def weighted(weight: float, row: Row) -> dict[int, float]:
    """The contributions of a row to its items, in its order."""
    return dict(zip(row.items, [weight * score for score in row.scores], strict=True))


def best_first(totals: Contributions, count: int) -> Iterator[int]:
    """Item numbers with a score above 0, best first, equal scores by number.

    Filters rarely remove items, so the best ``count`` are sorted first, and the others only if they are needed.
    """
    floor = 0.0
    if len(totals) > _EAGER * count:
        floor = sorted(totals.values(), reverse=True)[count - 1]
        if floor > 0:
            yield from _sorted([(-score, number) for number, score in totals.items() if score >= floor])
            yield from _sorted([(-score, number) for number, score in totals.items() if 0 < score < floor])
            return
    yield from _sorted([(-score, number) for number, score in totals.items() if score > 0])


def split_user_row(row: Row, user_slots: int) -> tuple[Row, tuple[int, ...]]:
    """Split a row of ``users`` into recommendations (best first) and the user's recent items (newest first).

    A user with fewer than ``user_slots`` recommendations has the recent items directly behind them, since used slots
    come first. Recent items have score 0; recommendations have not.
    """
    scores = row.scores[:user_slots]
    count = len(scores)
    if count and scores[-1] <= 0:
        count = next(index for index, score in enumerate(scores) if score <= 0)
    return Row(row.items[:count], scores[:count]), row.items[count:]


def _sorted(pairs: list[tuple[float, int]]) -> list[int]:
    pairs.sort()
    return [number for _, number in pairs]


def _add(totals: dict[int, float], weight: float, slots: Iterable[tuple[int, float]]) -> None:
    known = totals.get
    for item, score in slots:  # a third of the time of a request with a session
        totals[item] = known(item, 0.0) + weight * score


def _sum(first: Contributions, second: Contributions) -> Contributions:
    """The sum per item; the smaller one is added to a copy of the larger, which does not change the sums."""
    if len(first) < len(second):
        first, second = second, first
    if not second:
        return first
    total = dict(first)
    _add(total, 1.0, second.items())
    return total
