"""What a release's tables say for one query: rows, read and weighted, and summed up as evidence."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from larder.recommender.scoring import Click, Evidence, Shares, split_user_row, weighted
from larder.recommender.segments import Profile, most_specific_first
from larder.release.serving import RecommenderServing
from larder.tables import DenseTable, KeyedTable, MappedFile, Reader

MAX_CLICKS: Final = 100
SEGMENTS: Final = 256


class Tables:
    """The opened tables of one release. Pure reading, from any thread."""

    def __init__(
        self,
        serving: RecommenderServing,
        neighbours: DenseTable,
        users: KeyedTable | None,
        segments: KeyedTable,
        transitions: DenseTable | None = None,
        *,
        far: bool = False,
    ) -> None:
        """``far``: a read of ``neighbours`` is a round trip, so the rows that one answer needs are fetched at once."""
        self.neighbours: Final = neighbours
        self._serving = serving
        self._transitions = transitions
        self._users = users
        self._segments = segments
        self._segment = lru_cache(SEGMENTS)(self._popular)  # the few that most users belong to
        self._far = far

    @classmethod
    def open(cls, serving: RecommenderServing, reader: Callable[[str], Reader]) -> "Tables":
        """The tables that ``serving`` names, each from what ``reader`` gives for its file.

        Raises InvalidTable where a file is not what ``serving`` says.
        """
        users, transitions = serving.users, serving.transitions
        neighbours = reader(serving.neighbours.file)
        return cls(
            serving,
            DenseTable.open(neighbours, serving.neighbours),
            KeyedTable.open(reader(users.file), users) if users else None,
            KeyedTable.open(reader(serving.segments.file), serving.segments),
            DenseTable.open(reader(transitions.file), transitions) if transitions else None,
            far=not isinstance(neighbours, MappedFile),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of memory and page cache that they hold."""
        tables = (self.neighbours, self._transitions, self._segments, self._users)
        return sum(table.nbytes for table in tables if table is not None)

    def evidence(
        self, user: str | None, profile: Profile, seen: Sequence[int]
    ) -> tuple[Evidence, Iterator[tuple[str, Shares]]]:
        """What the rows say, and all segments of the user, most specific first, read as they are asked for.

        ``profile`` is typed; ``seen`` holds what the session saw, newest first, of which only the newest count.
        """
        row = self._user(user)
        clicked = seen[: min(self._serving.session_length, MAX_CLICKS)]
        clicks = self._clicks(clicked, row[1] if row else ())
        segments = self._segments_of(profile)
        first = next(segments, None)
        return Evidence.of(row, clicks, self._revisits(clicked), first), chain([first] if first else [], segments)

    def _user(self, user: str | None) -> tuple[Shares, Sequence[int]] | None:
        row = self._users.lookup(user) if self._users is not None and user is not None else None
        if row is None:
            return None
        recommended, recent = split_user_row(row, self._serving.user_slots)
        return weighted(self._serving.weights["user"], recommended), recent

    def _clicks(self, clicked: Sequence[int], recent: Sequence[int]) -> list[Click]:
        """The rows of ``clicked``, newest first: of the neighbours, then of the transitions."""
        serving, weights = self._serving, self._serving.weights
        if self._far and recent:
            self.neighbours.rows([*clicked, *recent])  # one round trip now; explaining finds its rows kept
        clicks = _clicks_in(self.neighbours, clicked, weights["session"], serving.session_decay)
        if self._transitions is not None and (weight := weights.get("transition", 0.0)):
            clicks += _clicks_in(self._transitions, clicked, weight, serving.transition_decay)
        return clicks

    def _revisits(self, clicked: Sequence[int]) -> list[tuple[int, float]]:
        weight, decay = self._serving.weights.get("revisit", 0.0), self._serving.revisit_decay
        return [(number, weight * decay**k) for k, number in enumerate(clicked)] if weight else []

    def _popular(self, text: str) -> Shares | None:
        row = self._segments.lookup(text)
        return None if row is None else weighted(self._serving.weights["segment"], row)

    def _segments_of(self, profile: Profile) -> Iterator[tuple[str, Shares]]:
        for text in most_specific_first(self._serving.segments_by, profile, self._serving.profile):
            shares = self._segment(text)
            if shares is not None:
                yield text, shares


def _clicks_in(table: DenseTable, clicked: Sequence[int], weight: float, decay: float) -> list[Click]:
    rows = table.rows(clicked) if clicked else []
    return [Click(number, weight * decay**k, row) for k, (number, row) in enumerate(zip(clicked, rows, strict=True))]
