"""Interactions without times: order of the file or random order, the split, and a training with each."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from larder.errors import InvalidRequest
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_order import SPAN
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.evaluation.evaluate import evaluate
from larder_training.recommender.splits.time_split import temporal_split
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("USER_ID,ITEM_ID\n" + "".join(f"{user},{item}\n" for user, item in rows))
    return path


def tastes(users: int = 120, items: int = 24) -> list[tuple[str, str]]:
    """Users of four groups, each with most of the group's 30 items."""
    random = np.random.default_rng(0)
    return [
        (f"u{user}", f"i{user % 4 * 30 + item}") for user in range(users) for item in random.permutation(30)[:items]
    ]


def test_the_order_of_the_file_becomes_times(tmp_path: Path) -> None:
    rows = [("b", "x"), ("a", "z"), ("b", "y"), ("a", "y"), ("a", "x"), ("a", "w")]
    log, _ = read_interactions(write(tmp_path / "log.csv", rows), order="file")
    events = {
        (log.users[user], log.items[item]): time for user, item, time in zip(log.user, log.item, log.time, strict=True)
    }
    assert [events["a", item] / SPAN for item in "zyxw"] == [0.125, 0.375, 0.625, 0.875]
    assert [events["b", item] / SPAN for item in "xy"] == [0.25, 0.75]


def test_one_cutoff_divides_every_history_in_the_same_proportion(tmp_path: Path) -> None:
    log, _ = read_interactions(write(tmp_path / "log.csv", tastes(items=20)), order="file")
    split = temporal_split(log)
    for start, end, items in ((0, split.validation, 16), (split.validation, split.test, 2), (split.test, SPAN, 2)):
        assert set(np.bincount(log.between(start, end).user).tolist()) == {items}


def test_a_random_order_depends_on_the_seed_and_not_on_the_file(tmp_path: Path) -> None:
    rows = tastes()
    first, second = write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", rows[::-1])
    one, other = (read_interactions(path, order="random", seed=1)[0] for path in (first, second))
    assert one.item.tobytes() == other.item.tobytes()
    assert one.item.tobytes() != read_interactions(first, order="random", seed=2)[0].item.tobytes()


@pytest.mark.parametrize("order", ["file", "random"])
def test_pairs_without_times_train_a_blend(tmp_path: Path, order: Literal["file", "random"]) -> None:
    """GIVEN users who have most items of their group THEN the release recommends the rest."""
    interactions = write(tmp_path / "log.csv", tastes())
    options = RecommenderOptions(interactions, "pairs", out=tmp_path, order=order, repeats="never", trials=20)
    release = train(options, Progress(quiet=True))
    training = json.loads((release / "manifest.json").read_bytes())["training"]
    assert training["order"] == order
    assert "last" not in training["data"]
    assert order == "file" or set(training["hyperparameters"]["components"]) == {"pure_svd", "user_ease"}
    known = set(tastes())
    left = [(f"u{user}", f"i{user % 4 * 30 + item}") for user in range(120) for item in range(30)]
    held_out = write(tmp_path / "rest.csv", [pair for pair in left if pair not in known])
    evaluation = evaluate(release, held_out)
    assert evaluation["metrics"]["recall@20"]["mean"] > 0.99
    assert "sessions" not in evaluation
    assert not list(tmp_path.glob(".training-*"))


def test_options_of_times_are_errors_without_times(tmp_path: Path) -> None:
    options = RecommenderOptions(tmp_path / "log.csv", "pairs", order="file")
    for invalid in ({"half_life_days": 3.0}, {"dwell": ("view",)}, {"compare_with": tmp_path}):
        with pytest.raises(InvalidRequest, match="events have no time"):
            replace(options, **invalid)
