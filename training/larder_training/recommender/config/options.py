"""What a person may choose about a training; everything else is chosen on the validation period."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from larder.errors import InvalidRequest
from larder_training.io.inputs import Given

Repeats = Literal["auto", "allow", "never"]
Bots = Literal["drop", "keep"]
Reranker = Literal["auto", "never"]
Scale = tuple[float, float]  # the worst and the best EVENT_VALUE
# What a model may be made of beside a regression: learners (ensemble.components), and what the
# catalogue says of new items, and what a session has seen already.
OPTIONAL_COMPONENTS: Final = ("item_knn", "co_visitation", "pure_svd", "als", "bpr", "user_ease", "content", "repeat")
RELEASES: Final = Path(".larder/releases")
_NONE: Final[Mapping[str, float]] = MappingProxyType({})
_NO_SCALES: Final[Mapping[str, Scale]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Signals:
    """``returns``: types of event that take back what the user had to do with the item. ``scales``: types whose
    EVENT_VALUE is a rating, with the worst and the best. ``dwell``: types whose duration counts.
    """

    returns: tuple[str, ...] = ()
    scales: Mapping[str, Scale] = field(default_factory=lambda: _NO_SCALES)
    dwell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecommenderOptions:
    """A training's input and what is fixed beforehand.

    ``interactions``, ``items`` and ``users`` are each a file, a folder or a pattern, here or at ``s3://``, or several.
    ``event_weights`` (event type: how much one such event says, 0 leaves the type out) and ``half_life_days`` (the age
    at which an event counts half) are chosen on the validation period where they are not given. An event of a type in
    ``event_thresholds`` counts only from that EVENT_VALUE up (a review of one star of five is no recommendation).
    An event of a type in ``event_values`` (type: worst and best EVENT_VALUE) counts by its rating, and below the middle
    against its item; one of a type in ``returns``, of a type with a weight below 0 or with an EVENT_VALUE below 0 takes
    back; one of a type in ``dwell`` counts by how long it lasted. ``bots``: whether users who act faster or longer than
    a person can are left out.
    ``repeats``: whether items that a user had before may be recommended to him again; ``auto`` chooses. ``reranker``:
    whether boosted trees may put users' rows into order, where that does better. ``without``: components of
    ``OPTIONAL_COMPONENTS`` that are not tried. ``width`` is the number of
    co-occurring items that each item's regression looks at. ``minutes`` and ``trials`` end the search for settings,
    whichever comes first (None: no such end); what was not tried keeps its usual value. ``against`` is the folder of a
    release, mostly the one that is live: both are measured on the same users. Raises InvalidRequest for values that
    cannot be meant.
    """

    interactions: Given
    model: str
    items: Given | None = None
    users: Given | None = None
    out: Path = RELEASES
    seed: int = 0
    event_weights: Mapping[str, float] = field(default_factory=lambda: _NONE)
    event_thresholds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    event_values: Mapping[str, Scale] = field(default_factory=lambda: _NO_SCALES)
    returns: tuple[str, ...] = ()
    dwell: tuple[str, ...] = ()
    bots: Bots = "drop"
    half_life_days: float | None = None
    repeats: Repeats = "auto"
    reranker: Reranker = "auto"
    without: tuple[str, ...] = ()
    width: int = 200
    minutes: float | None = 10.0
    trials: int | None = None
    compare_with: Path | None = None
    created: datetime | None = None

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not 0 < self.half_life_days < 1e6:
            raise InvalidRequest(f"half_life_days is {self.half_life_days}: give days above 0, or leave it out.")
        if not all(isfinite(weight) for weight in self.event_weights.values()):
            raise InvalidRequest(f"event_weights are {dict(self.event_weights)}: give numbers.")
        if self.event_weights and not any(weight > 0 for weight in self.event_weights.values()):
            raise InvalidRequest("event_weights leave every event out: give one of them a weight above 0.")
        if (self.minutes is not None and not self.minutes >= 0) or (self.trials is not None and self.trials < 0):
            raise InvalidRequest(f"minutes are {self.minutes}, trials {self.trials}: give numbers from 0 up.")
        for name, (worst, best) in self.event_values.items():
            if not worst < best:
                raise InvalidRequest(f"event_values of {name} are {worst:g}:{best:g}: give the worst, then the best.")
        if unknown := sorted(set(self.without) - set(OPTIONAL_COMPONENTS)):
            raise InvalidRequest(f"without names {', '.join(unknown)}: name some of {', '.join(OPTIONAL_COMPONENTS)}.")
        if not 1 <= self.width <= 2000:
            raise InvalidRequest(f"width is {self.width}: give 1 to 2000 co-occurring items; 200 is a good start.")

    @property
    def signals(self) -> Signals:
        """What events say beyond their types; a weight below 0 makes a type one of returns."""
        negative = (name for name, weight in self.event_weights.items() if weight < 0)
        return Signals(tuple(sorted({*self.returns, *negative})), self.event_values, self.dwell)

    @property
    def strengths(self) -> dict[str, float]:
        """``event_weights`` without their signs, which ``signals`` has: none below 0."""
        return {name: abs(weight) for name, weight in self.event_weights.items()}


def parse_numbers(name: str, texts: Iterable[str]) -> dict[str, float]:
    """``["view=1,cart=3", "pay=5"]`` as numbers by event type; raises InvalidRequest, naming a wrong piece."""
    numbers: dict[str, float] = {}
    for piece in _pieces(texts):
        event, equals, number = piece.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not event.strip() or not isfinite(value):
            raise InvalidRequest(f"{name}: {piece.strip()!r} is not EVENT=NUMBER; write it like view=1,cart=3.")
        numbers[event.strip()] = value
    return numbers


def parse_scales(name: str, texts: Iterable[str]) -> dict[str, Scale]:
    """``["review=1:5"]`` as the worst and the best value by event type; raises InvalidRequest, naming a wrong piece."""
    scales: dict[str, Scale] = {}
    for piece in _pieces(texts):
        event, _, ends = piece.partition("=")
        worst, colon, best = ends.partition(":")
        try:
            scales[event.strip()] = (float(worst), float(best))
        except ValueError:
            colon = ""
        if not colon or not event.strip():
            raise InvalidRequest(f"{name}: {piece.strip()!r} is not EVENT=WORST:BEST; write it like review=1:5.")
    return scales


def parse_names(texts: Iterable[str]) -> tuple[str, ...]:
    """``["return,refund"]`` as names."""
    return tuple(piece.strip() for piece in _pieces(texts))


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    return (piece for text in texts for piece in text.split(",") if piece.strip())
