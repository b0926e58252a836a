import json
from pathlib import Path
from shutil import copytree

import polars as pl
import pytest

from larder.errors import InvalidRequest
from larder_training.datasets.synthetic_shop import ShopFiles
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.evaluation.evaluate import evaluate
from larder_training.recommender.train import train
from larder_training.reporting.progress import Progress


@pytest.fixture(scope="module")
def parts(shop: ShopFiles, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shop's log in three periods, and a release trained on the first."""
    folder = tmp_path_factory.mktemp("parts")
    log = pl.read_csv(shop.interactions)
    first, second = log["TIMESTAMP"].quantile(0.7), log["TIMESTAMP"].quantile(0.85)
    time = pl.col("TIMESTAMP")
    periods = {"past": time <= first, "history": (time > first) & (time <= second), "later": time > second}
    for name, mask in periods.items():
        log.filter(mask).write_csv(folder / f"{name}.csv")
    options = RecommenderOptions(
        folder / "past.csv", "shop", items=shop.items, out=folder / "releases", trials=10, reranker="never"
    )
    return {**{name: folder / f"{name}.csv" for name in periods}, "release": train(options, Progress(quiet=True))}


def test_a_release_is_evaluated_on_later_events(parts: dict[str, Path]) -> None:
    document = evaluate(parts["release"], parts["later"])
    later = pl.read_csv(parts["later"])
    assert document["users"] == later["USER_ID"].n_unique()
    assert document["relevant_items"] == later.unique(["USER_ID", "ITEM_ID"]).height
    assert document["events"]["already_trained_on"] == 0
    assert document["headline"]["ndcg@20"] == document["metrics"]["ndcg@20"]["mean"]
    assert document["metrics"]["ndcg@20"]["mean"] > document["baselines"]["popularity"]["ndcg@20"]["mean"]
    assert document["baselines"]["popularity"]["ndcg@20"]["difference"]["interval"][0] > 0


def test_the_first_half_of_a_session_improves_the_second(parts: dict[str, Path]) -> None:
    """THEN the release is significantly better with the first half of a session than without."""
    document = evaluate(parts["release"], parts["later"])["sessions"]
    assert 0 < document["users"] <= pl.read_csv(parts["later"])["USER_ID"].n_unique()
    assert document["metrics"]["ndcg@20"]["mean"] > 0
    assert document["baselines"]["without_the_session"]["ndcg@20"]["difference"]["interval"][0] > 0


def test_unknown_items_of_sessions_count_as_missed(parts: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    times = (4_000_000_000, 4_000_000_060)
    rows = [f"u0001,{item},{time}" for item, time in zip(("p0001", "never-seen"), times, strict=True)]
    log.write_text("\n".join(("USER_ID,ITEM_ID,TIMESTAMP", *rows)) + "\n", encoding="utf-8")
    document = evaluate(parts["release"], log)["sessions"]
    assert (document["users"], document["metrics"]["recall@20"]["mean"]) == (1, 0.0)


def test_a_log_without_sessions_has_no_session_metrics(parts: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("USER_ID,ITEM_ID,TIMESTAMP\nu0001,p0001,4000000000\n", encoding="utf-8")
    assert "sessions" not in evaluate(parts["release"], log)


def test_history_becomes_the_sessions(parts: dict[str, Path]) -> None:
    without = evaluate(parts["release"], parts["later"])
    document = evaluate(parts["release"], parts["later"], parts["history"])
    assert document["users"] == without["users"]
    assert document["metrics"]["ndcg@20"] != without["metrics"]["ndcg@20"]


def test_history_below_the_thresholds_is_not_part_of_sessions(shop: ShopFiles, tmp_path: Path) -> None:
    """GIVEN a release that uses reviews of four stars and more WHEN the history has other reviews THEN they do not
    change the result.
    """
    log = pl.read_csv(shop.interactions)
    bound, time = log["TIMESTAMP"].quantile(0.8), pl.col("TIMESTAMP")
    log.filter(time <= bound).write_csv(tmp_path / "past.csv")
    log.filter(time > bound).write_csv(tmp_path / "later.csv")
    options = RecommenderOptions(
        tmp_path / "past.csv", "shop", out=tmp_path / "out", trials=0, event_thresholds={"review": 4.0}
    )
    release = train(options, Progress(quiet=True))
    metrics = {}
    for name, stars in (("poor", 1.0), ("good", 5.0)):
        users = log["USER_ID"].unique(maintain_order=True)
        review = {"ITEM_ID": "p0001", "TIMESTAMP": int(bound or 0), "EVENT_TYPE": "review", "EVENT_VALUE": stars}
        pl.DataFrame({"USER_ID": users, **review}).write_csv(tmp_path / f"{name}.csv")
        metrics[name] = evaluate(release, tmp_path / "later.csv", tmp_path / f"{name}.csv")["metrics"]
    without = evaluate(release, tmp_path / "later.csv")["metrics"]
    assert metrics["poor"] == without
    assert metrics["good"] != without


def test_history_that_the_release_was_trained_on_helps_only_users_without_a_row(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    without = evaluate(parts["release"], parts["later"])
    document = evaluate(parts["release"], parts["later"], parts["past"])
    assert document["metrics"] == without["metrics"]
    renamed = {}
    for name in ("past", "later"):
        table = pl.read_csv(parts[name]).with_columns(("new-" + pl.col("USER_ID")).alias("USER_ID"))
        renamed[name] = tmp_path / f"{name}.csv"
        table.write_csv(renamed[name])
    new_users = evaluate(parts["release"], renamed["later"])
    with_history = evaluate(parts["release"], renamed["later"], renamed["past"])
    assert with_history["metrics"]["ndcg@20"]["mean"] > new_users["metrics"]["ndcg@20"]["mean"]


def test_events_of_the_training_do_not_count(parts: dict[str, Path], shop: ShopFiles) -> None:
    later, whole = evaluate(parts["release"], parts["later"]), evaluate(parts["release"], shop.interactions)
    past = pl.read_csv(parts["past"]).height
    assert whole["events"]["already_trained_on"] + whole["events"]["duplicates"] >= past
    assert whole["users"] >= later["users"]
    with pytest.raises(InvalidRequest, match="Give later events"):
        evaluate(parts["release"], parts["past"])


def test_unknown_items_count_as_missed(parts: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "USER_ID,ITEM_ID,TIMESTAMP\nu0001,never-seen,4000000000\nnew-user,p0001,4000000000\n", encoding="utf-8"
    )
    document = evaluate(parts["release"], log)
    assert (document["users"], document["relevant_items"], document["unknown_items"]) == (2, 2, 1)


def test_a_folder_that_is_not_a_release_is_rejected(tmp_path: Path, shop: ShopFiles) -> None:
    with pytest.raises(InvalidRequest, match="give the folder that `larder train` printed"):
        evaluate(tmp_path, shop.interactions)


def test_a_release_with_hyperparameters_of_an_earlier_version_is_refused(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    # GIVEN a release whose manifest records hyperparameters as the earlier version did
    release = tmp_path / "release"
    copytree(parts["release"], release)
    manifest = json.loads((release / "manifest.json").read_text("utf-8"))
    manifest["training"]["choices"] = manifest["training"].pop("hyperparameters")
    (release / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    # WHEN it is evaluated THEN it is refused, instead of evaluated on events that its training left out
    with pytest.raises(InvalidRequest, match="train it again with this version"):
        evaluate(release, parts["later"])


def test_returned_items_are_not_relevant(parts: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    head = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
    log.write_text(head + "u0001,p0001,4000000000,pay,\nu0001,p0002,4000000001,pay,-5\n", encoding="utf-8")
    document = evaluate(parts["release"], log)
    assert document["relevant_items"] == document["events"]["used"] == document["events"]["against_their_item"] == 1


def test_events_that_the_training_s_thresholds_and_weights_leave_out_are_not_relevant(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    past = pl.read_csv(parts["past"]).with_columns(EVENT_VALUE=pl.lit(5.0))
    past.write_csv(tmp_path / "past.csv")
    options = RecommenderOptions(
        tmp_path / "past.csv",
        "shop",
        out=tmp_path / "releases",
        event_thresholds={"pay": 3.0},
        event_weights={"view": 0.0, "pay": 2.0},
        trials=0,
        reranker="never",
    )
    release = train(options, Progress(quiet=True))
    rows = ("p0001,4000000000,pay,2", "p0002,4000000001,pay,3", "p0003,4000000002,view,5", "p0004,4000000003,gift,1")
    head = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
    (tmp_path / "log.csv").write_text(head + "".join(f"u0001,{row}\n" for row in rows), encoding="utf-8")
    document = evaluate(release, tmp_path / "log.csv")
    assert (document["relevant_items"], document["events"]["used"], document["events"]["below_threshold"]) == (2, 2, 2)
