"""Files of sequences and three ways to split them. Part of next_item.py."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from next_item_models.cases import Cases, every_next, leave_one_out

from larder_training.recommender.data.event_log import DAY, EventLog


@dataclass(frozen=True)
class Split:
    """A split of sequences.

    Attributes:
        fit: Events to fit to while tuning.
        validation: Cases to tune on.
        refit: Events to fit to for the evaluation.
        test: Cases to evaluate on.
    """

    fit: EventLog
    validation: Cases
    refit: EventLog
    test: Cases


def read(path: Path, columns: str | None) -> pl.DataFrame:
    """Columns user, item, time (epoch seconds; the line number if the file has no times) and event."""
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
    """The log of a table; events at the same time keep the order of the file."""
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
    """Models are not fitted again with the validation items, as in published results."""
    parts = leave_one_out(log)
    return Split(parts.train, parts.validation, parts.train, parts.test)


def split_sessions(train: pl.DataFrame, test: pl.DataFrame) -> Split:
    """Removes items from the test that the training does not have, as published splits do."""
    test = test.filter(pl.col("item").is_in(train["item"].unique().implode()))
    marked = pl.concat(
        [train, test.with_columns(pl.col("user") + " of the test", pl.col("time") + train["time"].max() + 1)]
    )
    log = to_log(marked)
    tested = np.char.endswith(np.array(log.users), " of the test")[log.user]
    starts = np.full(len(log.users), log.end)
    np.minimum.at(starts, log.user, log.time)
    training_starts = np.sort(starts[np.unique(log.user[~tested])])
    late = starts[log.user] >= training_starts[int(0.9 * len(training_starts))]
    return Split(
        log.where(~late), every_next(log.where(late & ~tested)), log.where(~tested), every_next(log.where(tested))
    )


def split_days(log: EventLog, days: int) -> Split:
    """Splits at two cutoffs for all users, at midnight UTC."""
    last = -(-log.end // DAY) * DAY - days * DAY
    before = log.between(0, last)
    return Split(
        before.between(0, last - days * DAY), every_next(before, last - days * DAY), before, every_next(log, last)
    )
