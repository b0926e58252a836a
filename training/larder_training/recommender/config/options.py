"""Options of a training. All other hyperparameters are tuned on the validation period."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from larder.errors import InvalidRequest
from larder_training.io.column_names import check_columns
from larder_training.io.inputs import InputSource
from larder_training.io.personalize_schema import read_schemas
from larder_training.recommender.config.log_format import LogFormat

Repeats = Literal["auto", "allow", "never"]
Bots = Literal["drop", "keep"]
Order = Literal["time", "file", "random"]
Reranker = Literal["auto", "never"]
ColumnKind = Literal["number", "category", "categories", "text"]
COLUMN_KINDS: Final[tuple[ColumnKind, ...]] = ("number", "category", "categories", "text")
Scale = tuple[float, float]  # the worst and the best EVENT_VALUE
# Components that may join the item-item matrix: models (ensemble.components), content kNN for new items, and the
# session's own items.
OPTIONAL_COMPONENTS: Final = ("item_knn", "co_visitation", "pure_svd", "als", "bpr", "user_ease", "content", "repeat")
RELEASES: Final = Path(".larder/releases")
CACHE_FOLDER: Final = Path(".larder/cache/search")
_NONE: Final[Mapping[str, float]] = MappingProxyType({})
_NO_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_SCALES: Final[Mapping[str, Scale]] = MappingProxyType({})
_NO_TYPES: Final[Mapping[str, ColumnKind]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Feedback:
    """What events express beyond their types.

    Attributes:
        returns: Event types that cancel the user's earlier interactions with the item.
        scales: Worst and best EVENT_VALUE per type whose EVENT_VALUE is a rating.
        dwell: Event types weighted by their duration.
    """

    returns: tuple[str, ...] = ()
    scales: Mapping[str, Scale] = field(default_factory=lambda: _NO_SCALES)
    dwell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecommenderOptions:
    """Input and settings of a training. Raises InvalidRequest for invalid values.

    Inputs are each a file, a folder or a pattern, local or at ``s3://``, or several.

    Attributes:
        interactions: Events of users and items.
        model: Name of the model.
        items: Item metadata.
        users: User metadata (profiles).
        types: Types of item and user columns by name; the others are inferred. ``categories`` are several values in one
            cell, separated by ``|``.
        out: Folder of releases.
        seed: Of all random draws.
        event_weights: Weight per event type; 0 ignores it, a negative weight cancels earlier events; empty: tuned.
        event_thresholds: Smallest EVENT_VALUE per type at which an event counts, such as 4 stars for reviews.
        event_values: Worst and best EVENT_VALUE per type; values below the middle count against the item.
        returns: Types that cancel earlier interactions.
        dwell: Types weighted by their duration, the time to the user's next event.
        bots: Whether to drop users who act faster, or longer without a pause, than people can.
        columns: The files' name of a column by Larder's name, such as ``{"ITEM_ID": "movieId"}``; an empty name: none.
        schema: Files with schemas of Amazon Personalize (Avro), whose columns and types the inputs must have.
        time_format: Format of TIMESTAMP, as of ``datetime.strptime``; None: recognized.
        allow_small: Whether to train on a log that is too small to learn from.
        allow_unmatched_ids: Whether to train although hardly an id of the log is in the metadata.
        order: Order of events: ``time``, by TIMESTAMP; ``file``, each user's rows, the oldest first; ``random``,
            none: the search is skipped, and ``seed`` draws the events of the test.
        half_life_days: Age at which an event has half its weight; None: tuned.
        repeats: Whether to recommend items that the user interacted with before; ``auto``: tuned.
        reranker: Whether to try a reranker (boosted trees); ``auto`` keeps it if validation improves.
        without: Components of ``OPTIONAL_COMPONENTS`` that are not tried.
        width: Co-occurring items in each item's regression (EASE), 1 to 2000.
        minutes: Time limit of the search; None: no limit.
        trials: Limit of trials; with it, the same input gives the same bytes. None: no limit.
        compare_with: Folder of a release, such as the one in service, to evaluate on the same users.
        created: Time of the release; None: now.
        cache: Folder that keeps what an interrupted search has evaluated; None: keep nothing.
    """

    interactions: InputSource
    model: str
    items: InputSource | None = None
    users: InputSource | None = None
    types: Mapping[str, ColumnKind] = field(default_factory=lambda: _NO_TYPES)
    out: Path = RELEASES
    seed: int = 0
    event_weights: Mapping[str, float] = field(default_factory=lambda: _NONE)
    event_thresholds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    event_values: Mapping[str, Scale] = field(default_factory=lambda: _NO_SCALES)
    returns: tuple[str, ...] = ()
    dwell: tuple[str, ...] = ()
    bots: Bots = "drop"
    columns: Mapping[str, str] = field(default_factory=lambda: _NO_COLUMNS)
    schema: Path | str | Sequence[Path | str] = ()
    time_format: str | None = None
    allow_small: bool = False
    allow_unmatched_ids: bool = False
    order: Order = "time"
    half_life_days: float | None = None
    repeats: Repeats = "auto"
    reranker: Reranker = "auto"
    without: tuple[str, ...] = ()
    width: int = 200
    minutes: float | None = 10.0
    trials: int | None = None
    compare_with: Path | None = None
    created: datetime | None = None
    cache: Path | None = CACHE_FOLDER

    def __post_init__(self) -> None:
        check_columns(self.columns)
        if self.half_life_days is not None and not 0 < self.half_life_days < 1e6:
            raise InvalidRequest(f"half_life_days is {self.half_life_days}: give a number of days above 0, or omit it.")
        if not all(isfinite(weight) for weight in self.event_weights.values()):
            raise InvalidRequest(f"event_weights are {dict(self.event_weights)}: give finite numbers.")
        if self.event_weights and not any(weight > 0 for weight in self.event_weights.values()):
            raise InvalidRequest("event_weights ignore every event: give at least one type a weight above 0.")
        if (self.minutes is not None and not self.minutes >= 0) or (self.trials is not None and self.trials < 0):
            raise InvalidRequest(f"minutes are {self.minutes}, trials {self.trials}: give 0 or more.")
        for name, (worst, best) in self.event_values.items():
            if not worst < best:
                raise InvalidRequest(
                    f"event_values of {name} are {worst:g}:{best:g}: give the worst value, then the best."
                )
        if unknown := sorted(set(self.without) - set(OPTIONAL_COMPONENTS)):
            raise InvalidRequest(f"without has {', '.join(unknown)}: choose from {', '.join(OPTIONAL_COMPONENTS)}.")
        check_kinds(self.types)
        if self.order != "time" and (self.half_life_days is not None or self.dwell or self.compare_with is not None):
            raise InvalidRequest(
                f"order is {self.order}, so events have no time: omit half_life_days, dwell and compare_with, or give "
                "TIMESTAMP and order=time."
            )
        if not 1 <= self.width <= 2000:
            raise InvalidRequest(f"width is {self.width}: give 1 to 2000 co-occurring items; 200 is a good start.")

    @property
    def schema_files(self) -> list[Path]:
        """The files of ``schema``."""
        return [Path(path) for path in ([self.schema] if isinstance(self.schema, Path | str) else self.schema)]

    def log_format(self) -> LogFormat:
        """How the files are written; reads the schemas."""
        return LogFormat(self.columns, self.time_format, read_schemas(self.schema_files))

    @property
    def feedback(self) -> Feedback:
        """Feedback of the events; a type with a negative weight is a return."""
        negative = (name for name, weight in self.event_weights.items() if weight < 0)
        return Feedback(tuple(sorted({*self.returns, *negative})), self.event_values, self.dwell)

    @property
    def strengths(self) -> dict[str, float]:
        """``event_weights`` without their signs, which ``feedback`` expresses."""
        return {name: abs(weight) for name, weight in self.event_weights.items()}


def parse_numbers(name: str, texts: Iterable[str]) -> dict[str, float]:
    """Parses ``["view=1,cart=3", "pay=5"]`` to numbers by event type. Raises InvalidRequest that names a wrong part."""
    numbers: dict[str, float] = {}
    for piece in _pieces(texts):
        event, equals, number = piece.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not event.strip() or not isfinite(value):
            raise InvalidRequest(f"{name}: {piece.strip()!r} is not EVENT=NUMBER. Example: view=1,cart=3.")
        numbers[event.strip()] = value
    return numbers


def parse_scales(name: str, texts: Iterable[str]) -> dict[str, Scale]:
    """Parses ``["review=1:5"]`` to the worst and best value by event type. Raises InvalidRequest like parse_numbers."""
    scales: dict[str, Scale] = {}
    for piece in _pieces(texts):
        event, _, ends = piece.partition("=")
        worst, colon, best = ends.partition(":")
        try:
            scales[event.strip()] = (float(worst), float(best))
        except ValueError:
            colon = ""
        if not colon or not event.strip():
            raise InvalidRequest(f"{name}: {piece.strip()!r} is not EVENT=WORST:BEST. Example: review=1:5.")
    return scales


def check_kinds(types: Mapping[str, str]) -> None:
    """Raises InvalidRequest for a type that no column can have."""
    for name, kind in types.items():
        if kind not in COLUMN_KINDS:
            raise InvalidRequest(f"types: {name}={kind!r:.40} is not a type: give {', '.join(COLUMN_KINDS)}.")


def parse_types(name: str, texts: Iterable[str]) -> dict[str, ColumnKind]:
    """Parses ``["YEAR=number,GENRES=categories"]``; a column name with a comma is in double quotes.

    Raises InvalidRequest that names a wrong part.
    """
    types: dict[str, ColumnKind] = {}
    for piece in (piece for row in csv.reader(texts, skipinitialspace=True) for piece in row if piece.strip()):
        column, _, kind = piece.rpartition("=")
        known = next((known for known in COLUMN_KINDS if known == kind.strip()), None)
        if known is None or not column.strip():
            raise InvalidRequest(
                f"{name}: {piece.strip()!r:.80} is not COLUMN=TYPE with one of {', '.join(COLUMN_KINDS)}. Example: "
                "YEAR=number,GENRES=categories."
            )
        types[column.strip()] = known
    return types


def parse_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Parses ``["return,refund"]`` to names."""
    return tuple(piece.strip() for piece in _pieces(texts))


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    return (piece for text in texts for piece in text.split(",") if piece.strip())
