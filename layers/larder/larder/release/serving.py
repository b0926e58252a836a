"""The ``serving`` section of a manifest: everything that serving needs to know about a release.

Both kinds are frozen dataclasses. Training fills them in, the manifest carries them, ``larder.release.serving_reader``
reads them, and ``classifier`` and ``recommender`` use them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

Fit = Literal["crop", "stretch"]
Resampling = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ColumnType = Literal["category", "number", "text"]

FITS: tuple[str, ...] = ("crop", "stretch")
RESAMPLINGS: tuple[str, ...] = ("nearest", "box", "bilinear", "bicubic", "lanczos")
COLUMN_TYPES: tuple[str, ...] = ("category", "number", "text")


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How encoded bytes become the graph's ``image`` input, uint8 ``[height, width, 3]``, RGB.

    ``fit="crop"`` takes the largest centred box of the target's aspect ratio, scaled by ``crop`` (0.875 is the usual
    "short side 256, centre 224"), and resamples that box; ``"stretch"`` resamples the whole image. ``background`` is
    what transparent pixels are laid on.
    """

    width: int
    height: int
    fit: Fit = "crop"
    crop: float = 1.0
    resampling: Resampling = "bilinear"
    background: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """Side information that is one of ``values``, or none of them: ``len(values) + 1`` numbers of ``side``."""

    name: str
    values: tuple[str, ...]
    type: Literal["category"] = "category"

    @property
    def width(self) -> int:
        """How many numbers of ``side`` it takes."""
        return len(self.values) + 1


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Side information that is a number, of this ``mean`` and ``deviation`` among the training photos."""

    name: str
    mean: float
    deviation: float
    type: Literal["number"] = "number"

    @property
    def width(self) -> int:
        """How many numbers of ``side`` it takes."""
        return 1


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Side information in words, counted in ``buckets`` hashed buckets."""

    name: str
    buckets: int
    type: Literal["text"] = "text"

    @property
    def width(self) -> int:
        """How many numbers of ``side`` it takes."""
        return self.buckets


SideColumn = CategoryColumn | NumberColumn | TextColumn


@dataclass(frozen=True, slots=True)
class ClassifierServing:
    """The classifier's side. ``thresholds`` (one a label, 0..1) decide which labels an answer names;
    ``novelty_threshold`` is the value of the graph's ``novelty`` output above which an image is ``unknown``
    (None: this release cannot tell). ``temperature`` is inside the graph already and stands here to be read.
    ``side`` lists the columns of side information in the order of the graph's second input; a release without any has
    one input, and no such field in its manifest.
    """

    file: str
    image: ImageSpec
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    temperature: float
    novelty_threshold: float | None
    side: tuple[SideColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: its file, its number of rows, the (item, score) slots of each row, and ``head_bytes``, the length
    of what must be read before the first look-up (the safetensors header, and the sparse index of a keyed table).
    """

    file: str
    rows: int
    width: int
    head_bytes: int


@dataclass(frozen=True, slots=True)
class ProfileColumn:
    """A column of user profiles. A ``number`` is cut into bins at ``edges`` (ascending): value v belongs to bin
    ``bisect_right(edges, v)``.
    """

    type: ColumnType
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RecommenderServing:
    """The recommender's side.

    The first ``user_slots`` slots of a row of ``users`` are recommendations, best first; the rest are that user's
    recent items, newest first. ``weights`` multiplies each source's scores: ``user``, ``session``, ``segment``, and
    where the release has them ``transition`` and ``revisit``. A session's k-th newest item counts
    ``session_decay ** k`` up to ``session_length`` items. ``segments_by`` lists the sets of profile columns that
    segments exist for, most specific first; the segment of all users is always there. ``rules`` are filters that every
    answer obeys.

    ``transitions`` says what followed an item, as ``neighbours`` says what goes with it: the session's k-th newest
    item counts ``transition_decay ** k`` there, and ``revisit_decay ** k`` for itself, where people come back. A
    release without them has none of these fields in its manifest; a decay of 1 stands in none.
    """

    items_file: str
    items: int
    columns: Mapping[str, ColumnType]
    neighbours: TableSpec
    users: TableSpec | None
    user_slots: int
    segments: TableSpec
    segments_by: tuple[tuple[str, ...], ...]
    profile: Mapping[str, ProfileColumn]
    weights: Mapping[str, float]
    session_decay: float
    session_length: int
    rules: tuple[str, ...] = ()
    transitions: TableSpec | None = None
    transition_decay: float = 1.0
    revisit_decay: float = 1.0

    @property
    def tables(self) -> tuple[TableSpec, ...]:
        """Every table that the release has."""
        return tuple(table for table in (self.neighbours, self.transitions, self.segments, self.users) if table)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that answers are made from: the items' and every table's."""
        return (self.items_file, *(table.file for table in self.tables))

    @property
    def shows_seen(self) -> bool:
        """Whether a session's own items may come back where a request does not say: people return to them."""
        return self.weights.get("revisit", 0.0) > 0


# Fields that came later, and what they are where a manifest lacks them: what is not used is not written either.
_OPTIONAL: Mapping[str, object] = MappingProxyType(
    {"side": (), "transitions": None, "transition_decay": 1.0, "revisit_decay": 1.0}
)


def section(serving: ClassifierServing | RecommenderServing) -> dict[str, object]:
    """The section as the manifest holds it, JSON-ready, without the optional fields that a release does not use."""
    return {name: value for name, value in asdict(serving).items() if name not in _OPTIONAL or value != _OPTIONAL[name]}
