"""A training compares its model with an earlier release, on events after that release."""

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


def test_both_are_evaluated_on_the_events_after_the_earlier_release(
    shop: ShopFiles, options: RecommenderOptions, tmp_path: Path
) -> None:
    # GIVEN a release that was trained on nine tenths of the log
    log = pl.read_csv(shop.interactions, infer_schema=False).with_columns(pl.col("TIMESTAMP").cast(pl.Int64))
    end = log["TIMESTAMP"].quantile(0.9)
    log.filter(pl.col("TIMESTAMP") <= end).write_csv(tmp_path / "before.csv")
    short = replace(options, trials=0, reranker="never", out=tmp_path / "out")
    before = train(replace(short, interactions=tmp_path / "before.csv"), QUIET)
    # WHEN a training on the whole log compares with it
    evaluation = parse((train(replace(short, compare_with=before), QUIET) / "manifest.json").read_bytes()).evaluation
    # THEN the report has both, and popularity, for users of the last tenth
    comparison = evaluation["release_before"]
    assert isinstance(comparison, dict)
    assert comparison["release"] == before.name
    assert comparison["users"] > 20
    assert set(comparison["baselines"]) == {"release_before", "popularity"}
    # Both are fitted to the same events in the same way, so neither is significantly better.
    low, high = comparison["baselines"]["release_before"]["ndcg@20"]["difference"]["interval"]
    assert low <= 0.02
    assert high >= -0.02
    assert comparison["baselines"]["popularity"]["ndcg@20"]["difference"]["interval"][0] > 0


def test_a_release_that_was_trained_on_the_whole_log_is_rejected(
    options: RecommenderOptions, release: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="ends after that time"):
        train(replace(options, compare_with=release, out=tmp_path), QUIET)
    assert not list(tmp_path.iterdir())
