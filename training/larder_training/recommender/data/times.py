"""Reads times as people write them: epoch numbers of any unit, ISO 8601, compact dates, and days of local calendars.

Each cell is read by its own form, so that a column of two forms loses no row. Only the order of day and month in dates
like 03/04/2024 is decided for the whole column, and refused where no row shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.tabular import TabularFile, collect, number, whole
from larder_training.reporting.counts import counted

COLUMN: Final = "TIMESTAMP"
LATEST: Final = 4_102_444_800  # 2100-01-01
FORMS: Final = (
    "unreadable",
    "epoch seconds",
    "epoch milliseconds",
    "epoch microseconds",
    "epoch nanoseconds",
    "dates like 20240131",
    "ISO 8601",
    "dates like 31.01.2024",
    "dates like 31/01/2024, the day first",
    "dates like 01/31/2024, the month first",
    "the stated format",
)
_COMPACT, _ISO, _DOTS, _DAY_FIRST, _MONTH_FIRST, _STATED = range(5, 11)
_UNITS: Final = (1e11, 1e14, 1e17)  # from here on milliseconds, microseconds, nanoseconds, since 1973 each
_SAMPLE: Final = 10_000  # rows of each file from which plain numbers are recognized
_TIME: Final = (
    r"(?:[T ,]+(\d{1,2}):([0-5]\d)(?::([0-5]\d|60)(?:[.,]\d+)?)?(?:\s*([AaPp])\.?[Mm]\.?)?)?"
    r"\s*(?:[Zz]|UTC|GMT|([+-]\d{2}):?(\d{2})?)?$"
)
_PATTERNS: Final = {
    "compact": r"^((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:[T ]?([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z?)?$",
    "iso": r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME,
    "dots": r"^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})" + _TIME,
    "slashes": r"^(\d{1,2})[-/](\d{1,2})[-/](\d{4}|\d{2})" + _TIME,
}
_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "half", "zone_hours", "zone_minutes")
_DATES: Final = "Write dates as 2024-01-31, or say how they are written: --time-format '%d/%m/%Y'."
TIME_REMEDY: Final = "Give epoch seconds, like 1291190400, or dates and times, like 2010-12-01T08:00:00Z."
_SCIENTIFIC: Final = r"^\d(?:[.,]\d{1,6})?[eE]\+?\d{1,2}$"  # longer numbers state the second
_EXCEL_REMEDY: Final = (
    "Format the column as a number without decimals (or as text) in the original file, and export it again."
)
_EXCEL_STEP: Final = 10_000  # seconds: what is left of 1735689600 or 1735689600000 in Excel's 1.73569E+09
_DAY: Final = 86_400
_MONTHS: Final = 12
_SHORT_YEAR: Final = 2  # digits

DayOrder = Literal["day first", "month first"]


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How the times of a log are written.

    Attributes:
        numbers: Whether all cells of the sample are epoch numbers, so that only those are read.
        order: Order of day and month in dates with slashes; None: there is no such date.
        compact: Whether numbers like 20240131 are dates.
        stated: The user's format, as of ``datetime.strptime``, for the cells that it fits.
        column: The column.
    """

    numbers: bool = False
    order: DayOrder | None = None
    compact: bool = False
    stated: str | None = None
    column: str = COLUMN

    def columns(self) -> list[pl.Expr]:
        """``time``, epoch seconds as whole float64, null if unreadable; and ``form``, uint8 index of ``FORMS``."""
        cell, value = pl.col(self.column), number(self.column)
        unit = pl.sum_horizontal((value.abs() >= edge).cast(pl.UInt8) for edge in _UNITS)
        seconds = value / pl.lit(1000.0).pow(unit)
        forms: list[tuple[int, pl.Expr]] = []
        if self.stated is not None:
            forms.append(
                (_STATED, cell.str.to_datetime(self.stated, strict=False, ambiguous="earliest").dt.epoch("us") / 1e6)
            )
        if self.compact:
            forms.append((_COMPACT, _moment(cell, "compact", _PARTS[:6])))
        if not self.numbers:
            forms += [
                (_ISO, _moment(cell, "iso", _PARTS)),
                (_DOTS, _moment(cell, "dots", ("day", "month", "year", *_PARTS[3:]))),
            ]
        if self.order == "day first":
            forms.append((_DAY_FIRST, _moment(cell, "slashes", ("day", "month", "year", *_PARTS[3:]))))
        elif self.order == "month first":
            forms.append((_MONTH_FIRST, _moment(cell, "slashes", ("month", "day", "year", *_PARTS[3:]))))
        time = pl.coalesce([moment for _, moment in forms] + [pl.when(value.is_finite()).then(seconds)])
        form = pl.when(value.is_finite()).then(unit + 1).otherwise(0)
        for code, moment in reversed(forms):
            form = pl.when(moment.is_not_null()).then(code).otherwise(form)
        return [time.floor().alias("time"), form.cast(pl.UInt8).alias("form")]


def find_format(
    scans: Sequence[TabularFile], stated: str | None = None, *, column: str = COLUMN, thorough: bool = False
) -> TimeFormat:
    """The format of a log's times.

    Args:
        scans: The files.
        stated: The user's format.
        column: The column of the times.
        thorough: Whether to look at every row even if the first ones are plain epoch numbers.

    Raises:
        InvalidRequest: Day and month of the dates cannot be distinguished, or differ in their order; or most times are
            rounded, as in 1.73569E+09.
    """
    cell, value = pl.col(column), number(column)
    present = cell.is_not_null()
    scientific = cell.str.contains(_SCIENTIFIC)
    compact = cell.str.contains(_PATTERNS["compact"])
    if not thorough and stated is None:
        sample = pl.concat([scan.frame.select(column).head(_SAMPLE) for scan in scans])
        odd = collect(scans, sample.filter(present & (value.is_null() | compact | scientific)).select(pl.len())).item()
        if not odd:
            return TimeFormat(numbers=True, column=column)
    first, second = (cell.str.extract(_PATTERNS["slashes"], group).cast(pl.Int16, strict=False) for group in (1, 2))
    survey = collect(
        scans,
        whole(scans).select(
            present=present.sum(),
            scientific=scientific.sum(),
            rounded=cell.filter(scientific).first(),
            compact=compact.sum(),
            numeric=value.is_not_null().sum(),
            slashes=first.is_not_null().sum(),
            example=cell.filter(first.is_not_null()).first(),
            day_first=cell.filter(first > _MONTHS).first(),
            month_first=cell.filter(second > _MONTHS).first(),
        ),
    ).row(0, named=True)
    if survey["scientific"] * 2 > survey["present"]:
        raise InvalidRequest(
            f"{scans[0].file.name}, column {column}: scientific notation, like {survey['rounded']}, in "
            f"{survey['scientific']:,} of {counted(survey['present'], 'row')}: Excel has probably rounded the times "
            f"when it saved the file, and hours or days are lost. {_EXCEL_REMEDY}"
        )
    order: DayOrder | None = None
    if survey["slashes"] and stated is None:
        order = _order(
            f"{scans[0].file.name}, column {column}", survey["day_first"], survey["month_first"], survey["example"]
        )
    # Eight digits are a date only where all are: epoch seconds of 1970 have as many.
    only_dates = survey["compact"] > 0 and survey["compact"] >= survey["numeric"] * 0.99
    return TimeFormat(order=order, compact=only_dates, stated=stated, column=column)


def _order(place: str, day_first: str | None, month_first: str | None, example: str) -> DayOrder:
    if day_first and month_first:
        raise InvalidRequest(
            f"{place}: {day_first!r:.40} has the day first, and {month_first!r:.40} the month. {_DATES}"
        )
    if not day_first and not month_first:
        raise InvalidRequest(
            f"{place}: {example!r:.40} has the day first ({_reading(example, 0, 1)}) or the month "
            f"({_reading(example, 1, 0)}), and no row shows which. {_DATES}"
        )
    return "day first" if day_first else "month first"


def _reading(text: str, day: int, month: int) -> str:
    parts = text.replace("/", "-").split("-")
    return f"{int(parts[day])} {datetime(2000, max(int(parts[month]), 1), 1, tzinfo=UTC):%B}"


def _moment(cell: pl.Expr, pattern: str, parts: Sequence[str]) -> pl.Expr:
    """Epoch seconds of the cells of a pattern with the groups ``parts``; null for others and impossible dates."""
    groups = cell.str.extract_groups(_PATTERNS[pattern]).struct.rename_fields(list(parts))
    part = {name: groups.struct.field(name) for name in parts}
    long_year = (
        pl.when(part["year"].str.len_chars() == _SHORT_YEAR).then(pl.lit("20") + part["year"]).otherwise(part["year"])
    )
    date = pl.concat_str(long_year, part["month"].str.zfill(2), part["day"].str.zfill(2))
    hour, minute, second = (
        part[name].cast(pl.Int64, strict=False).fill_null(0) for name in ("hour", "minute", "second")
    )
    zone: pl.Expr = pl.lit(0)
    if "half" in part:
        half = part["half"].str.to_lowercase()
        hour = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
        zone_hours, zone_minutes = (part[name].cast(pl.Int64, strict=False) for name in ("zone_hours", "zone_minutes"))
        sign = pl.when(part["zone_hours"].str.starts_with("-")).then(-1).otherwise(1)
        zone = (zone_hours * 3600 + sign * zone_minutes.fill_null(0) * 60).fill_null(0)
    days = date.str.to_date("%Y%m%d", strict=False).dt.epoch("d").cast(pl.Int64)
    possible = hour <= 24  # ISO 8601 has 24:00
    return pl.when(possible).then(days * _DAY + hour * 3600 + minute * 60 + second - zone).cast(pl.Float64)


def describe(counts: Sequence[int], first: int, last: int, column: str = COLUMN) -> list[str]:
    """Sentences on how the times were read.

    Args:
        counts: Usable rows by form, in the order of ``FORMS``.
        first: The first time, in epoch seconds.
        last: The last.
        column: The column of the times.
    """
    forms = {FORMS[form]: count for form, count in enumerate(counts) if form and count}
    most = max(forms, key=forms.__getitem__, default=FORMS[1])
    lines = [f"{column} is read as {most}, from {iso(first)} to {iso(last)}."]
    others = ", ".join(f"{count} as {form}" for form, count in forms.items() if form != most)
    if others:
        usual = f"{counted(forms[most], 'row')} {'is' if forms[most] == 1 else 'are'} read as {most}"
        lines.append(f"{column} mixes forms: {usual}, {others}. Check these rows.")
    if last < 3650 * _DAY and most == FORMS[1]:
        lines.append(
            f"All times are before 1980: if {column} has years or Excel's day numbers, write dates like 2024-01-31."
        )
    return lines


def rounded(times: pl.Series) -> str | None:
    """A sentence if the times look as if Excel had rounded them; None if not.

    Args:
        times: Distinct times in epoch seconds.
    """
    days = (times % _DAY == 0).all()
    if days or times.len() < 2 or not (times % _EXCEL_STEP == 0).all():
        return None
    return f"Every {COLUMN} is a multiple of 10,000 seconds: Excel has rounded them, as in 1.73569E+09. {_EXCEL_REMEDY}"


def iso(moment: int) -> str:
    """The time as ISO 8601."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
