"""Reads interactions with Amazon Personalize's columns in one pass over the files; drops and counts unusable rows.

Ids become integers while the rows stream. Memory: 26 bytes per row and each id once; sorting by time takes another 16
bytes per row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import (
    MAX_ID,
    TabularFile,
    check_numbers,
    collect,
    distinct_notices,
    first_cells,
    number,
    scan,
    whole,
    with_decimal_points,
)
from larder_training.recommender.config.log_format import USUAL, LogFormat
from larder_training.recommender.config.options import Order
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.event_order import place_in_histories
from larder_training.recommender.data.log_checks.row_counts import RowCounts
from larder_training.recommender.data.times import (
    FORMS,
    LATEST,
    TIME_REMEDY,
    TimeFormat,
    describe,
    find_format,
    rounded,
)
from larder_training.reporting.counts import counted
from larder_training.reporting.progress import Progress

REQUIRED: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")
OPTIONAL: Final = ("EVENT_TYPE", "EVENT_VALUE")
LIVE: Final = ("EVENT_ID", "ANONYMOUS")  # in the log of live events, where an event may be twice for a while
NO_TYPE: Final = "interaction"  # type of events without EVENT_TYPE
LARGEST: Final = 1e12  # absolute EVENT_VALUE; prices, ratings and durations are smaller
_MISSING: Final = ("nan", "NaN", "null", "NULL", "None", "\\N", "<NA>", "NaT")  # what programs write for no value
_NUMBER_REMEDY: Final = (
    "Give numbers like 1234.5, without separators of thousands, or empty cells; or leave the column out: --columns "
    "EVENT_VALUE=."
)
_NO_NUMBER: Final = (*_MISSING, "NA", "N/A", "n/a", "#N/A", "-")


def read_interactions(
    source: InputSource,
    known_items: Sequence[str] | None = None,
    progress: Progress | None = None,
    order: Order = "time",
    seed: int = 0,
    log_format: LogFormat = USUAL,
) -> tuple[EventLog, RowCounts]:
    """Reads an event log from one or many files. Unusable rows are dropped and counted (see ``RowCounts``).

    The result does not depend on the order of rows and files, except with ``order="file"``.

    Args:
        source: The files.
        known_items: Further items, which have no event: the ids of the item metadata.
        progress: Where to report progress.
        order: Order of events, as in ``RecommenderOptions``.
        seed: Seed of a random order.
        log_format: How the log is written.

    Raises:
        InvalidRequest: A file or a column cannot be read, or most rows are unusable. Names the file, the column and the
            row.
    """
    with open_input(source, progress) as files:
        scans = scan(files, REQUIRED if order == "time" else REQUIRED[:2], (*OPTIONAL, *LIVE), log_format.of_log)
        scans = with_decimal_points(scans, ["EVENT_VALUE"])
        check_numbers(scans, log_format.of_log.fields)
        rows, times = _read_with_times(scans, log_format)
        rows, same_ids = _each_id_once(rows)
        problems = rows.drop_in_place("problems").to_numpy()
        counts = _counts(scans, problems, times)
        _check_usable(files.name, counts)
    forms = np.bincount(rows.drop_in_place("form").to_numpy()[problems == 0], minlength=len(FORMS)).tolist()
    log = _encode(rows, problems == 0, known_items or ())
    notices = distinct_notices(scans)
    if same_ids:
        notices.append(f"{counted(same_ids, 'row')} with the EVENT_ID of another row: each event counts once.")
    if order == "time":
        notices += describe(forms, int(log.time.min()), int(log.time.max()))
        step = rounded(pl.Series(log.time).unique())
        notices += [step] if step else []
    log = _sorted(log if order == "time" else place_in_histories(log, order, seed))
    if len(log.events) > np.iinfo(np.int16).max:
        raise InvalidRequest(
            f"{files.name}, column EVENT_TYPE: {len(log.events)} different values. Give types of events, not ids, or "
            "leave the column out: --columns EVENT_TYPE=."
        )
    unique = log.where(~_repeated(log))
    repeated = same_ids + len(log) - len(unique)
    counts = replace(counts, rows=counts.rows + same_ids, duplicates=repeated, used=len(unique), notices=tuple(notices))
    return unique, counts


def _check_usable(name: str, counts: RowCounts) -> None:
    """Raises InvalidRequest if more than half of the rows have no time or no number, or no row is usable."""
    for column, bad, remedy in (
        ("TIMESTAMP", "bad_timestamps", TIME_REMEDY),
        ("EVENT_VALUE", "bad_values", _NUMBER_REMEDY),
    ):
        count = counts.document()[bad]
        if count * 2 > counts.rows:
            verb = "has" if count == 1 else "have"
            what = "time between 1970 and 2100" if column == "TIMESTAMP" else "number"
            raise InvalidRequest(
                f"{name}, column {column}: {count:,} of {counted(counts.rows, 'row')} {verb} no {what} "
                f"({counts.examples[bad]}). {remedy}"
            )
    if not counts.used:
        raise InvalidRequest(
            f"{name}: none of the {counted(counts.rows, 'row')} is usable: {counts.dropped()}. Correct these rows."
        )


def _read_with_times(scans: Sequence[TabularFile], log_format: LogFormat) -> tuple[pl.DataFrame, TimeFormat]:
    """All rows, and the format by which their times were read."""
    if "TIMESTAMP" not in scans[0].names:
        times = TimeFormat(numbers=True)
        return _read(scans, times), times
    times = find_format(scans, log_format.time_format)
    rows = _read(scans, times)
    if times.numbers and rows.select((pl.col("form") == 0).any()).item():  # the sample had numbers only
        times = find_format(scans, log_format.time_format, thorough=True)
        rows = _read(scans, times)
    return rows, times


def _read(scans: Sequence[TabularFile], times: TimeFormat) -> pl.DataFrame:
    """All rows: ids and types as categories; ``problems`` has one bit per entry of ``_problems``."""
    bits = [problem.cast(pl.UInt8) * (1 << bit) for bit, problem in enumerate(_problems().values())]
    inside = pl.col("time").is_between(0, LATEST)  # other rows are dropped later, but the cast needs a small number
    ids = {name: pl.Categorical(pl.Categories.random()) for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")}
    query = _cells(whole(scans), scans[0].names, times).select(
        pl.col("USER_ID").cast(ids["USER_ID"]),
        pl.col("ITEM_ID").cast(ids["ITEM_ID"]),
        pl.col("EVENT_TYPE").fill_null(NO_TYPE).cast(ids["EVENT_TYPE"]),
        pl.when(inside).then(pl.col("time")).otherwise(0).cast(pl.Int64).alias("time"),
        pl.col("value").cast(pl.Float32).fill_null(float("nan")).alias("value"),
        pl.sum_horizontal(bits).cast(pl.UInt8).alias("problems"),
        "form",
        *(
            [pl.when(pl.col("EVENT_ID").is_not_null()).then(pl.col("EVENT_ID").hash()).alias("id")]
            if "EVENT_ID" in scans[0].names
            else []
        ),
        *([pl.col("ANONYMOUS").is_not_null().alias("anonymous")] if "ANONYMOUS" in scans[0].names else []),
    )
    return collect(scans, query)


def _each_id_once(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows without those whose EVENT_ID another row has, and the number of these.

    As in the compaction of the log, the earliest row counts; at the same time, one that has the user of the session.
    """
    if "id" not in rows.columns:
        return rows.drop("anonymous", strict=False), 0
    by = [name for name in ("time", "anonymous") if name in rows.columns]
    repeated = (
        rows.select("id", *by).with_row_index("row").filter(pl.col("id").is_not_null() & pl.col("id").is_duplicated())
    )
    kept = repeated.sort(*by, "row").unique("id", keep="first", maintain_order=True)
    dropped = repeated.join(kept, "row", how="anti")["row"].to_numpy()
    mask = np.ones(rows.height, bool)
    mask[dropped] = False
    return rows.drop("id", "anonymous", strict=False).filter(pl.Series(mask)), len(dropped)


def _cells(frame: pl.LazyFrame, names: Sequence[str], times: TimeFormat) -> pl.LazyFrame:
    """The columns of a log with their numbers and times; the tokens of other programs for no value are null."""
    absent = [pl.lit(None, pl.String).alias(name) for name in OPTIONAL if name not in names]
    if "TIMESTAMP" not in names:
        absent.append(pl.lit("0").alias("TIMESTAMP"))  # event_order.place_in_histories replaces it
    present = [
        pl.when(~pl.col(name).is_in(tokens)).then(pl.col(name)).alias(name)
        for name, tokens in (
            ("USER_ID", _MISSING),
            ("ITEM_ID", _MISSING),
            ("EVENT_TYPE", _MISSING),
            ("TIMESTAMP", _NO_NUMBER),
            ("EVENT_VALUE", _NO_NUMBER),
        )
    ]
    return frame.with_columns(absent).with_columns(present).with_columns(*times.columns(), value=number("EVENT_VALUE"))


def _problems() -> dict[str, pl.Expr]:
    user, item, time, value = (pl.col(name) for name in ("USER_ID", "ITEM_ID", "time", "value"))
    too_long = (user.str.len_chars() > MAX_ID) | (item.str.len_chars() > MAX_ID)
    two_lines = user.str.contains("\n", literal=True) | item.str.contains("\n", literal=True)
    return {
        "malformed": two_lines.fill_null(value=False),  # two rows that a lost quote joined
        "without_user": user.is_null(),
        "without_item": item.is_null(),
        "ids_too_long": too_long.fill_null(value=False),
        "bad_timestamps": ~time.is_between(0, LATEST, closed="left").fill_null(value=False),
        "bad_values": pl.col("EVENT_VALUE").is_not_null() & ~(value.abs() <= LARGEST).fill_null(value=False),
    }


_SHOWN: Final[Mapping[str, str]] = {"bad_timestamps": "TIMESTAMP", "bad_values": "EVENT_VALUE"}


def _counts(scans: Sequence[TabularFile], problems: NDArray[np.uint8], times: TimeFormat) -> RowCounts:
    """The counts of the rows that are read, with an example of each loss if the losses are many."""
    counts = _count(problems)
    unreadable = [scan for scan in scans if scan.unreadable.count]
    left_out = sum(scan.unreadable.count for scan in unreadable)
    examples = _examples(scans, times, [name for name, count in counts.items() if count and name != "rows"])
    if unreadable:
        examples["malformed"] = f"{unreadable[0].file.name}, {unreadable[0].unreadable.example}"
    return RowCounts(
        rows=counts["rows"] + left_out,
        malformed=counts["malformed"] + left_out,
        without_user=counts["without_user"],
        without_item=counts["without_item"],
        ids_too_long=counts["ids_too_long"],
        bad_timestamps=counts["bad_timestamps"],
        bad_values=counts["bad_values"],
        duplicates=0,
        used=int((problems == 0).sum()),
        examples=examples,
    )


def _examples(scans: Sequence[TabularFile], times: TimeFormat, reasons: Sequence[str]) -> dict[str, str]:
    """The first row that is dropped for each reason."""
    problems = _problems()
    read = [replace(scanned, frame=_cells(scanned.frame, scanned.names, times)) for scanned in scans]
    first = first_cells(read, {reason: (_SHOWN.get(reason, "USER_ID"), problems[reason]) for reason in reasons})
    return {
        reason: f"{cell.file}, data row {cell.row}"
        + (f": {cell.value!r:.60}" if reason in _SHOWN and cell.value is not None else "")
        for reason, cell in first.items()
    }


def _count(problems: NDArray[np.uint8]) -> dict[str, int]:
    names = list(_problems())
    counts = np.bincount(problems, minlength=1 << len(names))
    sets = np.arange(len(counts))
    return {"rows": len(problems), **{name: int(counts[sets >> bit & 1 == 1].sum()) for bit, name in enumerate(names)}}


def _encode(rows: pl.DataFrame, usable: NDArray[np.bool_], known_items: Sequence[str]) -> EventLog:
    """The usable rows in their order. Each column of ``rows`` is freed once it is encoded."""
    users, user = _numbered(rows.drop_in_place("USER_ID"), usable)
    items, item = _numbered(rows.drop_in_place("ITEM_ID"), usable, known_items)
    events, event = _numbered(rows.drop_in_place("EVENT_TYPE"), usable)
    time, value = (rows.drop_in_place(name).to_numpy()[usable] for name in ("time", "value"))
    return EventLog(
        users, items, events, user, item, event.astype(np.int16), time, value + np.float32(0)
    )  # -0 becomes 0


def _numbered(
    column: pl.Series, usable: NDArray[np.bool_], more: Sequence[str] = ()
) -> tuple[list[str], NDArray[np.int32]]:
    """The distinct texts of a column's usable rows and of ``more``, sorted; and the index of each usable row."""
    codes = column.to_physical().fill_null(0).to_numpy()[usable]
    known = column.unique().drop_nulls()
    texts = pl.DataFrame({"text": known.cast(pl.String), "code": known.to_physical().cast(pl.Int64)})
    used = np.bincount(codes, minlength=int(texts["code"].max() or 0) + 1)  # type: ignore[arg-type]  # an integer
    texts = texts.filter(pl.Series(used[texts["code"].to_numpy()] > 0))
    others = pl.DataFrame({"text": pl.Series(more, dtype=pl.String).unique()}).join(texts, "text", how="anti")
    texts = pl.concat([texts, others.with_columns(code=pl.lit(-1, pl.Int64))]).sort("text")
    places = np.zeros(len(used) + 1, np.int32)  # the last is for texts of ``more``, whose code is -1
    places[texts["code"].to_numpy()] = np.arange(texts.height)
    return texts["text"].to_list(), places[codes]


def _sorted(log: EventLog) -> EventLog:
    """Sorted by time, user, item, type and value: a total order, so that the input's order does not matter.

    Most rows differ in time and user, which fit one 64-bit number. Only rows with equal numbers are compared further.
    """
    first = (log.time << 31) | log.user  # time < 2^32
    order = np.argsort(first)
    first = first[order]
    same = first[1:] == first[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    rows = order[tied]
    order[tied] = rows[np.lexsort((log.value[rows], log.event[rows], log.item[rows], first[tied]))]
    return log.take(order)


def _repeated(log: EventLog) -> NDArray[np.bool_]:
    """Bool ``[events]``: whether an event of the sorted log equals the event before it."""
    same = np.ones(len(log) - 1, bool)
    for column in (log.time, log.user, log.item, log.event):
        same &= column[1:] == column[:-1]
    before, value = log.value[:-1], log.value[1:]
    same &= (value == before) | (np.isnan(value) & np.isnan(before))
    return np.insert(same, 0, False)
