"""A release that was there before, measured beside the new one on what came after it."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from larder.errors import InvalidRequest
from larder.release.manifest import parse
from larder_training.datasets.synthetic_shop import ShopFiles
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


def test_both_answer_for_what_came_after_the_release_before(
    shop: ShopFiles, options: RecommenderOptions, tmp_path: Path
) -> None:
    # GIVEN a release of nine tenths of the log, popularity alone
    log = pl.read_csv(shop.interactions, infer_schema=False).with_columns(pl.col("TIMESTAMP").cast(pl.Int64))
    end = log["TIMESTAMP"].quantile(0.9)
    log.filter(pl.col("TIMESTAMP") <= end).write_csv(tmp_path / "before.csv")
    short = replace(options, trials=0, reranker="never", out=tmp_path / "out")
    before = train(replace(short, interactions=tmp_path / "before.csv"), QUIET)
    # WHEN the whole log is trained on, against it
    evaluation = parse((train(replace(short, compare_with=before), QUIET) / "manifest.json").read_bytes()).evaluation
    # THEN both, and popularity, are told for users of the last tenth
    beside = evaluation["release_before"]
    assert isinstance(beside, dict)
    assert beside["release"] == before.name
    assert beside["users"] > 20
    assert set(beside["baselines"]) == {"release_before", "popularity"}
    # Both know the same events and were chosen alike, so neither is ahead for certain.
    low, high = beside["baselines"]["release_before"]["ndcg@20"]["difference"]["interval"]
    assert low <= 0.02
    assert high >= -0.02
    assert beside["baselines"]["popularity"]["ndcg@20"]["difference"]["interval"][0] > 0


def test_a_release_that_knows_all_of_the_log_is_no_rival(
    options: RecommenderOptions, release: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="ends after that time"):
        train(replace(options, compare_with=release, out=tmp_path), QUIET)
    assert not list(tmp_path.iterdir())
