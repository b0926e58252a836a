"""Reads the interactions: Amazon Personalize's columns, unusable rows dropped and counted."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from larder.errors import InvalidRequest
from larder_training.recommender.log import Log
from larder_training.recommender.source import MAX_ID, check_numbers, collect, number, scan

REQUIRED: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")
NO_TYPE: Final = "interaction"  # the type of an event where the log has no EVENT_TYPE
LATEST: Final = 4_102_444_800  # 2100-01-01: what lies beyond is in milliseconds, or a mistake
_SECONDS: Final = "Give epoch seconds, like 1291190400."


@dataclass(frozen=True, slots=True)
class Audit:
    """What was read and what became of it, in rows of the interactions file."""

    rows: int
    without_user: int
    without_item: int
    ids_too_long: int
    bad_timestamps: int
    bad_values: int
    duplicates: int
    below_threshold: int = 0
    not_in_catalogue: int = 0
    used: int = 0

    def document(self) -> dict[str, int]:
        """As a JSON object."""
        return asdict(self)


def read_interactions(path: Path, known_items: list[str] | None = None) -> tuple[Log, Audit]:
    """Reads a log. ``known_items`` (the catalogue's ids) become items too, with or without an event.

    Rows without user or item, with ids of more than 256 characters, with a TIMESTAMP that is missing, negative or after
    2100, or with an EVENT_VALUE that is NaN or infinite are dropped and counted, as are exact repetitions of a row.
    Raises InvalidRequest, naming file, column and row, where a cell that must be a number is a text.
    """
    frame = _typed(path)
    audit = _count(frame, path)
    if audit.bad_timestamps * 2 > audit.rows:
        raise InvalidRequest(
            f"{path.name}, column TIMESTAMP: {audit.bad_timestamps} of {audit.rows} rows hold no time between 1970 and "
            f"2100. {_SECONDS} Milliseconds must be divided by 1000."
        )
    usable = frame.filter(~_unusable())
    users, items, events = (_ids(usable, path, column) for column in ("USER_ID", "ITEM_ID", "EVENT_TYPE"))
    if not users:
        raise InvalidRequest(f"{path.name} holds no usable row of {audit.rows}: {_summary(audit)}. Mend these rows.")
    items = sorted({*items, *(known_items or ())})
    if len(events) > np.iinfo(np.int16).max:
        raise InvalidRequest(f"{path.name}, column EVENT_TYPE: {len(events)} different types; give kinds of events.")
    log, duplicates = _encode(usable, path, users, items, events)
    return log, Audit(**{**asdict(audit), "duplicates": duplicates, "used": len(log)})


def _typed(path: Path) -> pl.LazyFrame:
    frame = scan(path, REQUIRED)
    names = frame.collect_schema().names()
    check_numbers(frame, path, "TIMESTAMP", _SECONDS)
    event = pl.col("EVENT_TYPE").fill_null(NO_TYPE) if "EVENT_TYPE" in names else pl.lit(NO_TYPE).alias("EVENT_TYPE")
    value = pl.lit(None, pl.Float64).alias("EVENT_VALUE")
    if "EVENT_VALUE" in names:
        check_numbers(frame, path, "EVENT_VALUE", "Give a number, or leave the cell empty.")
        value = number("EVENT_VALUE")
    return frame.select("USER_ID", "ITEM_ID", number("TIMESTAMP").floor(), event, value)


def _problems() -> dict[str, pl.Expr]:
    user, item, time, value = (pl.col(name) for name in ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_VALUE"))
    too_long = (user.str.len_chars() > MAX_ID) | (item.str.len_chars() > MAX_ID)
    return {
        "without_user": user.is_null(),
        "without_item": item.is_null(),
        "ids_too_long": too_long.fill_null(value=False),
        "bad_timestamps": ~time.is_between(0, LATEST, closed="left").fill_null(value=False)
        | time.is_nan().fill_null(value=True),
        "bad_values": value.is_not_null() & ~value.is_finite().fill_null(value=True),
    }


def _unusable() -> pl.Expr:
    return pl.any_horizontal(*_problems().values())


def _count(frame: pl.LazyFrame, path: Path) -> Audit:
    counts = [expression.sum().alias(name) for name, expression in _problems().items()]
    row = collect(frame.select(pl.len().alias("rows"), *counts), path).row(0, named=True)
    return Audit(**{name: int(count) for name, count in row.items()}, duplicates=0)


def _ids(frame: pl.LazyFrame, path: Path, column: str) -> list[str]:
    return sorted(collect(frame.select(pl.col(column).unique()), path)[column].to_list())


def _encode(frame: pl.LazyFrame, path: Path, users: list[str], items: list[str], events: list[str]) -> tuple[Log, int]:
    coded = collect(
        frame.select(
            pl.col("USER_ID").cast(pl.Enum(users)).to_physical().cast(pl.Int32),
            pl.col("ITEM_ID").cast(pl.Enum(items)).to_physical().cast(pl.Int32),
            pl.col("EVENT_TYPE").cast(pl.Enum(events)).to_physical().cast(pl.Int16),
            pl.col("TIMESTAMP").cast(pl.Int64),
            pl.col("EVENT_VALUE").cast(pl.Float32).fill_null(float("nan")),
        ),
        path,
    )
    user, item, event, time, value = (coded[name].to_numpy() for name in coded.columns)
    # The last key is the first to sort by. A total order: neither threads nor the file's order leave a trace.
    order = np.lexsort((value, event, item, user, time))
    user, item, event, time, value = (array[order] for array in (user, item, event, time, value))
    same = (np.diff(time) == 0) & (np.diff(user) == 0) & (np.diff(item) == 0) & (np.diff(event) == 0)
    same &= (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
    log = Log(users, items, events, user, item, event, time, value)
    return log.where(np.concatenate(([True], ~same))), int(same.sum())


def _summary(audit: Audit) -> str:
    return ", ".join(f"{name} {count}" for name, count in audit.document().items() if count and name != "rows")
