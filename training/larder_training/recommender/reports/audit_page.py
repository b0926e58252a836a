"""The page of ``larder audit recommender``."""

from datetime import UTC, datetime
from typing import Final

from larder_training.recommender.data.audit import LogAudit
from larder_training.recommender.data.event_log import DAY
from larder_training.reporting.html import Block, Section, facts, figure, paragraph, render, table

_NAMES: Final = {
    "rows": "Rows read",
    "without_user": "Without USER_ID",
    "without_item": "Without ITEM_ID",
    "ids_too_long": "Ids of more than 256 characters",
    "bad_timestamps": "TIMESTAMP missing, negative or after 2100",
    "bad_values": "EVENT_VALUE infinite or beyond 10^12",
    "duplicates": "Exact repetitions of another row",
    "stray_times": "At a time far from all others",
    "bots": "Of users who are no persons",
    "used": "Used",
}


def page(found: LogAudit) -> bytes:
    """The whole document. It holds no time of its making and no path."""
    sections = [_overview(found), _days(found), _rows(found), _ids(found)]
    return render("Audit of a log of events", sections).encode()


def _overview(found: LogAudit) -> Section:
    tiles = {
        "Events": found.audit.used,
        "Users": found.users,
        "Items": found.items,
        "Days": found.findings.days,
        "Users who are no persons": found.audit.bot_users,
        "Repeated rows": found.audit.duplicates,
        "Later than this machine's clock": found.future,
    }
    return Section.of("Audit", facts(tiles), *(paragraph(line) for line in found.words()))


def _days(found: LogAudit) -> Section:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 2.6))
    axes = drawing.add_subplot()
    days = [datetime.fromtimestamp((found.first_day + number) * DAY, UTC) for number in range(len(found.by_day))]
    axes.fill_between(days, found.by_day, step="mid", alpha=0.5)  # type: ignore[arg-type]  # matplotlib plots times
    axes.set_ylim(bottom=0)
    axes.set_ylabel("events")
    axes.tick_params(axis="x", rotation=30)
    axes.spines[["top", "right"]].set_visible(False)
    return Section.of("Events per day", figure(drawing, "Events of each day, UTC."))


def _rows(found: LogAudit) -> Section:
    counts = found.audit.document()
    rows = [(told, counts[name]) for name, told in _NAMES.items()]
    return Section.of("Rows", table(("What", "Rows"), rows), table(("Type of event", "Events"), found.types.items()))


def _ids(found: LogAudit) -> Section:
    told = found.findings
    rows = [
        ("Ids in the log that the catalogue lacks", told.unknown_items),
        ("Items of the catalogue that nobody saw", told.items_never_seen),
        ("Users of the log without a profile", told.users_without_profile),
        ("Profiles without an event", told.profiles_without_events),
    ]
    blocks: list[Block] = [table(("Ids", "Number"), rows)]
    if found.bots:
        blocks.append(table(("Users who are no persons",), [(user,) for user in found.bots]))
    return Section.of("Ids", *blocks)
