"""The response of a recommender and its JSON. Objects per item are tuples, which are created fastest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Source = Literal[
    "user", "session", "revisit", "segment", "item", "content", "exploration", "trending", "promotion", "pin"
]
_ALONE: Final = ("exploration", "trending")  # sources whose reason has nothing else to say
NAMED_ITEMS: Final = 3
ALL_USERS: Final = "all"
_DIGITS: Final = 6
_NO_TOTALS: Final[Mapping[int, float]] = MappingProxyType({})
_NONE: Mapping[str, int] = MappingProxyType({})


class Reason(NamedTuple):
    """Why an item is recommended.

    Attributes:
        source: The source with the largest share of the score.
        items: For ``user`` and ``session``, the at most three recent or session items that contribute most, largest
            first; for ``revisit``, the item itself; for ``item``, the item of the request; for ``content``, a
            new item, the items that it resembles.
        segment: The name of the segment, ``all`` for all users.
        promotion: The name of the promotion.
        place: The place of a pinned item, as the request states it.
        boost: The factor by which the request's boosts changed the score; None without one.
    """

    source: Source
    items: tuple[str, ...] = ()
    segment: str | None = None
    promotion: str | None = None
    place: int | None = None
    boost: float | None = None

    def document(self) -> dict[str, object]:
        """The reason as JSON: the source, and the field that belongs to it and the boost if there are any."""
        boost = {} if self.boost is None else {"boost": self.boost}
        if self.place is not None:
            return {"source": self.source, "place": self.place}
        if self.promotion is not None:
            return {"source": self.source, "promotion": self.promotion, **boost}
        if self.segment is not None:
            return {"source": self.source, "segment": self.segment, **boost}
        if self.source in _ALONE:
            return {"source": self.source, **boost}
        return {"source": self.source, "items": list(self.items), **boost}


class Recommendation(NamedTuple):
    """One recommended item.

    Attributes:
        id: The item's id.
        score: The score, or None for an unknown item (``rank`` only).
        because: The reason, or None if the score is not positive.
        columns: The requested columns, or None if none were requested.
    """

    id: str
    score: float | None
    because: Reason | None
    columns: Mapping[str, str | float | None] | None = None

    def document(self) -> dict[str, object]:
        """The item as JSON; scores have six decimals."""
        document: dict[str, object] = {
            "id": self.id,
            "score": None if self.score is None else round(self.score, _DIGITS),
            "because": self.because.document() if self.because else None,
        }
        if self.columns is not None:
            document["columns"] = self.columns
        return document


class Unknown(NamedTuple):
    """The ids of a request that the model does not know.

    Attributes:
        user: The user, or None.
        item: The item in view, or None.
        session: Items of the session, each once.
    """

    user: str | None = None
    item: str | None = None
    session: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The fields that have an unknown id, named as in the request."""
        return {name: list(ids) if name == "session" else ids for name, ids in self._asdict().items() if ids}


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list of recommendations.

    Attributes:
        items: The items, in the order in which to show them.
        unknown: The unknown ids of the request; None where an unknown id is an error (``similar``).
        warnings: Parts of the request that had no effect, and why.
        totals: The score of every item of the release that has one, by number; all other items have score 0. Not part
            of the JSON.
        left_out: By capped column, how many better items its cap left out of this page.
        more: Whether the list goes on after this page; None if the request does not page.
    """

    items: tuple[Recommendation, ...]
    unknown: Unknown | None = None
    warnings: tuple[str, ...] = ()
    totals: Mapping[int, float] = field(default_factory=lambda: _NO_TOTALS, compare=False, repr=False)
    left_out: Mapping[str, int] = field(default_factory=lambda: _NONE)
    more: bool | None = None

    def ids(self) -> list[str]:
        """The ids of the items."""
        return [item.id for item in self.items]

    def document(self) -> dict[str, object]:
        """The list as JSON, with ``known``, and with ``unknown``, ``warnings`` and ``left_out`` if there are any."""
        document: dict[str, object] = {}
        if self.unknown is not None:
            unknown = self.unknown.document()
            document = {"known": not unknown, **({"unknown": unknown} if unknown else {})}
        if self.warnings:
            document["warnings"] = self.warnings
        if self.left_out:
            document["left_out"] = dict(self.left_out)
        return {**document, "items": [item.document() for item in self.items]}
