"""Read the ``serving`` section of a manifest, and note every field that is missing, unknown or out of range."""

from typing import Final, cast

from larder.release.json_fields import FieldReader
from larder.release.serving import (
    COLUMN_TYPES,
    CONTENT_KINDS,
    FITS,
    RESAMPLINGS,
    CategoryColumn,
    ClassifierServing,
    ColumnType,
    ContentSpec,
    Fit,
    ImageSpec,
    InteractionTable,
    NumberColumn,
    ProfileColumn,
    ProfileTables,
    RecommenderServing,
    Resampling,
    SideColumn,
    TableSpec,
    TextColumn,
)

_FILE = r"[a-z0-9][a-z0-9._-]*"
_SIDE_NAME = r"[^\x00-\x1f\x7f]{1,80}"
_SIDE_COLUMNS = 50
_SIDE_WIDTH = 4096
MAX_EVENT_TYPES: Final = 1000  # the index of each is a score, which is exact up to 2048


def read_classifier(fields: FieldReader) -> ClassifierServing:
    """Read the section; problems are added to ``fields.problems``."""
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
        fields.note("labels", "must be at least two distinct texts")
    if len(thresholds) != len(labels):
        fields.note("thresholds", f"has {len(thresholds)} entries for {len(labels)} labels")
    ood_threshold = fields.number("novelty_threshold", 0) if fields.has("novelty_threshold") else None
    serving = ClassifierServing(
        fields.text("file", _FILE),
        spec,
        labels,
        thresholds,
        fields.number("temperature", 1e-3, 1e3),
        ood_threshold,
        _read_side(fields) if fields.has("side") else (),
        fields.boolean("multi_label") if fields.has("multi_label") else False,
    )
    fields.finish()
    return serving


def _read_side(fields: FieldReader) -> tuple[SideColumn, ...]:
    columns: list[SideColumn] = []
    for index, entry in enumerate(fields.sequence("side")):
        columns.append(_read_side_column(FieldReader(entry, f"serving.side.{index}", fields.problems)))
    names = [column.name for column in columns]
    if not 1 <= len(names) <= _SIDE_COLUMNS or len(set(names)) != len(names):
        fields.note("side", f"must list 1 to {_SIDE_COLUMNS} columns with distinct names")
    if sum(column.width for column in columns) > _SIDE_WIDTH:
        fields.note("side", f"takes more than {_SIDE_WIDTH} numbers")
    return tuple(columns)


def _read_side_column(fields: FieldReader) -> SideColumn:
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
            fields.note("values", "must be distinct texts, none of them empty")
    fields.finish()
    return column


def _read_table(fields: FieldReader) -> TableSpec:
    spec = TableSpec(
        fields.text("file", _FILE),
        fields.integer("rows", 0, 2**40),
        fields.integer("width", 1, 65535),
        fields.integer("head_bytes", 8, 2**40),
    )
    fields.finish()
    return spec


def read_recommender(fields: FieldReader) -> RecommenderServing:
    """Read the section; problems are added to ``fields.problems``."""
    profile = {}
    for name, column in fields.children("profile").items():
        edges = column.numbers("edges")
        if list(edges) != sorted(set(edges)):
            column.note("edges", "must be strictly ascending")
        profile[name] = ProfileColumn(cast("ColumnType", column.choice("type", COLUMN_TYPES)), edges)
        column.finish()
    users = _read_table(fields.child("users")) if fields.has("users") else None
    serving = RecommenderServing(
        items_file=fields.text("items_file", _FILE),
        items=fields.integer("items", 1, 2**32 - 2),
        columns=_read_columns(fields),
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
        interactions=_read_interactions(fields.child("interactions")) if fields.has("interactions") else None,
        profiles=_read_profiles(fields.child("profiles")) if fields.has("profiles") else None,
        content=_read_content(fields.child("content")) if fields.has("content") else None,
    )
    for name in sorted(set(serving.content.weights if serving.content else ()) - set(serving.columns)):
        fields.note(f"content.weights.{name}", "is not a column of the items")
    if serving.weights.get("transition") and serving.transitions is None:
        fields.note("weights.transition", "is above 0, but the release has no table of transitions")
    fields.finish()
    return serving


def _read_columns(fields: FieldReader) -> dict[str, ColumnType]:
    columns = {}
    for name, kind in fields.mapping("columns").items():
        if kind not in COLUMN_TYPES:
            fields.note(f"columns.{name}", f"must be one of {', '.join(COLUMN_TYPES)}")
        columns[name] = cast("ColumnType", kind)
    return columns


def _read_interactions(fields: FieldReader) -> InteractionTable:
    events = fields.texts("events")
    if not 1 <= len(events) <= MAX_EVENT_TYPES or len(set(events)) != len(events):
        fields.note("events", f"must be 1 to {MAX_EVENT_TYPES} distinct texts")
    interactions = InteractionTable(_read_table(fields.child("table")), events)
    fields.finish()
    return interactions


def _read_profiles(fields: FieldReader) -> ProfileTables:
    profiles = ProfileTables(
        users=_read_table(fields.child("users")),
        file=fields.text("file", _FILE),
        profiles=fields.integer("profiles", 1, 2**32 - 2),
        columns=_read_columns(fields),
    )
    fields.finish()
    return profiles


def _read_content(fields: FieldReader) -> ContentSpec:
    weights = {}
    for name, column in fields.children("weights").items():
        weights[name] = {kind: column.number(kind, 0) for kind in CONTENT_KINDS if column.has(kind)}
        column.finish()
    content = ContentSpec(fields.number("factor", 0), fields.number("own", 0), weights)
    fields.finish()
    return content


def _read_weights(fields: FieldReader) -> dict[str, float]:
    weights = {name: fields.number(name, 0) for name in ("user", "session", "segment")}
    weights |= {name: fields.number(name, 0) for name in ("transition", "revisit") if fields.has(name)}
    fields.finish()
    return weights


def _read_segments(fields: FieldReader, profile: set[str]) -> tuple[tuple[str, ...], ...]:
    segments = []
    for index, names in enumerate(fields.sequence("segments_by")):
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in profile for n in names):
            fields.note(f"segments_by.{index}", "must be a list of names of profile columns")
        else:
            segments.append(tuple(cast("list[str]", names)))
    return tuple(segments)
