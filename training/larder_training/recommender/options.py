"""What a person may choose about a training; everything else is chosen on the validation period."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from larder.errors import InvalidRequest

Repeats = Literal["auto", "allow", "never"]
RELEASES: Final = Path(".larder/releases")
_NONE: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RecommenderOptions:
    """A training's input and what is fixed beforehand.

    ``event_weights`` (event type: how much one such event says, 0 leaves the type out) and ``half_life_days`` (the age
    at which an event counts half) are chosen on the validation period where they are not given. An event of a type in
    ``event_thresholds`` counts only from that EVENT_VALUE up (a review of one star of five is no recommendation).
    ``repeats``: whether items that a user had before may be recommended to him again; ``auto`` chooses. ``width`` is
    the number of co-occurring items that each item's regression looks at. ``minutes`` and ``trials`` end the search
    for settings, whichever comes first (None: no such end); what was not tried keeps its usual value. ``against`` is
    the folder of a release, mostly the one that is live: both are measured on the same users. Raises InvalidRequest
    for values that cannot be meant.
    """

    interactions: Path
    model: str
    items: Path | None = None
    users: Path | None = None
    out: Path = RELEASES
    seed: int = 0
    event_weights: Mapping[str, float] = field(default_factory=lambda: _NONE)
    event_thresholds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    half_life_days: float | None = None
    repeats: Repeats = "auto"
    width: int = 200
    minutes: float | None = 10.0
    trials: int | None = None
    against: Path | None = None
    created: datetime | None = None

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not 0 < self.half_life_days < 1e6:
            raise InvalidRequest(f"half_life_days is {self.half_life_days}: give days above 0, or leave it out.")
        if any(not isfinite(weight) or weight < 0 for weight in self.event_weights.values()):
            raise InvalidRequest(f"event_weights are {dict(self.event_weights)}: give numbers from 0 up.")
        if self.event_weights and not any(self.event_weights.values()):
            raise InvalidRequest("event_weights leave every event out: give one of them a weight above 0.")
        if (self.minutes is not None and not self.minutes >= 0) or (self.trials is not None and self.trials < 0):
            raise InvalidRequest(f"minutes are {self.minutes}, trials {self.trials}: give numbers from 0 up.")
        if not 1 <= self.width <= 2000:
            raise InvalidRequest(f"width is {self.width}: give 1 to 2000 co-occurring items; 200 is a good start.")


def parse_numbers(name: str, texts: Iterable[str]) -> dict[str, float]:
    """``["view=1,cart=3", "pay=5"]`` as numbers by event type; raises InvalidRequest, naming a wrong piece."""
    numbers: dict[str, float] = {}
    for piece in (piece for text in texts for piece in text.split(",") if piece.strip()):
        event, equals, number = piece.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not event.strip() or not isfinite(value):
            raise InvalidRequest(f"{name}: {piece.strip()!r} is not EVENT=NUMBER; write it like view=1,cart=3.")
        numbers[event.strip()] = value
    return numbers
