"""Makes the documents of attribution of what the log's days have now.

A document states the ETags of what it was made of: the answers of its day, and the events of that day and the next.
Whatever changed them, a compaction, a late event, the removal of a user, or a run that ended in between, the next run
finds it and makes the document again. A day that the log has no more keeps its document.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from larder.errors import MissingObject, StoreError
from larder.events.attribution.document import DayAttribution, dump_attribution, parse_attribution
from larder.events.attribution.join import earned_by_place
from larder.events.attribution.sources import Row, SourceCounts
from larder.events.base import RowKind
from larder.events.log.parts import Day, day_key, list_days, logged_models
from larder.events.log.rows import read_lines, read_row
from larder.release.keys import attribution_key
from larder.store import Store

_CHECKED_AT_ONCE: Final = 4  # days; of one that has changed, the compressed rows are in memory meanwhile
_SECONDS_A_DAY: Final = 5.0  # what a day takes at least, and for each byte: twice what half a vCPU needs
_SECONDS_A_BYTE: Final = 7e-7


@dataclass(slots=True)
class Attribution:
    """The result of a run.

    Attributes:
        days: The days that it made, as ``model/day``.
        remaining: How many it did not reach in its time; the next run makes them.
        problems: One message for each day that could not be made; the others are not affected.
    """

    days: list[str] = field(default_factory=list)
    remaining: int = 0
    problems: list[str] = field(default_factory=list)


def attribute(
    store: Store, models: Sequence[str] | None = None, *, seconds_left: Callable[[], float] = lambda: float("inf")
) -> Attribution:
    """Makes the document of every day whose rows have changed since, oldest first.

    Args:
        store: The store.
        models: The models; None for all that have a log.
        seconds_left: The time that is left. With too little for another day the run ends and counts the others.
    """
    result = Attribution()
    stale = sorted(
        (day, model, size)
        for model in (logged_models(store) if models is None else models)
        for day, size in _stale_days(store, model)
    )
    for number, (day, model, size) in enumerate(stale):
        # The first is made in any case: a day that never fits is better tried in vain than never.
        if number and seconds_left() < _SECONDS_A_DAY + size * _SECONDS_A_BYTE:
            result.remaining = len(stale) - number
            break
        try:
            attribute_day(store, model, day)
            result.days.append(f"{model}/{day}")
        except StoreError as error:
            result.problems.append(f"{model}/attribution/{day}: {error}")
    return result


def attribute_day(store: Store, model: str, day: str) -> DayAttribution:
    """Makes the document of a day of what the compacted log has; raises StoreError."""
    read: dict[str, str] = {}
    sources = SourceCounts()

    def rows(kind: RowKind, of_day: str) -> Iterator[Row]:
        key = day_key(model, kind, of_day)
        try:
            blob = store.get(key)
        except MissingObject:
            read[key] = ""
            return
        read[key] = blob.etag
        for line in read_lines(blob.data, key):
            yield read_row(line, kind, key)

    def events() -> Iterator[Row]:
        for row in rows("events", day):
            sources.add(row)
            yield row
        yield from rows("events", _next(day))

    places = earned_by_place(rows("recommendations", day), events())
    made = DayAttribution(day, read, places, sources.totals)
    store.put(attribution_key(model, day), dump_attribution(made))
    return made


def _stale_days(store: Store, model: str) -> list[tuple[str, int]]:
    """The days whose document is missing or was made of other objects, with the sizes of their rows."""
    answers, events = list_days(store, model, "recommendations"), list_days(store, model, "events")
    none = Day("")
    days = sorted(
        day for day in {*answers, *events} if answers.get(day, none).has_file or events.get(day, none).has_file
    )

    def size(day: str) -> int:
        return sum(
            found.size for found in (answers.get(day, none), events.get(day, none), events.get(_next(day), none))
        )

    with ThreadPoolExecutor(_CHECKED_AT_ONCE) as threads:
        stale = threads.map(lambda day: _is_stale(store, model, day), days)
        return [(day, size(day)) for day, changed in zip(days, stale, strict=True) if changed]


def _is_stale(store: Store, model: str, day: str) -> bool:
    key = attribution_key(model, day)
    try:
        made = parse_attribution(store.get(key).data, key)
    except StoreError:  # missing, damaged or of another format: made again
        return True
    return any(_changed(store, name, etag) for name, etag in made.read.items())


def _changed(store: Store, key: str, etag: str) -> bool:
    try:
        return store.get_if_changed(key, etag) is not None
    except MissingObject:
        return bool(etag)


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(1)).isoformat()
