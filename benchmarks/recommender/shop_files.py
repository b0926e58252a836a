"""Three real shops, or a folder of another one, as input files of ``larder train recommender``."""

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Final

import polars as pl

from larder_training.recommender.config.options import RecommenderOptions

SHARED: Final = Path(__file__).parents[3] / "shared" / "data"
_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_TAOBAO_DAYS: Final = (1_511_481_600, 1_512_345_600)  # 24 November to 3 December 2017: without outliers


def online_retail(out: Path) -> RecommenderOptions:
    """A year of purchases, with titles, prices and countries, by the example's converter."""
    example = run_path(str(_EXAMPLES / "online_retail" / "convert.py"))  # a script, not a module of a package
    example["convert"](SHARED / "online-retail" / "online_retail.csv.gz", out)
    return _options(out, "online-retail", "items", "users")


def complete_journey(out: Path) -> RecommenderOptions:
    """A year of supermarket purchases (the sample of 75,000), with departments, brands and households."""
    source = SHARED / "completejourney"
    lines = pl.read_csv(source / "transactions_sample.csv.gz", infer_schema=False)
    time = pl.col("transaction_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.epoch("s")
    lines.select(USER_ID="household_id", ITEM_ID="product_id", TIMESTAMP=time, EVENT_VALUE="sales_value").write_csv(
        out / "interactions.csv"
    )
    products = pl.read_csv(source / "products.csv.gz", infer_schema=False)
    bought = products.join(lines.select("product_id").unique(), "product_id", "semi", maintain_order="left")
    _renamed(bought, "product_id", "ITEM_ID").write_csv(out / "items.csv")
    households = pl.read_csv(source / "demographics.csv.gz", infer_schema=False)
    _renamed(households, "household_id", "USER_ID").write_csv(out / "users.csv")
    return _options(out, "complete-journey", "items", "users")


def taobao(out: Path) -> RecommenderOptions:
    """Ten days of 815 users' page views, carts, favourites and purchases, with categories."""
    names = ["USER_ID", "ITEM_ID", "CATEGORY", "EVENT_TYPE", "TIMESTAMP"]
    source = SHARED / "taobao-sample" / "UserBehavior_815users.csv.gz"
    lines = pl.read_csv(source, has_header=False, new_columns=names, infer_schema=False)
    lines = lines.filter(pl.col("TIMESTAMP").cast(pl.Int64).is_between(*_TAOBAO_DAYS, closed="left"))
    lines.drop("CATEGORY").write_csv(out / "interactions.csv")
    category = "c" + pl.col("CATEGORY")  # a text: it would be read as a number
    lines.select("ITEM_ID", CATEGORY=category).unique("ITEM_ID", keep="first", maintain_order=True).write_csv(
        out / "items.csv"
    )
    return _options(out, "taobao", "items")


def folder(path: Path) -> RecommenderOptions:
    """interactions.csv of a folder, and items.csv and users.csv if they exist, as the examples' converters write."""
    return _options(path, path.name, *(name for name in ("items", "users") if (path / f"{name}.csv").exists()))


def _renamed(table: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    """Upper-case columns; ``key`` becomes ``name``."""
    return table.rename({column: name if column == key else column.upper() for column in table.columns})


def _options(out: Path, model: str, *tables: str) -> RecommenderOptions:
    files = {name: out / f"{name}.csv" for name in tables}
    return RecommenderOptions(
        out / "interactions.csv", model, items=files.get("items"), users=files.get("users"), out=out
    )


SHOPS: Final[dict[str, Callable[[Path], RecommenderOptions]]] = {
    "online-retail": online_retail,
    "complete-journey": complete_journey,
    "taobao": taobao,
}
