"""Cuts the files of a log at a time: the events before it to train on, and those after it to evaluate on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Final

import polars as pl

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import TabularFile, collect, distinct_notices, scan, whole, with_decimal_points
from larder_training.recommender.config.log_format import USUAL, LogFormat
from larder_training.recommender.data.interactions import REQUIRED
from larder_training.recommender.data.times import COLUMN, LATEST, find_format, iso

_TIME: Final = "\x00time"  # a column that no file has
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}  # seconds


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a log is cut. Exactly one attribute is given.

    Attributes:
        last: Seconds before the last event.
        at: Epoch seconds.
        fraction: Share of the events, the latest, that are the test.
    """

    last: int | None = None
    at: int | None = None
    fraction: float | None = None

    def moment(self, times: pl.Series) -> int:
        """Epoch seconds from which on events are the test.

        Args:
            times: Epoch seconds of all events, ascending.
        """
        if self.at is not None:
            return self.at
        if self.last is not None:
            return int(times[-1]) - self.last + 1
        return int(times[len(times) - ceil(len(times) * (self.fraction or 0))])


@dataclass(frozen=True, slots=True)
class LogPart:
    """A file with a part of the log.

    Attributes:
        path: The file: CSV with USER_ID, ITEM_ID, TIMESTAMP in epoch seconds, and all other columns.
        events: Its events.
        users: Its users.
        items: Its items.
        first: Its first time in epoch seconds.
        last: Its last time.
    """

    path: Path
    events: int
    users: int
    items: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LogSplit:
    """Both parts of a log.

    Attributes:
        history: The events before the cut.
        test: The events from it on.
        returning: Users of the test with an event in the history.
        without_time: Rows without a time from 1970 to 2100, which are in neither part.
        unreadable: Rows that cannot be read.
        notices: What was found while reading, in sentences.
    """

    history: LogPart
    test: LogPart
    returning: int
    without_time: int
    unreadable: int
    notices: tuple[str, ...]


def split_log(source: InputSource, cut: Cut, history: Path, test: Path, log_format: LogFormat = USUAL) -> LogSplit:
    """Writes the events before a cut to ``history``, and the others to ``test``, in the order of the files.

    Raises:
        InvalidRequest: The log cannot be read, a part would be empty, or a file exists.
    """
    for path in (history, test):
        if path.exists():
            raise InvalidRequest(f"{path} exists: delete it, or name another folder with --out.")
    with open_input(source) as files:
        scans = with_decimal_points(scan(files, REQUIRED, names=log_format.of_log), ["EVENT_VALUE"])
        time, _ = find_format(scans, log_format.time_format, thorough=True).columns()
        rows = whole(scans).with_columns(time.alias(_TIME))
        timed = pl.col(_TIME).is_between(0, LATEST, closed="left")
        found = collect(scans, rows.select(_TIME))
        times = found.filter(timed)[_TIME].cast(pl.Int64).sort()
        if not len(times):
            raise InvalidRequest(
                f"{files.name} has no row with a time from 1970 to 2100: see `larder audit recommender`."
            )
        moment = cut.moment(times)
        if not times[0] < moment <= times[-1]:
            raise InvalidRequest(
                f"{files.name} runs from {iso(times[0])} to {iso(times[-1])}, and a cut at {iso(moment)} leaves a part "
                "empty: choose a time between."
            )
        _write(scans, rows.filter(timed & (pl.col(_TIME) < moment)), history)
        _write(scans, rows.filter(timed & (pl.col(_TIME) >= moment)), test)
    return LogSplit(
        _part(history),
        _part(test),
        _returning(history, test),
        len(found) - len(times),
        sum(scanned.unreadable.count for scanned in scans),
        tuple(distinct_notices(scans)),
    )


def parse_duration(text: str) -> int:
    """The seconds of a text like 7d, 12h, 30m or 2w. Raises InvalidRequest for others."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip().lower())
    seconds = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if seconds <= 0:
        raise InvalidRequest(f"--last is {text!r:.40}: give a number of minutes, hours, days or weeks, like 7d or 12h.")
    return seconds


def parse_moment(text: str) -> int:
    """Epoch seconds of an ISO 8601 date or time; without a zone, of UTC. Raises InvalidRequest for others."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidRequest(
            f"--at is {text!r:.40}: give a date or a time, like 2024-01-31 or 2024-01-31T12:00:00Z."
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _write(scans: Sequence[TabularFile], rows: pl.LazyFrame, path: Path) -> None:
    """Writes the rows with their times in epoch seconds."""
    seconds = pl.col(_TIME).cast(pl.Int64).cast(pl.String).alias(COLUMN)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        rows.with_columns(seconds).drop(_TIME).sink_csv(unfinished)
        unfinished.rename(path)
    except pl.exceptions.PolarsError:
        collect(scans, rows.select(pl.len()))  # names the file that cannot be read
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def _part(path: Path) -> LogPart:
    time = pl.col(COLUMN).cast(pl.Int64)
    counts = pl.scan_csv(path, infer_schema=False, glob=False).select(
        pl.len(), pl.col("USER_ID").n_unique(), pl.col("ITEM_ID").n_unique(), first=time.min(), last=time.max()
    )
    return LogPart(path, *counts.collect(engine="streaming").row(0))


def _returning(history: Path, test: Path) -> int:
    users = (pl.scan_csv(path, infer_schema=False, glob=False).select("USER_ID").unique() for path in (test, history))
    both = next(users).join(next(users), on="USER_ID", how="semi")
    return int(both.select(pl.len()).collect().item())
