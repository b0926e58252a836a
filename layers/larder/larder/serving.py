"""What answering needs, as a manifest's ``serving`` section states it. Nothing here is ever guessed.

Both kinds are plain frozen data: training fills them in, the manifest carries them, ``classifier`` and ``recommender``
read them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal, cast

from larder.fields import Fields

Fit = Literal["crop", "stretch"]
Resampling = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ColumnType = Literal["category", "number", "text"]

FITS: tuple[str, ...] = ("crop", "stretch")
RESAMPLINGS: tuple[str, ...] = ("nearest", "box", "bilinear", "bicubic", "lanczos")
COLUMN_TYPES: tuple[str, ...] = ("category", "number", "text")
_FILE = r"[a-z0-9][a-z0-9._-]*"
_SIDE_NAME = r"[^\x00-\x1f\x7f]{1,80}"
_SIDE_COLUMNS = 50
_SIDE_WIDTH = 4096


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


def read_classifier(fields: Fields) -> ClassifierServing:
    """Reads the section; problems go to ``fields.problems``."""
    image = fields.child("image")
    background = image.numbers("background", 0, 255)
    if len(background) != 3:
        image.note("background", "must be three numbers: red, green, blue")
    spec = ImageSpec(
        width=image.integer("width", 1, 4096),
        height=image.integer("height", 1, 4096),
        fit=cast("Fit", image.choice("fit", FITS)),
        crop=image.number("crop", 0.01, 1.0),
        resampling=cast("Resampling", image.choice("resampling", RESAMPLINGS)),
        background=cast("tuple[int, int, int]", tuple(int(b) for b in background)),
    )
    image.finish()
    labels, thresholds = fields.texts("labels"), fields.numbers("thresholds", 0, 1)
    if len(labels) < 2 or len(set(labels)) != len(labels):
        fields.note("labels", "must be at least two different texts")
    if len(thresholds) != len(labels):
        fields.note("thresholds", f"has {len(thresholds)} entries for {len(labels)} labels")
    novelty = fields.number("novelty_threshold", 0) if fields.has("novelty_threshold") else None
    serving = ClassifierServing(
        fields.text("file", _FILE),
        spec,
        labels,
        thresholds,
        fields.number("temperature", 1e-3, 1e3),
        novelty,
        _read_side(fields) if fields.has("side") else (),
    )
    fields.finish()
    return serving


def _read_side(fields: Fields) -> tuple[SideColumn, ...]:
    columns: list[SideColumn] = []
    for number, entry in enumerate(fields.sequence("side")):
        columns.append(_read_side_column(Fields(entry, f"serving.side.{number}", fields.problems)))
    names = [column.name for column in columns]
    if not 1 <= len(names) <= _SIDE_COLUMNS or len(set(names)) != len(names):
        fields.note("side", f"must list 1 to {_SIDE_COLUMNS} columns of different names")
    if sum(column.width for column in columns) > _SIDE_WIDTH:
        fields.note("side", f"takes more than {_SIDE_WIDTH} numbers")
    return tuple(columns)


def _read_side_column(fields: Fields) -> SideColumn:
    name, kind = fields.text("name", _SIDE_NAME), fields.choice("type", COLUMN_TYPES)
    if not name:
        fields.note("name", "must not be empty")
    column: SideColumn
    if kind == "number":
        column = NumberColumn(name, fields.number("mean"), fields.number("deviation", 1e-300))
    elif kind == "text":
        column = TextColumn(name, fields.integer("buckets", 1, _SIDE_WIDTH))
    else:
        column = CategoryColumn(name, fields.texts("values"))
        if len(set(column.values)) != len(column.values) or "" in column.values:
            fields.note("values", "must be different texts, none of them empty")
    fields.finish()
    return column


def _read_table(fields: Fields) -> TableSpec:
    spec = TableSpec(
        fields.text("file", _FILE),
        fields.integer("rows", 0, 2**40),
        fields.integer("width", 1, 65535),
        fields.integer("head_bytes", 8, 2**40),
    )
    fields.finish()
    return spec


def read_recommender(fields: Fields) -> RecommenderServing:
    """Reads the section; problems go to ``fields.problems``."""
    columns = {}
    for name, kind in fields.mapping("columns").items():
        if kind not in COLUMN_TYPES:
            fields.note(f"columns.{name}", f"must be one of {', '.join(COLUMN_TYPES)}")
        columns[name] = cast("ColumnType", kind)
    profile = {}
    for name, column in fields.children("profile").items():
        edges = column.numbers("edges")
        if list(edges) != sorted(set(edges)):
            column.note("edges", "must ascend, with no number twice")
        profile[name] = ProfileColumn(cast("ColumnType", column.choice("type", COLUMN_TYPES)), edges)
        column.finish()
    users = _read_table(fields.child("users")) if fields.has("users") else None
    serving = RecommenderServing(
        items_file=fields.text("items_file", _FILE),
        items=fields.integer("items", 1, 2**32 - 2),
        columns=columns,
        neighbours=_read_table(fields.child("neighbours")),
        users=users,
        user_slots=fields.integer("user_slots", 0, users.width if users else 0),
        segments=_read_table(fields.child("segments")),
        segments_by=_read_segments(fields, set(profile)),
        profile=profile,
        weights=_read_weights(fields.child("weights")),
        session_decay=fields.number("session_decay", 0, 1),
        session_length=fields.integer("session_length", 1, 1000),
        rules=fields.texts("rules"),
        transitions=_read_table(fields.child("transitions")) if fields.has("transitions") else None,
        transition_decay=fields.number("transition_decay", 0, 1) if fields.has("transition_decay") else 1.0,
        revisit_decay=fields.number("revisit_decay", 0, 1) if fields.has("revisit_decay") else 1.0,
    )
    if serving.weights.get("transition") and serving.transitions is None:
        fields.note("weights.transition", "is above 0, but the release has no table of transitions")
    fields.finish()
    return serving


def _read_weights(fields: Fields) -> dict[str, float]:
    weights = {source: fields.number(source, 0) for source in ("user", "session", "segment")}
    weights |= {source: fields.number(source, 0) for source in ("transition", "revisit") if fields.has(source)}
    fields.finish()
    return weights


def _read_segments(fields: Fields, profile: set[str]) -> tuple[tuple[str, ...], ...]:
    segments = []
    for number, names in enumerate(fields.sequence("segments_by")):
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in profile for n in names):
            fields.note(f"segments_by.{number}", "must be a list of names of profile columns")
        else:
            segments.append(tuple(cast("list[str]", names)))
    return tuple(segments)
