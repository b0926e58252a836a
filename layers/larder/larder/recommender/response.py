"""What a recommender answers, and its form in JSON. What is made for each item is a tuple, which is made quickest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Source = Literal["user", "session", "revisit", "segment", "item", "promotion"]
NAMED_ITEMS: Final = 3
ALL_USERS: Final = "all"
_DIGITS: Final = 6


class Reason(NamedTuple):
    """Why an item is there: the source with the largest share of its score.

    ``items``: for ``user`` those of his recent items, for ``session`` those of the session, that speak for the item
    most (best first, at most three), by what goes with them or by what followed them; for ``revisit`` the item itself,
    which he may come back to; for ``item`` the one that was asked about. ``segment``: its text, ``all`` for all users.
    """

    source: Source
    items: tuple[str, ...] = ()
    segment: str | None = None
    promotion: str | None = None

    def document(self) -> dict[str, object]:
        """The JSON form: the source, and the one field that belongs to it."""
        if self.promotion is not None:
            return {"source": self.source, "promotion": self.promotion}
        if self.segment is not None:
            return {"source": self.source, "segment": self.segment}
        return {"source": self.source, "items": list(self.items)}


class Recommendation(NamedTuple):
    """One item. ``score`` is None for an id that the model does not know (``rank`` only); ``because`` is None where
    nothing speaks for the item; ``columns`` is None unless columns were asked for.
    """

    id: str
    score: float | None
    because: Reason | None
    columns: Mapping[str, str | float | None] | None = None

    def document(self) -> dict[str, object]:
        """The JSON form; scores have six decimals."""
        document: dict[str, object] = {
            "id": self.id,
            "score": None if self.score is None else round(self.score, _DIGITS),
            "because": self.because.document() if self.because else None,
        }
        if self.columns is not None:
            document["columns"] = self.columns
        return document


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The items, in the order in which to show them."""

    items: tuple[Recommendation, ...]

    def ids(self) -> list[str]:
        """The items' ids alone."""
        return [item.id for item in self.items]

    def document(self) -> list[dict[str, object]]:
        """The JSON form of the list."""
        return [item.document() for item in self.items]
