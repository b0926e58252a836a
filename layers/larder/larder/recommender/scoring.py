"""The score (ARCHITECTURE.md, "Recommender scores"): weighted sums of rows, kept apart by the source they come from.

Summing the neighbour rows of what somebody clicked is the linear item-item model itself, so a session needs no user.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from larder.recommender.answer import Source
from larder.tables import Row

_EAGER: Final = 4  # an answer that wants more than a quarter of the candidates sorts them all at once


@dataclass(frozen=True, slots=True)
class Click:
    """An item of the session, its weight (``w.session * session_decay ** k``) and its neighbour row."""

    number: int
    weight: float
    row: Row


@dataclass(slots=True)
class Evidence:
    """What the rows say for one query: each source's share of each item's score, and ``totals``, their sums.

    ``recent`` holds the user's recent items, newest first; ``segment_text`` names the segment that was scored.
    """

    recent: Sequence[int] = ()
    clicks: Sequence[Click] = ()
    segment_text: str | None = None
    user: dict[int, float] = field(default_factory=dict)
    session: dict[int, float] = field(default_factory=dict)
    segment: dict[int, float] = field(default_factory=dict)
    totals: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        user: tuple[float, Row, Sequence[int]] | None,
        clicks: Sequence[Click],
        segment: tuple[float, str, Row] | None,
    ) -> "Evidence":
        """Sums up. ``user`` is (weight, recommendations, recent items), ``segment`` (weight, text, row)."""
        evidence = cls(clicks=clicks)
        for click in clicks:
            _add(evidence.session, _weighted(click.weight, click.row))
        evidence.totals = evidence.session.copy()
        if user is not None:
            weight, row, evidence.recent = user
            evidence.user = dict(_weighted(weight, row))
            _add(evidence.totals, evidence.user.items())
        if segment is not None:
            weight, evidence.segment_text, row = segment
            evidence.segment = dict(_weighted(weight, row))
            _add(evidence.totals, evidence.segment.items())
        return evidence

    def main_source(self, number: int) -> Source | None:
        """The source with the largest share of an item's score, the user before the session before the segment where
        shares are equal; None where none is above 0.
        """
        user, session = self.user.get(number, 0.0), self.session.get(number, 0.0)
        segment = self.segment.get(number, 0.0)
        if user > 0 and user >= session and user >= segment:
            return "user"
        if session > 0 and session >= segment:
            return "session"
        return "segment" if segment > 0 else None


def best_first(totals: Mapping[int, float], wanted: int) -> Iterator[int]:
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


def _weighted(weight: float, row: Row) -> Iterable[tuple[int, float]]:
    return zip(row.items, [weight * score for score in row.scores], strict=True)


def _add(totals: dict[int, float], shares: Iterable[tuple[int, float]]) -> None:
    # Not dict.get: this loop is a third of an answer's time, and so it takes half as long.
    for item, share in shares:
        if item in totals:
            totals[item] += share
        else:
            totals[item] = share
