"""The page of ``larder audit recommender``."""

from datetime import UTC, datetime

from larder_training.recommender.data.audit import LogAudit
from larder_training.recommender.data.event_log import DAY
from larder_training.recommender.reports.data_section import columns, event_types, rows
from larder_training.reporting.counts import counted
from larder_training.reporting.html import Block, Section, bullets, facts, figure, render, subheading, table
from larder_training.reporting.plots import drawing_of
from larder_training.reporting.title import TitleBlock


def page(audit: LogAudit) -> bytes:
    """The whole page. It has no time of its creation and no path."""
    sections = [_overview(audit), _days(audit), _rows(audit), *_ids(audit), *_columns(audit)]
    size = ", ".join((counted(audit.counts.used, "event"), counted(audit.users, "user"), counted(audit.items, "item")))
    warnings = [*audit.problems, *audit.warnings]
    title = TitleBlock("Audit", "Event log", f"{size} in {counted(audit.summary.days, 'day')}", warnings=warnings)
    return render(title, sections).encode()


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
    return Section.of("Findings", facts(tiles), bullets(audit.findings()))


def _days(audit: LogAudit) -> Section:
    drawing, axes = drawing_of(height=2.4)
    days = [datetime.fromtimestamp((audit.first_day + day) * DAY, UTC) for day in range(len(audit.by_day))]
    axes.fill_between(days, audit.by_day, step="mid")  # type: ignore[arg-type]  # matplotlib plots times
    axes.set_ylim(bottom=0)
    axes.set_ylabel("events")
    axes.tick_params(axis="x", rotation=30)
    return Section.of("Events per day", figure(drawing, "Events per day, UTC."))


def _rows(audit: LogAudit) -> Section:
    blocks = [rows(audit.counts.document())]
    if len(audit.types) > 1:
        blocks += [subheading("Event types"), event_types(audit.types)]
    return Section.of("Rows", *blocks)


def _ids(audit: LogAudit) -> list[Section]:
    findings = audit.summary
    of_items = [
        ("Items of the log without metadata", findings.unknown_items),
        ("Items without an event", findings.items_never_seen),
    ]
    of_users = [
        ("Users of the log without a profile", findings.users_without_profile),
        ("Profiles without an event", findings.profiles_without_events),
    ]
    counts = [*(of_items if audit.has_items else []), *(of_users if audit.has_users else [])]
    blocks: list[Block] = [table(("Ids", "Count"), counts)] if counts else []
    if audit.bots:
        blocks += [subheading("Bots"), bullets(audit.bots)]
    return [Section.of("Ids", *blocks)] if blocks else []


def _columns(audit: LogAudit) -> list[Section]:
    found = (("Columns of items", audit.item_columns), ("Columns of users", audit.user_columns))
    return [Section.of(title, columns(lines)) for title, lines in found if lines]
