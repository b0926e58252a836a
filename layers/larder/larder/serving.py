"""What answering needs, as a manifest's ``serving`` section states it. Nothing here is ever guessed.

Both kinds are plain frozen data: training fills them in, the manifest carries them, ``classifier`` and ``recommender``
read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from larder.fields import Fields

Fit = Literal["crop", "stretch"]
Resampling = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ColumnType = Literal["category", "number", "text"]

FITS: tuple[str, ...] = ("crop", "stretch")
RESAMPLINGS: tuple[str, ...] = ("nearest", "box", "bilinear", "bicubic", "lanczos")
COLUMN_TYPES: tuple[str, ...] = ("category", "number", "text")
_FILE = r"[a-z0-9][a-z0-9._-]*"


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
class ClassifierServing:
    """The classifier's side. ``thresholds`` (one a label, 0..1) decide which labels an answer names;
    ``novelty_threshold`` is the value of the graph's ``novelty`` output above which an image is ``unknown``
    (None: this release cannot tell). ``temperature`` is inside the graph already and stands here to be read.
    """

    file: str
    image: ImageSpec
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    temperature: float
    novelty_threshold: float | None


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
    recent items, newest first. ``weights`` multiplies each source's scores: ``user``, ``session``, ``segment``.
    A session's k-th newest item counts ``session_decay ** k`` up to ``session_length`` items. ``segments_by`` lists
    the sets of profile columns that segments exist for, most specific first; the segment of all users is always there.
    ``rules`` are filters that every answer obeys.
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
        fields.text("file", _FILE), spec, labels, thresholds, fields.number("temperature", 1e-3, 1e3), novelty
    )
    fields.finish()
    return serving


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
    weights = fields.child("weights")
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
        weights={source: weights.number(source, 0) for source in ("user", "session", "segment")},
        session_decay=fields.number("session_decay", 0, 1),
        session_length=fields.integer("session_length", 1, 1000),
        rules=fields.texts("rules"),
    )
    weights.finish()
    fields.finish()
    return serving


def _read_segments(fields: Fields, profile: set[str]) -> tuple[tuple[str, ...], ...]:
    segments = []
    for number, names in enumerate(fields.sequence("segments_by")):
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in profile for n in names):
            fields.note(f"segments_by.{number}", "must be a list of names of profile columns")
        else:
            segments.append(tuple(cast("list[str]", names)))
    return tuple(segments)
