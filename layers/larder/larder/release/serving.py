"""The ``serving`` section of a manifest: all that serving needs to know about a release.

There is one dataclass for each kind of model. Training fills it in, and ``larder.release.serving_reader`` reads it from
the manifest.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final, Literal

Fit = Literal["crop", "stretch"]
Resampling = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ColumnType = Literal["category", "number", "text"]

FITS: tuple[str, ...] = ("crop", "stretch")
RESAMPLINGS: tuple[str, ...] = ("nearest", "box", "bilinear", "bicubic", "lanczos")
COLUMN_TYPES: tuple[ColumnType, ...] = ("category", "number", "text")
CONTENT_KINDS: Final = ("values", "words", "bins")
"""How two items are compared by a column: equal values, words in common, near numbers."""
CREATED: Final = "CREATION_TIMESTAMP"
"""The items' column with the epoch second at which each was added; no item is like another because of it."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How an image becomes the graph's input ``image``, uint8 ``[height, width, 3]``, RGB.

    Attributes:
        width: The width in pixels.
        height: The height in pixels.
        fit: ``crop`` resamples the largest centred box of the target's aspect ratio, scaled by ``crop``; ``stretch``
            resamples the whole image.
        crop: The scale of the box, 0 to 1; 0.875 is the usual "short side 256, centre 224".
        resampling: The filter of Pillow.
        background: The RGB colour behind transparent pixels.
    """

    width: int
    height: int
    fit: Fit = "crop"
    crop: float = 1.0
    resampling: Resampling = "bilinear"
    background: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column of side information with categories, encoded one-hot.

    Attributes:
        name: The column's name.
        values: The categories of training; every other value shares one more position.
        type: Always ``category``.
    """

    name: str
    values: tuple[str, ...]
    type: Literal["category"] = "category"

    @property
    def width(self) -> int:
        """The number of values that the column is encoded in."""
        return len(self.values) + 1


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of side information with numbers, encoded standardised.

    Attributes:
        name: The column's name.
        mean: The mean over the training images.
        deviation: The standard deviation over the training images.
        type: Always ``number``.
    """

    name: str
    mean: float
    deviation: float
    type: Literal["number"] = "number"

    @property
    def width(self) -> int:
        """The number of values that the column is encoded in."""
        return 1


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of side information with text, encoded as hashed word counts.

    Attributes:
        name: The column's name.
        buckets: The number of buckets.
        type: Always ``text``.
    """

    name: str
    buckets: int
    type: Literal["text"] = "text"

    @property
    def width(self) -> int:
        """The number of values that the column is encoded in."""
        return self.buckets


SideColumn = CategoryColumn | NumberColumn | TextColumn


@dataclass(frozen=True, slots=True)
class ClassifierServing:
    """The serving section of a classifier.

    Attributes:
        file: The ONNX file.
        image: How an image becomes the graph's input.
        labels: The labels, in the order of the graph's output ``probabilities``.
        thresholds: For each label, the probability (0 to 1) from which a response has it.
        temperature: The temperature of the calibration; for information, since the graph applies it.
        novelty_threshold: The OOD score above which an image is ``unknown``; None if the release has no OOD detection.
        side: The columns of side information, in the order of the graph's second input. A release without them has one
            input, and its manifest lacks the field.
        multi_label: Whether an image has any number of labels, so that each probability stands by itself and they need
            not sum to 1. A manifest of format 1 lacks the field, which means false.
    """

    file: str
    image: ImageSpec
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    temperature: float
    novelty_threshold: float | None
    side: tuple[SideColumn, ...] = ()
    multi_label: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table file.

    Attributes:
        file: The name of the file.
        rows: The number of rows.
        width: The number of (item, score) slots of each row.
        head_bytes: The number of bytes to read before the first look-up: the safetensors header, and the sparse index
            of a keyed table.
    """

    file: str
    rows: int
    width: int
    head_bytes: int


@dataclass(frozen=True, slots=True)
class InteractionTable:
    """What users did, by event type; only filters read it.

    Attributes:
        table: The table of users' events: items with the index in ``events`` as the score, newest first. A user whose
            events do not fit one row has more rows (``docs/reference/formats.md``).
        events: The event types.
    """

    table: TableSpec
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileTables:
    """The users' values in profile columns; only filters read them.

    Attributes:
        users: The table of users: one slot, the number of the user's profile.
        file: The different profiles, as a vocabulary with a column for each column of profiles.
        profiles: The number of different profiles.
        columns: The columns and their types.
    """

    users: TableSpec
    file: str
    profiles: int
    columns: Mapping[str, ColumnType]


@dataclass(frozen=True, slots=True)
class ProfileColumn:
    """A column of user profiles.

    Attributes:
        type: ``category`` or ``number``.
        edges: For a number, the ascending edges of its bins: value v belongs to bin ``bisect_right(edges, v)``.
    """

    type: ColumnType
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentSpec:
    """How the training gave items without events a place among the others: by their columns.

    Items that are put after the training are placed the same way (``larder.events.placing``).

    Attributes:
        factor: A new item's score is the weighted mean of its neighbours' scores, times this, or 1 if that is
            less, to the power of ``1 - s`` with the similarity ``s`` of the nearest.
        own: What an item of the session adds to the score of a new item that has it as a neighbour, before the weights
            of the session, of the neighbour and ``factor``.
        weights: By column and kind of comparison (``CONTENT_KINDS``): its weight in the similarity of two items. Equal
            for all columns if it is empty.
    """

    factor: float
    own: float
    weights: Mapping[str, Mapping[str, float]]


DEFAULT_CONTENT: Final = ContentSpec(0.5, 0.5, MappingProxyType({}))
"""For releases whose training has not placed any item."""


@dataclass(frozen=True, slots=True)
class RecommenderServing:
    """The serving section of a recommender. ARCHITECTURE.md has the formula that the weights and decays are for.

    The manifest lacks the fields of co-visitation and repeat consumption and the tables for filters (``transitions``
    and after) if a release does not use them.

    Attributes:
        items_file: The file of the items.
        items: The number of items.
        columns: The items' columns and their types.
        neighbours: The table of the item-item model.
        users: The table of users, or None.
        user_slots: The number of slots of a user's row that hold recommendations, best first; the other slots hold
            the user's recent items, newest first.
        segments: The table of segments; the empty key is the segment of all users.
        segments_by: The sets of profile columns that segments exist for, most specific first.
        profile: The columns of user profiles.
        weights: The weight of each component: ``user``, ``session``, ``segment``, and optionally ``transition`` and
            ``revisit``.
        session_decay: The session's k-th newest item counts ``session_decay ** k`` in ``neighbours``.
        session_length: The number of newest session items that count.
        rules: Filters that apply to every response.
        transitions: The table of co-visitation, or None.
        transition_decay: The session's k-th newest item counts ``transition_decay ** k`` in ``transitions``.
        revisit_decay: The session's k-th newest item counts ``revisit_decay ** k`` for itself.
        interactions: What users did, for filters on Interactions, or None.
        profiles: The users' profiles, for filters on CurrentUser, or None.
        content: How new items are placed, or None if the training has not placed any.
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
    interactions: InteractionTable | None = None
    profiles: ProfileTables | None = None
    content: ContentSpec | None = None

    @property
    def tables(self) -> tuple[TableSpec, ...]:
        """The tables that any request may read."""
        return tuple(table for table in (self.neighbours, self.transitions, self.segments, self.users) if table)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that serving reads: the items', the tables', and those that only filters read."""
        done = (self.interactions.table.file,) if self.interactions else ()
        profiles = (self.profiles.users.file, self.profiles.file) if self.profiles else ()
        return (self.items_file, *(table.file for table in self.tables), *done, *profiles)

    @property
    def user_columns(self) -> Mapping[str, ColumnType]:
        """The columns of users that filters may name: those of segments and those that the release stores."""
        columns = {name: column.type for name, column in self.profile.items()}
        return {**(self.profiles.columns if self.profiles else {}), **columns}

    @property
    def shows_seen(self) -> bool:
        """Whether the session's items may be recommended by default: the release has repeat consumption."""
        return self.weights.get("revisit", 0.0) > 0


# Fields added after format 1, with their defaults: written only if they differ from these.
_OPTIONAL: Mapping[str, object] = MappingProxyType(
    {
        "side": (),
        "multi_label": False,
        "transitions": None,
        "transition_decay": 1.0,
        "revisit_decay": 1.0,
        "interactions": None,
        "profiles": None,
        "content": None,
    }
)


def section(serving: ClassifierServing | RecommenderServing) -> dict[str, object]:
    """The section as a JSON object, without the optional fields that have their defaults."""
    return {name: value for name, value in asdict(serving).items() if name not in _OPTIONAL or value != _OPTIONAL[name]}
