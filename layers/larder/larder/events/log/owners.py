"""Whose a row of the log is, and all rows of one user."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from larder.events.base import RowKind
from larder.events.log.parts import Day, all_days
from larder.events.log.rows import read_lines, read_row, time_of
from larder.store import Store


def day_lines(store: Store, day: Day) -> Iterator[bytes]:
    """The lines of a day, of its file and of its parts; raises StoreError."""
    for key in day.keys:
        yield from read_lines(store.get(key).data, key)


def owners_of(row: Mapping[str, object]) -> list[str]:
    """The ids of whom a row is about: its user, and its session if it has no user."""
    owners = [row.get("USER_ID")]
    if row.get("ANONYMOUS") or owners == [None]:
        owners.append(row.get("SESSION_ID"))
    return [str(owner) for owner in owners if owner is not None]


def tied_sessions(store: Store, model: str, until: Mapping[str, float]) -> dict[str, set[str]]:
    """The sessions in which users acted, by user; reads the log of the model once. Raises StoreError.

    Args:
        store: The store.
        model: The model.
        until: The users, and the time up to which their rows count, in epoch seconds.
    """
    sessions: dict[str, set[str]] = defaultdict(set)
    for _, row in _rows(store, model):
        user = row.get("USER_ID")
        if row.get("SESSION_ID") and not row.get("ANONYMOUS") and time_of(row) <= until.get(str(user), -1.0):
            sessions[str(user)].add(str(row["SESSION_ID"]))
    return sessions


def rows_of_user(store: Store, model: str, user: str) -> Iterator[tuple[RowKind, dict[str, object]]]:
    """Every row of a user in the log of a model, and those of the sessions that were tied to them.

    Reads the log twice. Raises StoreError.
    """
    subjects = {user, *tied_sessions(store, model, {user: float("inf")})[user]}
    for kind, row in _rows(store, model):
        if not subjects.isdisjoint(owners_of(row)):
            yield kind, row


def _rows(store: Store, model: str) -> Iterator[tuple[RowKind, dict[str, object]]]:
    """All rows but those of items, which are of no user."""
    for kind, name, day in all_days(store, model):
        for line in day_lines(store, day) if kind != "items" else ():
            yield kind, read_row(line, kind, f"{model}/{kind}/{name}")
