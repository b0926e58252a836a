"""The documented example: the converter on a few lines, and a training on the real log."""

import gzip
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.paths import ROOT

from larder.release.manifest import parse
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress

CONVERTER = ROOT / "examples" / "online_retail" / "convert.py"
REAL = ROOT.parent / "shared" / "data" / "online-retail" / "online_retail.csv.gz"
LINES = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,10001,RED MUG,2,2011-01-02 08:00:00,1.5,17,France
2,10001,RED MUG ,1,2011-02-02 08:00:00,1.75,18,France
C3,10001,RED MUG,-1,2011-02-03 08:00:00,1.5,17,France
4,10002,,1,2011-02-04 08:00:00,3,,France
5,POST,POSTAGE,1,2011-02-04 08:00:00,18,17,Spain
6,10002,"CUP, BLUE",0,2011-02-05 08:00:00,3,17,Spain
7,10002B,"CUP, BLUE",4,2011-02-06 08:00:00,3,17,Spain
"""


def convert(source: Path, out: Path) -> str:
    done = subprocess.run(  # noqa: S603  # this interpreter and our own script
        [sys.executable, str(CONVERTER), str(source), str(out)], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_converter_keeps_purchases_of_known_customers(tmp_path: Path) -> None:
    source = tmp_path / "retail.csv.gz"
    source.write_bytes(gzip.compress(LINES.encode()))
    output = convert(source, tmp_path)
    counts = [int(line.split()[0]) for line in output.splitlines()]
    assert counts == [7, 1, 1, 1, 1, 3, 2, 2]
    log = pl.read_csv(tmp_path / "interactions.csv", infer_schema=False)
    assert log.rows()[0] == ("17", "10001", "1293955200", "purchase", "3.0")
    assert log["ITEM_ID"].to_list() == ["10001", "10001", "10002B"]
    assert pl.read_csv(tmp_path / "items.csv", infer_schema=False).rows() == [
        ("10001", "RED MUG", "1.75"),
        ("10002B", "CUP, BLUE", "3.0"),
    ]
    assert pl.read_csv(tmp_path / "users.csv", infer_schema=False).rows() == [("17", "Spain"), ("18", "France")]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="../shared/data/online-retail is not available")
def test_on_online_retail_it_is_much_better_than_popularity(tmp_path: Path) -> None:
    """THEN recall@20 and NDCG@20 are at least 1.5 times those of both kinds of popularity (lower interval bounds)."""
    convert(REAL, tmp_path)
    options = RecommenderOptions(
        tmp_path / "interactions.csv",
        "retail",
        items=tmp_path / "items.csv",
        users=tmp_path / "users.csv",
        out=tmp_path / "releases",
        trials=8,  # benchmarks/recommender/shops.py measures the whole search and the reranker
        reranker="never",
    )
    evaluation = parse((train(options, Progress(quiet=True)) / "manifest.json").read_bytes()).evaluation
    baselines = evaluation["baselines"]
    assert isinstance(baselines, dict)
    for baseline in ("popularity", "recent_popularity"):
        for metric in ("recall@20", "ndcg@20"):
            assert baselines[baseline][metric]["ratio"]["interval"][0] >= 1.5
