from pathlib import Path

import polars as pl
import pytest

from larder_training.datasets.synthetic_shop import DAY, START, ShopFiles, generate


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (
        generate(tmp_path / name, users=40, items=80, days=20, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for name in ("interactions", "items", "users"):
        assert getattr(first, name).read_bytes() == getattr(second, name).read_bytes()
        assert getattr(first, name).read_bytes() != getattr(other, name).read_bytes()


def test_the_files_have_the_columns_of_amazon_personalize(shop: ShopFiles) -> None:
    log, items, users = (pl.read_csv(path) for path in (shop.interactions, shop.items, shop.users))
    assert log.columns == ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE"]
    assert items.columns == ["ITEM_ID", "TITLE", "CATEGORY", "BRAND", "PRICE", "CREATION_TIMESTAMP"]
    assert users.columns == ["USER_ID", "CITY", "GENDER", "AGE"]
    assert (log.height, items.height, users.height) == (shop.events, 120, 400)
    assert set(log["ITEM_ID"]) <= set(items["ITEM_ID"])
    assert set(log["USER_ID"]) < set(users["USER_ID"])
    assert log["TIMESTAMP"].is_between(START, START + 60 * DAY).all()
    assert log["TIMESTAMP"].is_sorted()


def test_events_follow_one_another_and_only_reviews_have_values(shop: ShopFiles) -> None:
    log = pl.read_csv(shop.interactions)
    counts = dict(log["EVENT_TYPE"].value_counts().iter_rows())
    assert counts["view"] > counts["click"] > counts["cart"] > counts["pay"] > counts["review"] > 0
    assert log.filter(pl.col("EVENT_TYPE") == "review")["EVENT_VALUE"].is_between(1, 5).all()
    assert log.filter(pl.col("EVENT_TYPE") != "review")["EVENT_VALUE"].null_count() == log.height - counts["review"]


def test_items_have_no_events_before_their_creation(shop: ShopFiles) -> None:
    log, items = pl.read_csv(shop.interactions), pl.read_csv(shop.items)
    joined = log.join(items, on="ITEM_ID")
    assert (joined["TIMESTAMP"] >= joined["CREATION_TIMESTAMP"]).all()


def test_preferences_depend_on_the_profile(shop: ShopFiles) -> None:
    log, items, users = (pl.read_csv(path) for path in (shop.interactions, shop.items, shop.users))
    joined = log.join(items, on="ITEM_ID").join(users, on="USER_ID")
    share = {gender: (joined.filter(pl.col("GENDER") == gender)["CATEGORY"] == "soap").mean() for gender in ("F", "M")}
    assert share["F"] > 1.5 * share["M"]  # type: ignore[operator]  # means of booleans


@pytest.mark.parametrize("small", [{"users": 1}, {"items": 10}, {"days": 0}])
def test_a_shop_that_is_too_small_is_an_error(tmp_path: Path, small: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="give at least"):
        generate(tmp_path, **small)
