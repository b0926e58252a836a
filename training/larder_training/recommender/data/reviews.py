"""Review texts: the optional column REVIEW_TEXT of the interactions, as one text per item."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import collect, scan, whole
from larder_training.recommender.config.log_format import USUAL, LogFormat
from larder_training.recommender.data.times import find_format

COLUMN: Final = "REVIEW_TEXT"
MAX_REVIEWS: Final = 20  # per item, the latest: important words recur
MAX_CHARACTERS: Final = 500  # per review


def review_texts(source: InputSource, items: Sequence[str], log_format: LogFormat = USUAL) -> list[str | None] | None:
    """The latest twenty reviews per item, newest first, one per line: a text column in the order of ``items``.

    None for an item without reviews; None instead of the list if the input has no REVIEW_TEXT. A review is cut at 500
    characters.
    """
    with open_input(source) as files:
        scans = scan(files, ("ITEM_ID",), (COLUMN, "TIMESTAMP"), log_format.of_log)
        if COLUMN not in scans[0].names:
            return None
        timed = "TIMESTAMP" in scans[0].names
        times = find_format(scans, log_format.time_format, thorough=True).columns()[:1] if timed else [pl.lit(0.0)]
        written = whole(scans).select(
            pl.col("ITEM_ID").cast(pl.Enum(pl.Series(items, dtype=pl.String)), strict=False),
            times[0].alias("time"),
            pl.col(COLUMN).str.replace_all(r"\s+", " ").str.slice(0, MAX_CHARACTERS).alias("text"),
        )
        written = written.drop_nulls().unique().sort("time", "text", descending=[True, False])
        latest = collect(scans, written.group_by("ITEM_ID").agg(pl.col("text").head(MAX_REVIEWS)))
    texts = dict(latest.select(pl.col("ITEM_ID").cast(pl.String), pl.col("text").list.join("\n")).iter_rows())
    return [texts.get(item) for item in items] if texts else None
