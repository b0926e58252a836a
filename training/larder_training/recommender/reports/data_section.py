"""The report's section on the data: files, rows that were lost and why, columns, and the periods of the split."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from larder_training.recommender.data.columns.description import COLUMN_HEAD, ColumnRow, column_rows
from larder_training.recommender.data.log_checks.row_counts import REASONS
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Block, Section, bullets, properties, subheading, table
from larder_training.reporting.values import instant, moment, percent, size

# Any: a section of the manifest, JSON; this module only lays it out.
Document = Mapping[str, Any]
_LISTED: Final = 50  # files
_FILES: Final = {"interactions": "Interactions", "items": "Items", "users": "Users"}
_FINDINGS: Final = {
    "not_in_catalogue": "Items of the log that the items file lacks",
    "bot_users": "Users who are bots",
    "days": "Days",
    "days_without_events": "Days without events",
    "longest_gap_days": "Longest gap, days",
    "longest_gap_from": "Start of the longest gap",
    "negative_values": "Events with an EVENT_VALUE below 0",
    "unknown_items": "Items of the log without metadata",
    "items_never_seen": "Items without an event",
    "users_without_profile": "Users of the log without a profile",
    "profiles_without_events": "Profiles without an event",
    "item_file": "Items file",
    "user_file": "Users file",
}
# Findings about a file, which mean nothing without it.
_OF_FILE: Final = {
    "item_file": ("not_in_catalogue", "unknown_items", "items_never_seen"),
    "user_file": ("users_without_profile", "profiles_without_events"),
}
_COLUMNS: Final = {"item_file": "Columns of items", "user_file": "Columns of users"}
_PARTS: Final = ("train", "validation", "test")
_SHOWN: Final = {"audit", "notices", "event_types", "inputs", "first", "last", "users", "items"}  # each has its place


def in_words(training: Document) -> str:
    """The data of a training in a sentence, with the start of the log's digest."""
    data = training["data"]
    counts = ", ".join(
        (
            counted(data["audit"]["used"], "event"),
            counted(data["users"], "user"),
            counted(data["items"], "item"),
        )
    )
    period = f"; {moment(data['first'])} to {moment(data['last'])}" if "first" in data else ""
    digest = data["inputs"]["interactions"].get("sha256")
    return f"{counts}{period}" + (f"; SHA-256 of the log {digest[:12]}…" if digest else "")


def section(evaluation: Document, training: Document) -> Section:
    """The section; what is in the manifest's data and has no table of its own is listed by its name."""
    data = training["data"]
    blocks: list[Block] = [_files(data), *_notices(data), subheading("Rows"), rows(data["audit"])]
    types = data.get("event_types", {})
    if len(types) > 1:
        blocks += [subheading("Event types"), event_types(types)]
    for name in ("item_file", "user_file"):
        if name in data:
            lines = column_rows(data[name]["columns"], filters=name == "item_file")
            blocks += [subheading(_COLUMNS[name]), columns(lines)]
    blocks += [subheading("Periods"), _split(evaluation)]
    without_file = {name for file, names in _OF_FILE.items() if file not in data for name in names}
    elsewhere = {*REASONS, *without_file, "rows", "used"}
    findings = {name: value for name, value in data["audit"].items() if name not in elsewhere}
    others = {name: value for name, value in data.items() if name not in _SHOWN}
    others |= {name: {**data[name], "columns": len(data[name]["columns"])} for name in _COLUMNS if name in data}
    named = {
        _FINDINGS.get(name, name): instant(value) if isinstance(value, str) else value
        for name, value in {**findings, **others}.items()
    }
    return Section.of("Data", *blocks, subheading("Findings"), properties(named))


def _notices(data: Document) -> list[Block]:
    """What was found in the files: names of columns, types, the form of times, lost rows."""
    return [bullets(data["notices"])] if data.get("notices") else []


def rows(audit: Document) -> Block:
    """The rows that were read, lost by reason, and used."""
    total = max(audit["rows"], 1)
    lost = [(f"Lost: {reason}", audit[name]) for name, reason in REASONS.items() if audit.get(name)]
    lines = [("Read", audit["rows"]), *lost, ("Used", audit["used"])]
    return table(("Rows", "Count", "Share"), [(title, count, percent(count / total)) for title, count in lines])


def columns(lines: Iterable[ColumnRow]) -> Block:
    """The columns of items or users, as ``column_rows`` has them."""
    return table([name.capitalize() for name in COLUMN_HEAD], lines)


def event_types(types: Mapping[str, int]) -> Block:
    """The events of each type, the most frequent first."""
    total = max(sum(types.values()), 1)
    ordered = sorted(types.items(), key=lambda entry: -entry[1])
    return table(("Event type", "Events", "Share"), [(name, count, percent(count / total)) for name, count in ordered])


def _files(data: Document) -> Block:
    inputs = sorted(data["inputs"].items(), key=lambda named: [*_FILES, named[0]].index(named[0]))
    rows = [
        (_FILES.get(name, name), file["file"], size(file["bytes"]), f"{file['sha256'][:12]}…")
        for name, fingerprint in inputs
        for file in fingerprint.get("files", [fingerprint])
    ]
    more = [("…", f"{counted(len(rows) - _LISTED, 'file')} more", None, None)] if len(rows) > _LISTED else []
    return table(("Input", "File", "Size", "SHA-256"), [*rows[:_LISTED], *more])


def _split(evaluation: Document) -> Block:
    split = evaluation["split"]
    return table(
        ("Period", "From", "To (exclusive)"), [(part.capitalize(), *map(instant, split[part])) for part in _PARTS]
    )
