"""Files of sequences, and the three ways to split them (next_item.py)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from next_item_models.cases import Cases, every_next, leave_one_out

from larder_training.recommender.data.event_log import DAY, EventLog


@dataclass(frozen=True)
class Split:
    """``fit`` and ``validation`` are for choosing, ``refit`` and ``test`` for measuring."""

    fit: EventLog
    validation: Cases
    refit: EventLog
    test: Cases


def read(path: Path, columns: str | None) -> pl.DataFrame:
    """user, item, time (epoch seconds; the number of the line where there is none) and event, as the file has them."""
    if path.name.endswith((".csv", ".csv.gz")):
        frame = pl.read_csv(path, has_header=columns is None, infer_schema=False)
        names = columns.split(",") if columns else [_short(name) for name in frame.columns]
        frame = frame.rename(
            dict(zip(frame.columns, [name if name != "-" else f"-{n}" for n, name in enumerate(names)], strict=True))
        )
    else:
        frame = pl.read_csv(path, has_header=False, separator=" ", infer_schema=False, new_columns=["user", "item"])
    time_or_line = (
        pl.col("time").cast(pl.Int64)
        if "time" in frame.columns
        else pl.int_range(pl.len(), dtype=pl.Int64).alias("time")
    )
    event = pl.col("event") if "event" in frame.columns else pl.lit("click").alias("event")
    return frame.select("user", "item", time_or_line, event)


def _short(name: str) -> str:
    return {"SESSION_ID": "user", "USER_ID": "user", "ITEM_ID": "item", "TIMESTAMP": "time", "EVENT_TYPE": "event"}.get(
        name, name
    )


def to_log(frame: pl.DataFrame) -> EventLog:
    """Numbers in place of texts; events at one moment stay in the file's order."""
    frame = frame.sort("time", maintain_order=True)
    coded = {
        name: np.unique(frame[name].to_numpy().astype(str), return_inverse=True) for name in ("user", "item", "event")
    }
    users, items, events = (coded[name][0].tolist() for name in ("user", "item", "event"))
    return EventLog(
        users,
        items,
        events,
        coded["user"][1].astype(np.int32),
        coded["item"][1].astype(np.int32),
        coded["event"][1].astype(np.int16),
        frame["time"].to_numpy(),
        np.full(len(frame), np.nan, np.float32),
    )


def split_leave_one_out(log: EventLog) -> Split:
    """What is measured is fitted without the validation items, as published numbers are."""
    parts = leave_one_out(log)
    return Split(parts.train, parts.validation, parts.train, parts.test)


def split_sessions(train: pl.DataFrame, test: pl.DataFrame) -> Split:
    """Items that training has not seen leave the test, as the published splits have it."""
    test = test.filter(pl.col("item").is_in(train["item"].unique().implode()))
    marked = pl.concat(
        [train, test.with_columns(pl.col("user") + " of the test", pl.col("time") + train["time"].max() + 1)]
    )
    log = to_log(marked)
    tested = np.char.endswith(np.array(log.users), " of the test")[log.user]
    begins = np.full(len(log.users), log.end)
    np.minimum.at(begins, log.user, log.time)
    of_train = np.sort(begins[np.unique(log.user[~tested])])
    late = begins[log.user] >= of_train[int(0.9 * len(of_train))]
    return Split(
        log.where(~late), every_next(log.where(late & ~tested)), log.where(~tested), every_next(log.where(tested))
    )


def split_days(log: EventLog, days: int) -> Split:
    """By two moments, the same for everybody, at midnight UTC."""
    last = -(-log.end // DAY) * DAY - days * DAY
    before = log.between(0, last)
    return Split(
        before.between(0, last - days * DAY), every_next(before, last - days * DAY), before, every_next(log, last)
    )
