"""What users wrote of items: an optional column REVIEW_TEXT of the interactions, as one text an item."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from larder_training.io.inputs import InputSource, open_input
from larder_training.io.tabular import collect, scan, whole

COLUMN: Final = "REVIEW_TEXT"
MAX_REVIEWS: Final = 20  # the latest of an item: the words that matter recur
MAX_CHARACTERS: Final = 500  # of one review


def review_texts(given: InputSource, items: Sequence[str]) -> list[str | None] | None:
    """The latest twenty reviews of each of ``items``, newest first, a line each; None for an item without any, and in
    place of the list where the input has no REVIEW_TEXT.

    It is a column of texts like those of the catalogue (aligned with ``items``), for whatever reads an item's words. A
    review counts with its first 500 characters, so an item has at most 10,000.
    """
    with open_input(given) as files:
        scans = scan(files, ("ITEM_ID",), (COLUMN, "TIMESTAMP"))
        if COLUMN not in scans[0].names:
            return None
        written = whole(scans).select(
            pl.col("ITEM_ID").cast(pl.Enum(pl.Series(items, dtype=pl.String)), strict=False),
            pl.col("TIMESTAMP").cast(pl.Float64, strict=False).alias("time"),
            pl.col(COLUMN).str.replace_all(r"\s+", " ").str.slice(0, MAX_CHARACTERS).alias("text"),
        )
        written = written.drop_nulls().unique().sort("time", "text", descending=[True, False])
        found = collect(scans, written.group_by("ITEM_ID").agg(pl.col("text").head(MAX_REVIEWS)))
    texts = dict(found.select(pl.col("ITEM_ID").cast(pl.String), pl.col("text").list.join("\n")).iter_rows())
    return [texts.get(item) for item in items] if texts else None
