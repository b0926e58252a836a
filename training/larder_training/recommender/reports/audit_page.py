"""The page of ``larder audit recommender``."""

from datetime import UTC, datetime
from typing import Final

from larder_training.recommender.data.audit import LogAudit
from larder_training.recommender.data.event_log import DAY
from larder_training.reporting.html import Block, Section, facts, figure, paragraph, render, table

_NAMES: Final = {
    "rows": "Rows read",
    "malformed": "Too many or too few cells, or not readable",
    "without_user": "Without USER_ID",
    "without_item": "Without ITEM_ID",
    "ids_too_long": "Ids of more than 256 characters",
    "bad_timestamps": "TIMESTAMP missing, negative or after 2100",
    "bad_values": "EVENT_VALUE not a number, infinite or beyond 10^12",
    "duplicates": "Duplicates of another row",
    "stray_times": "Outlier timestamps",
    "bots": "Events of bots",
    "used": "Used",
}


def page(audit: LogAudit) -> bytes:
    """The whole page. It has no time of its creation and no path."""
    sections = [_overview(audit), _days(audit), _rows(audit), _ids(audit)]
    return render("Audit of an event log", sections).encode()


def _overview(audit: LogAudit) -> Section:
    tiles = {
        "Events": audit.counts.used,
        "Users": audit.users,
        "Items": audit.items,
        "Days": audit.summary.days,
        "Bots": audit.counts.bot_users,
        "Duplicate rows": audit.counts.duplicates,
        "Events in the future": audit.future,
    }
    return Section.of("Audit", facts(tiles), *(paragraph(line) for line in audit.words()))


def _days(audit: LogAudit) -> Section:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 2.6))
    axes = drawing.add_subplot()
    days = [datetime.fromtimestamp((audit.first_day + day) * DAY, UTC) for day in range(len(audit.by_day))]
    axes.fill_between(days, audit.by_day, step="mid", alpha=0.5)  # type: ignore[arg-type]  # matplotlib plots times
    axes.set_ylim(bottom=0)
    axes.set_ylabel("events")
    axes.tick_params(axis="x", rotation=30)
    axes.spines[["top", "right"]].set_visible(False)
    return Section.of("Events per day", figure(drawing, "Events per day, UTC."))


def _rows(audit: LogAudit) -> Section:
    counts = audit.counts.document()
    rows = [(title, counts[name]) for name, title in _NAMES.items()]
    return Section.of("Rows", table(("Rows", "Count"), rows), table(("Event type", "Events"), audit.types.items()))


def _ids(audit: LogAudit) -> Section:
    findings = audit.summary
    rows = [
        ("Items of the log without metadata", findings.unknown_items),
        ("Items without an event", findings.items_never_seen),
        ("Users of the log without a profile", findings.users_without_profile),
        ("Profiles without an event", findings.profiles_without_events),
    ]
    blocks: list[Block] = [table(("Ids", "Count"), rows)]
    if audit.bots:
        blocks.append(table(("Bots",), [(user,) for user in audit.bots]))
    return Section.of("Ids", *blocks)
