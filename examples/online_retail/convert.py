"""Converts UCI's "Online Retail" (one line per article bought) to the files that ``larder train recommender`` reads.

    python examples/online_retail/convert.py online_retail.csv.gz OUT

Reads the columns InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID and Country of a .csv
or .csv.gz file. Writes OUT/interactions.csv, OUT/items.csv (TITLE, PRICE) and OUT/users.csv (COUNTRY), with Amazon
Personalize's column names. Lines that are not a purchase of a known customer are dropped and counted.
"""

import sys
from pathlib import Path

import polars as pl

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

# In this order: a line counts for the first reason that applies.
DROPPED = {
    "cancellations (InvoiceNo starts with C)": pl.col("InvoiceNo").str.starts_with("C"),
    "without a customer": pl.col("CustomerID").is_null(),
    "no article but a fee (StockCode without five digits: postage, bank charges)": ~pl.col("StockCode")
    .str.contains(r"^\d{5}")
    .fill_null(value=False),
    "quantity not above 0": ~(pl.col("Quantity") > 0).fill_null(value=False),
}


def read(path: Path) -> pl.DataFrame:
    """The lines, with ids as text, and InvoiceDate as TIMESTAMP in epoch seconds (local time, read as UTC)."""
    lines = pl.read_csv(path, columns=list(COLUMNS), infer_schema=False)
    return lines.with_columns(
        pl.col("Quantity").cast(pl.Int64),
        pl.col("UnitPrice").cast(pl.Float64),
        pl.col("Description").str.strip_chars(),
        pl.col("InvoiceDate").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s").alias("TIMESTAMP"),
    )


def usable(lines: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The purchases of known customers, and the number of other lines by reason."""
    counts = {}
    for reason, applies in DROPPED.items():
        remaining = lines.filter(~applies)
        counts[reason], lines = lines.height - remaining.height, remaining
    return lines, counts


def interactions(lines: pl.DataFrame) -> pl.DataFrame:
    """One purchase per line; EVENT_VALUE is the amount paid."""
    return lines.select(
        pl.col("CustomerID").alias("USER_ID"),
        pl.col("StockCode").alias("ITEM_ID"),
        "TIMESTAMP",
        pl.lit("purchase").alias("EVENT_TYPE"),
        (pl.col("Quantity") * pl.col("UnitPrice")).round(2).alias("EVENT_VALUE"),
    ).sort("TIMESTAMP", "USER_ID", "ITEM_ID", "EVENT_VALUE")


def items(lines: pl.DataFrame) -> pl.DataFrame:
    """The latest description and price of each article; both change over the year."""
    latest = lines.sort("TIMESTAMP", "InvoiceNo", maintain_order=True).group_by("StockCode", maintain_order=True)
    return (
        latest.agg(pl.col("Description").drop_nulls().last().alias("TITLE"), pl.col("UnitPrice").last().alias("PRICE"))
        .sort("StockCode")
        .rename({"StockCode": "ITEM_ID"})
    )


def users(lines: pl.DataFrame) -> pl.DataFrame:
    """The latest country of each customer."""
    latest = lines.sort("TIMESTAMP", "InvoiceNo", maintain_order=True).group_by("CustomerID", maintain_order=True)
    return latest.agg(pl.col("Country").last().alias("COUNTRY")).sort("CustomerID").rename({"CustomerID": "USER_ID"})


def convert(source: Path, out: Path) -> dict[str, int]:
    """Writes the three files into ``out`` and returns the counts."""
    lines = read(source)
    bought, dropped = usable(lines)
    tables = {"interactions": interactions(bought), "items": items(bought), "users": users(bought)}
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.write_csv(out / f"{name}.csv")
    return {"lines": lines.height, **dropped, **{name: table.height for name, table in tables.items()}}


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, count in convert(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{count:>8}  {name}")


if __name__ == "__main__":
    main()
