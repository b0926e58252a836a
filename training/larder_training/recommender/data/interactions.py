"""Reads interactions with Amazon Personalize's columns in one pass over the files; drops and counts unusable rows.

Ids become integers while the rows stream. Memory: 25 bytes per row and each id once; sorting by time takes another 16
bytes per row.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from larder.errors import InvalidRequest
from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import MAX_ID, TabularFile, check_numbers, collect, number, scan, whole
from larder_training.recommender.config.options import Order
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.event_order import place_in_histories
from larder_training.reporting.progress import Progress

REQUIRED: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")
OPTIONAL: Final = ("EVENT_TYPE", "EVENT_VALUE")
NO_TYPE: Final = "interaction"  # type of events without EVENT_TYPE
LATEST: Final = 4_102_444_800  # 2100-01-01; later times are milliseconds or errors
LARGEST: Final = 1e12  # absolute EVENT_VALUE; prices, ratings and durations are smaller
_SECONDS: Final = "Give epoch seconds, like 1291190400."
_NO_NUMBER: Final = "no_number"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows that were read, dropped and used.

    Attributes:
        rows: Rows read.
        without_user: Dropped: no USER_ID.
        without_item: Dropped: no ITEM_ID.
        ids_too_long: Dropped: an id of more than 256 characters.
        bad_timestamps: Dropped: no time between 1970 and 2100.
        bad_values: Dropped: EVENT_VALUE is NaN, infinite or beyond 10^12.
        duplicates: Dropped: exact repetition of another row.
        below_threshold: Dropped: EVENT_VALUE below the type's threshold, or weight 0.
        not_in_catalogue: Items without metadata; not dropped.
        stray_times: Dropped: far from the times of all other events.
        bots: Dropped: of bots.
        bot_users: Users who are bots.
        used: Rows used.
    """

    rows: int
    without_user: int
    without_item: int
    ids_too_long: int
    bad_timestamps: int
    bad_values: int
    duplicates: int
    below_threshold: int = 0
    not_in_catalogue: int = 0
    stray_times: int = 0
    bots: int = 0
    bot_users: int = 0
    used: int = 0

    def document(self) -> dict[str, int]:
        """As a JSON object."""
        return asdict(self)

    def dropped(self) -> str:
        """The counts above 0 as text."""
        counts = {name: count for name, count in asdict(self).items() if count and name not in ("rows", "used")}
        return ", ".join(f"{name} {count}" for name, count in counts.items()) or "every row was usable"


def read_interactions(
    source: InputSource,
    known_items: Sequence[str] | None = None,
    progress: Progress | None = None,
    order: Order = "time",
    seed: int = 0,
) -> tuple[EventLog, RowCounts]:
    """Reads an event log from one or many files. Unusable rows are dropped and counted (see ``RowCounts``).

    The result does not depend on the order of rows and files, except with ``order="file"``.

    Args:
        source: The files.
        known_items: Further items, which have no event: the ids of the item metadata.
        progress: Where to report progress.
        order: Order of events, as in ``RecommenderOptions``.
        seed: Seed of a random order.

    Raises:
        InvalidRequest: A number cell is not a number, or no row is usable. Names the file, the column and the row.
    """
    with open_input(source, progress) as files:
        scans = scan(files, REQUIRED if order == "time" else REQUIRED[:2], OPTIONAL)
        rows = _read(scans)
        problems = rows.drop_in_place("problems").to_numpy()
        dropped = _count(problems)
        if dropped.pop(_NO_NUMBER):
            check_numbers(scans, "TIMESTAMP", _SECONDS)
            check_numbers(scans, "EVENT_VALUE", "Give a number, or leave the cell empty.")
    counts = RowCounts(**dropped, duplicates=0)
    if counts.bad_timestamps * 2 > counts.rows:
        raise InvalidRequest(
            f"{files.name}, column TIMESTAMP: {counts.bad_timestamps} of {counts.rows} rows have no time between 1970 "
            f"and 2100. {_SECONDS} Divide milliseconds by 1000."
        )
    if not (problems == 0).any():
        raise InvalidRequest(
            f"{files.name}: none of the {counts.rows} rows is usable: {counts.dropped()}. Correct these rows."
        )
    log = _encode(rows, problems == 0, known_items or ())
    log = _sorted(log if order == "time" else place_in_histories(log, order, seed))
    if len(log.events) > np.iinfo(np.int16).max:
        raise InvalidRequest(
            f"{files.name}, column EVENT_TYPE: {len(log.events)} different values. Give types of events, not ids."
        )
    unique = log.where(~_repeated(log))
    return unique, replace(counts, duplicates=len(log) - len(unique), used=len(unique))


def _read(scans: Sequence[TabularFile]) -> pl.DataFrame:
    """All rows: ids and types as categories; ``problems`` has one bit per entry of ``_problems``."""
    absent = [pl.lit(None, pl.String).alias(name) for name in OPTIONAL if name not in scans[0].names]
    if "TIMESTAMP" not in scans[0].names:
        absent.append(pl.lit("0").alias("TIMESTAMP"))  # event_order.place_in_histories replaces it
    frame = (
        whole(scans).with_columns(absent).with_columns(time=number("TIMESTAMP").floor(), value=number("EVENT_VALUE"))
    )
    bits = [problem.cast(pl.UInt8) * (1 << bit) for bit, problem in enumerate(_problems().values())]
    inside = pl.col("time").is_between(0, LATEST)  # other rows are dropped later, but the cast needs a small number
    ids = {name: pl.Categorical(pl.Categories.random()) for name in ("USER_ID", "ITEM_ID", "EVENT_TYPE")}
    query = frame.select(
        pl.col("USER_ID").cast(ids["USER_ID"]),
        pl.col("ITEM_ID").cast(ids["ITEM_ID"]),
        pl.col("EVENT_TYPE").fill_null(NO_TYPE).cast(ids["EVENT_TYPE"]),
        pl.when(inside).then(pl.col("time")).otherwise(0).cast(pl.Int64).alias("time"),
        pl.col("value").cast(pl.Float32).fill_null(float("nan")).alias("value"),
        pl.sum_horizontal(bits).cast(pl.UInt8).alias("problems"),
    )
    return collect(scans, query)


def _problems() -> dict[str, pl.Expr]:
    user, item, time, value = (pl.col(name) for name in ("USER_ID", "ITEM_ID", "time", "value"))
    too_long = (user.str.len_chars() > MAX_ID) | (item.str.len_chars() > MAX_ID)
    no_time = pl.col("TIMESTAMP").is_not_null() & time.is_null()
    return {
        "without_user": user.is_null(),
        "without_item": item.is_null(),
        "ids_too_long": too_long.fill_null(value=False),
        "bad_timestamps": ~time.is_between(0, LATEST, closed="left").fill_null(value=False)
        | time.is_nan().fill_null(value=True),
        "bad_values": ~((value.abs() <= LARGEST) & value.is_not_nan()).fill_null(value=True),
        _NO_NUMBER: no_time | (pl.col("EVENT_VALUE").is_not_null() & value.is_null()),
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
