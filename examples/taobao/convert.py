"""Converts Taobao's "UserBehavior" to the files that ``larder train recommender`` reads.

    python examples/taobao/convert.py UserBehavior.csv OUT

Reads the lines ``user,item,category,type,seconds`` of a .csv or .csv.gz file without a header. Writes
OUT/interactions.parquet (the types pv, fav, cart and buy become view, favourite, cart and pay) and OUT/items.csv with
the CATEGORY of each item. Lines of other types are dropped and counted. It streams, because the whole data set has 100
million lines.
"""

import sys
from pathlib import Path

import polars as pl

TYPES = {"pv": "view", "fav": "favourite", "cart": "cart", "buy": "pay"}
COLUMNS = ("user", "item", "category", "type", "seconds")


def convert(source: Path, out: Path) -> dict[str, int]:
    """Writes the two files into ``out`` and returns the counts."""
    lines = pl.scan_csv(source, has_header=False, new_columns=COLUMNS, infer_schema=False)
    known = lines.filter(pl.col("type").is_in(list(TYPES)))
    out.mkdir(parents=True, exist_ok=True)
    known.select(
        pl.col("user").alias("USER_ID"),
        pl.col("item").alias("ITEM_ID"),
        pl.col("seconds").cast(pl.Int64).alias("TIMESTAMP"),
        pl.col("type").replace_strict(TYPES).alias("EVENT_TYPE"),
    ).sink_parquet(out / "interactions.parquet")
    # An item of several categories gets the first in text order. The letter "c" makes the number a category.
    items = known.group_by("item").agg(pl.col("category").min()).sort("item")
    items.select(pl.col("item").alias("ITEM_ID"), pl.format("c{}", pl.col("category")).alias("CATEGORY")).sink_csv(
        out / "items.csv"
    )
    total = int(lines.select(pl.len()).collect(engine="streaming").item())
    rows = {
        "interactions": int(pl.scan_parquet(out / "interactions.parquet").select(pl.len()).collect().item()),
        "items": int(pl.scan_csv(out / "items.csv").select(pl.len()).collect().item()),
    }
    return {"lines": total, "of another type": total - rows["interactions"], **rows}


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, count in convert(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{count:>8}  {name}")


if __name__ == "__main__":
    main()
