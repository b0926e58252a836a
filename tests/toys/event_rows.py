"""Rows of the log of events, and reading a log whole."""

from larder.events.base import LogRow, RowKind
from larder.events.log.parts import all_days
from larder.events.log.rows import read_lines, read_row
from larder.store import Store

DAY = 1796083200  # 2026-12-01, 00:00 UTC


def event(number: int, time: float = 0.0, user: str | None = "u1", session: str | None = None) -> LogRow:
    """An event of the model ``shop``, ``time`` seconds after the day began; without a user, an anonymous one."""
    row: dict[str, object] = {
        "USER_ID": user or session,
        "ITEM_ID": f"i{number}",
        "EVENT_TYPE": "view",
        "TIMESTAMP": DAY + time,
        "EVENT_ID": f"e{number}",
    }
    if session:
        row["SESSION_ID"] = session
    if not user:
        row["ANONYMOUS"] = True
    return LogRow("shop", "events", row)


def read_log(store: Store, kind: RowKind = "events", model: str = "shop") -> list[dict[str, object]]:
    """Every row of the log, of parts and days: with duplicates if there are any."""
    rows = []
    for found, _, day in all_days(store, model):
        for key in (*([day.key] if day.has_file else []), *day.parts):
            rows += (
                [read_row(line, kind, key) for line in read_lines(store.get(key).data, key)] if found == kind else []
            )
    return rows


def ids(store: Store) -> list[str]:
    """The EVENT_ID of every event in the log, sorted."""
    return sorted(str(row["EVENT_ID"]) for row in read_log(store))
