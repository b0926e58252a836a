"""Cron expressions of five fields, in the forms of the two engines that run them.

CronSim reads an expression as cron does. EventBridge Scheduler (on AWS) and APScheduler (on this machine) have
other rules for the days of the week, so both get what CronSim read, as plain lists of numbers and of the days' names.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from larder.errors import InvalidRequest

_FORM: Final = "minute hour day-of-month month day-of-week, such as '0 3 * * *' for 3:00 every day"
_SPECIAL: Final = frozenset("LW#?")  # of single engines
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MAX_LENGTH: Final = 256  # of an expression of EventBridge Scheduler


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a schedule; each field is ``*`` or a list such as ``0,15,30-40``.

    Attributes:
        minute: 0 to 59.
        hour: 0 to 23.
        day: Of the month, 1 to 31.
        month: 1 to 12.
        weekday: Names, ``MON,TUE``.
    """

    minute: str
    hour: str
    day: str
    month: str
    weekday: str

    @property
    def eventbridge(self) -> str:
        """The expression of EventBridge Scheduler: six fields, one of the two days a question mark."""
        day, weekday = (self.day, "?") if self.weekday == "*" else ("?", self.weekday)
        return f"cron({self.minute} {self.hour} {day} {self.month} {weekday} *)"

    @property
    def apscheduler(self) -> dict[str, str]:
        """The arguments of APScheduler's ``CronTrigger``."""
        return {
            "minute": self.minute,
            "hour": self.hour,
            "day": self.day,
            "month": self.month,
            "day_of_week": self.weekday.lower(),
        }


def parse_cron(text: str) -> Cron:
    """Read a cron expression.

    Raises:
        InvalidRequest: It is not one, never comes, or is one that EventBridge Scheduler or APScheduler cannot run: with
            both a day of the month and of the week, or with ``L``, ``W`` or ``#``.
    """
    from cronsim import CronSim, CronSimError  # only who checks an expression needs it

    fields = text.upper().split()
    if len(fields) != 5:
        raise InvalidRequest(f"The cron expression {text[:80]!r} has {len(fields)} fields, not 5: give {_FORM}.")
    if any(_SPECIAL & set(_without_names(field)) for field in (fields[2], fields[4])):
        raise InvalidRequest(
            f"The cron expression {text[:80]!r} has L, W, # or ?, which not every scheduler knows: give {_FORM}."
        )
    try:
        parsed = CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC))
        next(parsed)
    except (CronSimError, StopIteration) as error:
        why = str(error) or "there is no such time"
        raise InvalidRequest(f"The cron expression {text[:80]!r} is not valid ({why}): give {_FORM}.") from error
    days, weekdays = _plain(parsed.days), {day % 7 for day in _plain(parsed.weekdays)}  # 0 and 7 are Sunday
    if len(days) < 31 and len(weekdays) < 7:
        raise InvalidRequest(
            f"The cron expression {text[:80]!r} has a day of the month and a day of the week: give one of them, and * "
            "for the other."
        )
    cron = Cron(
        minute=_listed(_plain(parsed.minutes), 60),
        hour=_listed(_plain(parsed.hours), 24),
        day=_listed(days, 31),
        month=_listed(_plain(parsed.months), 12),
        weekday="*" if len(weekdays) == 7 else ",".join(_DAYS[day] for day in sorted(weekdays)),
    )
    if len(cron.eventbridge) > _MAX_LENGTH:
        raise InvalidRequest(f"The cron expression {text[:80]!r} has too many times: use */n, or a range.")
    return cron


def _without_names(field: str) -> str:
    """A field without the names of days, of which some have the letters of ``_SPECIAL``."""
    for name in _DAYS:
        field = field.replace(name, "")
    return field


def _plain(values: Collection[object]) -> set[int]:
    return {value for value in values if isinstance(value, int)}


def _listed(values: Collection[int], of: int) -> str:
    """``*`` if all are there, or numbers and ranges."""
    if len(values) == of:
        return "*"
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
