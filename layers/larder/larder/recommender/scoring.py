"""The score (ARCHITECTURE.md, "Answers"): weighted sums of rows, kept apart by the source they come from.

Summing the neighbour rows of what somebody clicked is the linear item-item model itself, so a session needs no user.
Training computes the same sums in the same order (``larder_training.recommender.evaluation.serving_formula``), so
equal scores stay equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from larder.recommender.response import Source
from larder.tables import Row

Shares: TypeAlias = Mapping[int, float]

_EAGER: Final = 4  # an answer that wants more than a quarter of the candidates sorts them all at once
_NONE: Final[Shares] = MappingProxyType({})


class Click(NamedTuple):
    """A row that an item of the session has (of ``neighbours`` or ``transitions``), and what the row counts."""

    number: int
    weight: float
    row: Row


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rows say for one query: each source's share of each item's score, and ``totals``, their sums.

    ``recent`` holds the user's recent items, newest first; ``segment_text`` names the segment that was scored.
    """

    recent: Sequence[int] = ()
    clicks: Sequence[Click] = ()
    segment_text: str | None = None
    user: Shares = field(default_factory=lambda: _NONE)
    session: Shares = field(default_factory=lambda: _NONE)
    revisit: Shares = field(default_factory=lambda: _NONE)
    segment: Shares = field(default_factory=lambda: _NONE)
    totals: Shares = field(default_factory=lambda: _NONE)

    @classmethod
    def of(
        cls,
        user: tuple[Shares, Sequence[int]] | None,
        clicks: Sequence[Click],
        revisits: Iterable[tuple[int, float]],
        segment: tuple[str, Shares] | None,
    ) -> "Evidence":
        """Sums up. ``user`` is (shares, recent items), ``segment`` (text, shares)."""
        session: dict[int, float] = {}
        for click in clicks:
            _add(session, click.weight, zip(*click.row, strict=True))
        revisit: dict[int, float] = {}
        _add(revisit, 1.0, revisits)
        shares, recent = user or (_NONE, ())
        text, popular = segment or (None, _NONE)
        totals = _sum(_sum(_sum(session, shares), revisit), popular)
        return cls(recent, clicks, text, shares, session, revisit, popular, totals)

    def main_sources(self, numbers: Iterable[int]) -> list[Source | None]:
        """For each item the source with the largest share of its score, the more personal one where shares are equal;
        None where none is above 0.
        """
        told: tuple[tuple[Source, Shares], ...] = (
            ("user", self.user),
            ("session", self.session),
            ("revisit", self.revisit),
            ("segment", self.segment),
        )
        speaking = [(source, shares.get) for source, shares in told if shares]  # mostly two of the four
        found: list[Source | None] = []
        for number in numbers:
            main: Source | None = None
            most = 0.0
            for source, share_of in speaking:
                if (share := share_of(number, 0.0)) > most:
                    main, most = source, share
            found.append(main)
        return found


def weighted(weight: float, row: Row) -> dict[int, float]:
    """The shares that a row gives to its items, in its order."""
    return dict(zip(row.items, [weight * score for score in row.scores], strict=True))


def best_first(totals: Shares, wanted: int) -> Iterator[int]:
    """Item numbers with a score above 0, best first, equal scores by number.

    Rules seldom turn items away, so the first ``wanted`` are sorted out first and the others only if asked for.
    """
    floor = 0.0
    if len(totals) > _EAGER * wanted:
        floor = sorted(totals.values(), reverse=True)[wanted - 1]
        if floor > 0:
            yield from _sorted([(-score, number) for number, score in totals.items() if score >= floor])
            yield from _sorted([(-score, number) for number, score in totals.items() if 0 < score < floor])
            return
    yield from _sorted([(-score, number) for number, score in totals.items() if score > 0])


def split_user_row(row: Row, user_slots: int) -> tuple[Row, tuple[int, ...]]:
    """A row of ``users`` as its recommendations (best first) and the user's recent items (newest first).

    Used slots come first in a row, so where a user has fewer than ``user_slots`` recommendations, his recent items
    follow right behind them: these have score 0, recommendations have not.
    """
    scores = row.scores[:user_slots]
    count = len(scores)
    if count and scores[-1] <= 0:
        count = next(place for place, score in enumerate(scores) if score <= 0)
    return Row(row.items[:count], scores[:count]), row.items[count:]


def _sorted(pairs: list[tuple[float, int]]) -> list[int]:
    pairs.sort()
    return [number for _, number in pairs]


def _add(totals: dict[int, float], weight: float, slots: Iterable[tuple[int, float]]) -> None:
    known = totals.get
    for item, score in slots:  # a third of the time of an answer to a session
        totals[item] = known(item, 0.0) + weight * score


def _sum(first: Shares, second: Shares) -> Shares:
    """Both, item by item. The larger is copied and the smaller added: sums are the same whichever comes first."""
    if len(first) < len(second):
        first, second = second, first
    if not second:
        return first
    total = dict(first)
    _add(total, 1.0, second.items())
    return total
