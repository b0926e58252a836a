"""Reads the interactions: Amazon Personalize's columns, unusable rows dropped and counted, in one pass over the files.

Ids become numbers while the rows stream by, so no more than 25 bytes a row and each id once are held; sorting them by
time takes another 16 bytes a row.
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
from larder_training.recommender.data.event_log import EventLog
from larder_training.recommender.data.event_order import Order, place_in_histories
from larder_training.reporting.progress import Progress

REQUIRED: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")
OPTIONAL: Final = ("EVENT_TYPE", "EVENT_VALUE")
NO_TYPE: Final = "interaction"  # the type of an event where the log has no EVENT_TYPE
LATEST: Final = 4_102_444_800  # 2100-01-01: what lies beyond is in milliseconds, or a mistake
LARGEST: Final = 1e12  # of an EVENT_VALUE without its sign: no price, rating or duration is larger
_SECONDS: Final = "Give epoch seconds, like 1291190400."
_NO_NUMBER: Final = "no_number"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What was read and what became of it, in rows of the interactions; ``bot_users`` alone counts users."""

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
        """What was left out and why, in words."""
        left = {name: count for name, count in asdict(self).items() if count and name not in ("rows", "used")}
        return ", ".join(f"{name} {count}" for name, count in left.items()) or "every row was usable"


def read_interactions(
    given: InputSource,
    known_items: Sequence[str] | None = None,
    progress: Progress | None = None,
    order: Order = "time",
    seed: int = 0,
) -> tuple[EventLog, RowCounts]:
    """Reads a log from one or many files. ``known_items`` (the catalogue's ids) become items too, without an event.

    Rows without user or item, with ids of more than 256 characters, with a TIMESTAMP that is missing, negative or after
    2100, or with an EVENT_VALUE that is NaN, infinite or beyond 10^12 are dropped and counted, as are exact repetitions
    of a row. Neither the order of rows and files nor threads leave a trace. Raises InvalidRequest, naming file, column
    and row, where a cell that must be a number is a text.
    """
    with open_input(given, progress) as files:
        scans = scan(files, REQUIRED if order == "time" else REQUIRED[:2], OPTIONAL)
        rows = _read(scans)
        problems = rows.drop_in_place("problems").to_numpy()
        audit = _count(problems)
        if audit.pop(_NO_NUMBER):
            check_numbers(scans, "TIMESTAMP", _SECONDS)
            check_numbers(scans, "EVENT_VALUE", "Give a number, or leave the cell empty.")
    found = RowCounts(**audit, duplicates=0)
    if found.bad_timestamps * 2 > found.rows:
        raise InvalidRequest(
            f"{files.name}, column TIMESTAMP: {found.bad_timestamps} of {found.rows} rows hold no time between 1970 "
            f"and 2100. {_SECONDS} Milliseconds must be divided by 1000."
        )
    if not (problems == 0).any():
        raise InvalidRequest(f"{files.name} holds no usable row of {found.rows}: {found.dropped()}. Mend these rows.")
    log = _encode(rows, problems == 0, known_items or ())
    log = _sorted(log if order == "time" else place_in_histories(log, order, seed))
    if len(log.events) > np.iinfo(np.int16).max:
        raise InvalidRequest(
            f"{files.name}, column EVENT_TYPE: {len(log.events)} different types; give kinds of events."
        )
    unique = log.where(~_repeated(log))
    return unique, replace(found, duplicates=len(log) - len(unique), used=len(unique))


def _read(scans: Sequence[TabularFile]) -> pl.DataFrame:
    """All rows, ids and types as categories, and a bit for each of ``_problems`` in ``problems``."""
    absent = [pl.lit(None, pl.String).alias(name) for name in OPTIONAL if name not in scans[0].names]
    if "TIMESTAMP" not in scans[0].names:
        absent.append(pl.lit("0").alias("TIMESTAMP"))  # replaced by event_order.place_in_histories
    frame = (
        whole(scans).with_columns(absent).with_columns(time=number("TIMESTAMP").floor(), value=number("EVENT_VALUE"))
    )
    bits = [each.cast(pl.UInt8) * (1 << place) for place, each in enumerate(_problems().values())]
    inside = pl.col("time").is_between(0, LATEST)  # what is not is dropped, but must be a number before that
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
    """The usable rows in their order; each column of ``rows`` is let go of once it is encoded."""
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
    """The texts of a column's usable rows and of ``more``, sorted; and each usable row's number among them."""
    codes = column.to_physical().fill_null(0).to_numpy()[usable]
    known = column.unique().drop_nulls()
    texts = pl.DataFrame({"text": known.cast(pl.String), "code": known.to_physical().cast(pl.Int64)})
    used = np.bincount(codes, minlength=int(texts["code"].max() or 0) + 1)  # type: ignore[arg-type]  # an integer
    texts = texts.filter(pl.Series(used[texts["code"].to_numpy()] > 0))
    others = pl.DataFrame({"text": pl.Series(more, dtype=pl.String).unique()}).join(texts, "text", how="anti")
    texts = pl.concat([texts, others.with_columns(code=pl.lit(-1, pl.Int64))]).sort("text")
    places = np.zeros(len(used) + 1, np.int32)  # the last takes what has no code
    places[texts["code"].to_numpy()] = np.arange(texts.height)
    return texts["text"].to_list(), places[codes]


def _sorted(log: EventLog) -> EventLog:
    """By time, then user, item, type and value: a total order, so that the input's order leaves no trace.

    Most rows differ in time and user, which fit one number of 64 bits; only those that do not are compared further.
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
    """Which events of a sorted log are all that the one before is."""
    same = np.ones(len(log) - 1, bool)
    for column in (log.time, log.user, log.item, log.event):
        same &= column[1:] == column[:-1]
    before, value = log.value[:-1], log.value[1:]
    same &= (value == before) | (np.isnan(value) & np.isnan(before))
    return np.insert(same, 0, False)
