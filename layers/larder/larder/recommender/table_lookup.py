"""Look up and weight the rows of a query in a release's tables, and sum them up."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from larder.recommender.scoring import Contributions, Scores, SessionRow, split_user_row, weighted
from larder.recommender.segments import Profile, most_specific_first
from larder.release.serving import RecommenderServing
from larder.tables import DenseTable, KeyedTable, MappedFile, Reader

MAX_CLICKS: Final = 100
SEGMENTS: Final = 256


class Tables:
    """The tables of one release. Thread-safe.

    Attributes:
        neighbours: The table of the item-item model.
    """

    def __init__(
        self,
        serving: RecommenderServing,
        neighbours: DenseTable,
        users: KeyedTable | None,
        segments: KeyedTable,
        transitions: DenseTable | None = None,
        *,
        remote: bool = False,
    ) -> None:
        """If ``remote``, a read of ``neighbours`` is a round trip, so all rows of a request are fetched at once."""
        self.neighbours: Final = neighbours
        self._serving = serving
        self._transitions = transitions
        self._users = users
        self._segments = segments
        self._segment = lru_cache(SEGMENTS)(self._popular)  # a few segments have most of the users
        self._remote = remote

    @classmethod
    def open(cls, serving: RecommenderServing, reader: Callable[[str], Reader]) -> "Tables":
        """Open the tables of ``serving``; ``reader`` returns the reader of a file.

        Raises InvalidTable if a file differs from ``serving``.
        """
        users, transitions = serving.users, serving.transitions
        neighbours = reader(serving.neighbours.file)
        return cls(
            serving,
            DenseTable.open(neighbours, serving.neighbours),
            KeyedTable.open(reader(users.file), users) if users else None,
            KeyedTable.open(reader(serving.segments.file), serving.segments),
            DenseTable.open(reader(transitions.file), transitions) if transitions else None,
            remote=not isinstance(neighbours, MappedFile),
        )

    @property
    def nbytes(self) -> int:
        """The memory and page cache of the tables, in bytes."""
        tables = (self.neighbours, self._transitions, self._segments, self._users)
        return sum(table.nbytes for table in tables if table is not None)

    def scores(
        self, user: str | None, profile: Profile, seen: Sequence[int], trained: Sequence[int] = ()
    ) -> tuple[Scores, Iterator[tuple[str, Contributions]]]:
        """The scores of a query, and the segments of the user, most specific first, read when they are needed.

        Args:
            user: The user's id, or None.
            profile: The typed profile.
            seen: The session's items, newest first; only the newest count.
            trained: Older items of the session that users' rows were made from: they count for a user without a row.
        """
        row = self._user(user)
        session = (seen if row else [*seen, *trained])[: min(self._serving.session_length, MAX_CLICKS)]
        session_rows = self._session_rows(session, row[1] if row else ())
        segments = self._segments_of(profile)
        first = next(segments, None)
        return Scores.of(row, session_rows, self._revisits(session), first), chain([first] if first else [], segments)

    def _user(self, user: str | None) -> tuple[Contributions, Sequence[int]] | None:
        row = self._users.lookup(user) if self._users is not None and user is not None else None
        if row is None:
            return None
        recommended, recent = split_user_row(row, self._serving.user_slots)
        return weighted(self._serving.weights["user"], recommended), recent

    def _session_rows(self, session: Sequence[int], recent: Sequence[int]) -> list[SessionRow]:
        """The rows of ``session``, newest first: of the neighbours, then of the transitions."""
        serving, weights = self._serving, self._serving.weights
        if self._remote and recent:
            self.neighbours.rows([*session, *recent])  # one round trip; the rows for reasons are cached then
        rows = _weighted_rows(self.neighbours, session, weights["session"], serving.session_decay)
        if self._transitions is not None and (weight := weights.get("transition", 0.0)):
            rows += _weighted_rows(self._transitions, session, weight, serving.transition_decay)
        return rows

    def _revisits(self, session: Sequence[int]) -> list[tuple[int, float]]:
        weight, decay = self._serving.weights.get("revisit", 0.0), self._serving.revisit_decay
        return [(number, weight * decay**k) for k, number in enumerate(session)] if weight else []

    def _popular(self, text: str) -> Contributions | None:
        row = self._segments.lookup(text)
        return None if row is None else weighted(self._serving.weights["segment"], row)

    def _segments_of(self, profile: Profile) -> Iterator[tuple[str, Contributions]]:
        for text in most_specific_first(self._serving.segments_by, profile, self._serving.profile):
            contributions = self._segment(text)
            if contributions is not None:
                yield text, contributions


def _weighted_rows(table: DenseTable, session: Sequence[int], weight: float, decay: float) -> list[SessionRow]:
    rows = table.rows(session) if session else []
    return [SessionRow(item, weight * decay**k, row) for k, (item, row) in enumerate(zip(session, rows, strict=True))]
