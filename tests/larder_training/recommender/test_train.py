"""A training on the demo shop: its files, that serving returns the evaluated lists, and that it is reproducible."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tests.toys.reports import check_page

from larder.errors import InvalidRequest
from larder.events.base import LiveItem
from larder.events.placing import ContentIndex
from larder.recommender import RECOMMEND, LiveCatalogue, Query, read_query
from larder.release.manifest import Manifest, parse
from larder.release.serving import RecommenderServing
from larder.tables import EMPTY, KeyedTable, MappedFile
from larder_training.datasets.synthetic_shop import ShopFiles
from larder_training.numerics.topk import TopK
from larder_training.recommender.artifacts.tables import with_history, write_tables
from larder_training.recommender.config.options import RecommenderOptions
from larder_training.recommender.data.event_log import EventLog, known_users
from larder_training.recommender.data.interactions import read_interactions
from larder_training.recommender.ensemble.fitted import fit
from larder_training.recommender.ensemble.hyperparameters import Hyperparameters
from larder_training.recommender.evaluation.serving_formula import ServingFormula, recommendations
from larder_training.recommender.models.segment_popularity import segment_users
from larder_training.recommender.splits.tasks import next_items, rest_of_session
from larder_training.recommender.train import train
from larder_training.release.loader import open_tables
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)
TABLES = ("items", "neighbours", "users", "segments", "probes")


@pytest.fixture(scope="session")
def manifest(release: Path) -> Manifest:
    return parse((release / "manifest.json").read_bytes())


def serving_of(manifest: Manifest) -> RecommenderServing:
    assert isinstance(manifest.serving, RecommenderServing)
    return manifest.serving


def test_the_release_has_all_files(release: Path, manifest: Manifest) -> None:
    tables = {*serving_of(manifest).files, "probes.safetensors"}
    assert {f"{name}.safetensors" for name in TABLES} <= tables
    files = tables | {"report.html", "metrics.json", "trials.jsonl"}
    assert set(manifest.files) == files
    assert {path.name for path in release.iterdir()} == files | {"manifest.json"}
    assert [path.name for path in release.parent.iterdir()] == [release.name]


def test_the_manifest_describes_the_training(manifest: Manifest) -> None:
    evaluation, training = manifest.evaluation, manifest.training
    split = evaluation["split"]
    assert isinstance(split, dict)
    assert split["train"][1] == split["validation"][0] < split["test"][0] == split["validation"][1]
    assert {"hyperparameters", "trials", "data", "seed", "versions", "seconds"} <= set(training)
    data = training["data"]
    assert isinstance(data, dict)
    assert data["users"] > 300
    assert len(data["inputs"]["interactions"]["sha256"]) == 64


def test_an_item_that_is_put_later_is_recommended_to_who_sees_one_like_it(release: Path, manifest: Manifest) -> None:
    # GIVEN the release, and an item with the columns of one that it has
    shop = open_tables(release, serving_of(manifest))
    stated = serving_of(manifest).content
    assert stated is not None
    assert stated.factor > 0
    columns = {name: shop.items.value(name, 0) for name in stated.weights}
    index = ContentIndex(shop.items, stated)
    neighbours = index.neighbours({name: value for name, value in columns.items() if value is not None})
    assert shop.items.id(0) in dict(neighbours)
    # WHEN it is put
    put = LiveItem("brand new", {}, 0.0, neighbours)
    answer = shop.extended(LiveCatalogue(shop.items, stated).updated([put])).recommend(
        Query(session=[neighbours[0][0]], n=100)
    )
    # THEN who sees its nearest neighbour gets it
    reasons = {item.id: item.because for item in answer.items}
    assert reasons["brand new"] is not None
    assert reasons["brand new"].source == "content"


def test_the_twin_of_an_item_is_next_to_it(release: Path, manifest: Manifest) -> None:
    # GIVEN the release, and the session of two items that go with a popular one
    shop = open_tables(release, serving_of(manifest))
    popular = shop.recommend(Query(n=1)).ids()[0]
    session = shop.similar(Query(item=popular, n=2)).ids()
    before = shop.recommend(Query(session=session, n=10)).ids()
    # WHEN an item with the columns of their first one is put THEN it is at once among the first ten
    number = shop.items.number(before[0])
    assert number is not None
    columns = {name: shop.items.value(name, number) for name in shop.items.columns}
    sent = {name: value for name, value in columns.items() if value is not None}
    twin = LiveItem("twin", sent, 0.0, ContentIndex(shop.items, shop.content).neighbours(sent))
    extended = shop.extended(LiveCatalogue(shop.items, shop.content).updated([twin]))
    assert "twin" in extended.recommend(Query(session=session, n=10)).ids()


def test_it_is_significantly_better_than_popularity(manifest: Manifest) -> None:
    """THEN the intervals of the paired differences of recall@20 and NDCG@20 are above 0."""
    baselines = manifest.evaluation["baselines"]
    assert isinstance(baselines, dict)
    for baseline in ("popularity", "recent_popularity"):
        for metric in ("recall@20", "ndcg@20"):
            assert baselines[baseline][metric]["difference"]["interval"][0] > 0


def test_sessions_improve_recommendations(manifest: Manifest) -> None:
    sessions = manifest.evaluation["sessions"]
    assert isinstance(sessions, dict)
    assert sessions["baselines"]["without_the_session"]["ndcg@20"]["difference"]["interval"][0] > 0


def test_metrics_have_also_the_names_of_amazon_personalize(release: Path) -> None:
    metrics = json.loads((release / "metrics.json").read_bytes())
    assert metrics["personalize"]["mean_reciprocal_rank_at_25"] == metrics["metrics"]["mrr@25"]["mean"]
    assert (
        metrics["personalize"]["normalized_discounted_cumulative_gain_at_10"] == metrics["metrics"]["ndcg@10"]["mean"]
    )
    assert 0 < metrics["personalize"]["coverage"] <= 1


def test_the_report_has_no_outside_references(release: Path) -> None:
    page = (release / "report.html").read_text(encoding="utf-8")
    assert len(check_page(page).all("svg")) == 3
    assert release.name in page
    assert "recent popularity" in page
    assert "CITY=Berlin" in page


def test_golden_requests_have_the_answers_of_the_tables(release: Path, manifest: Manifest) -> None:
    probes = load_file(release / "probes.safetensors")
    requests, answers = ([json.loads(text) for text in _strings(probes, name)] for name in ("request", "answer"))
    assert len(requests) >= 20
    recommender = open_tables(release, serving_of(manifest))
    assert [recommender.recommend(read_query(request, RECOMMEND)).ids() for request in requests] == answers
    assert all(len(answer) == request["n"] for request, answer in zip(requests, answers, strict=True))
    assert {"user", "session", "item", "profile"} <= {name for request in requests for name in request}


def _strings(tensors: dict[str, NDArray[np.uint8]], name: str) -> list[bytes]:
    data, ends = tensors[f"{name}.bytes"].tobytes(), tensors[f"{name}.offsets"].tolist()
    return [data[start:end] for start, end in pairwise(ends)]


def test_the_users_table_has_the_documented_size(manifest: Manifest) -> None:
    users = serving_of(manifest).users
    assert users is not None
    # head_bytes counts the header and the index.
    assert manifest.files["users.safetensors"].bytes == users.head_bytes + users.rows * (8 + 6 * users.width)
    assert users.rows == 400


def test_a_user_with_a_profile_but_no_event_gets_popular_items_of_their_segment(
    release: Path, manifest: Manifest, shop: ShopFiles
) -> None:
    log, _ = read_interactions(shop.interactions)
    without_events = sorted({f"u{n:04d}" for n in range(400)} - set(log.users))
    assert without_events
    recommender = open_tables(release, serving_of(manifest))
    answers = {user: recommender.recommend(Query(user=user, n=10)) for user in without_events}
    assert all(answer.items[0].because and answer.items[0].because.source == "user" for answer in answers.values())
    popular = recommender.recommend(Query(n=10)).ids()
    assert any(answer.ids() != popular for answer in answers.values())


def test_segments_have_the_popular_items_of_their_users(release: Path, manifest: Manifest) -> None:
    serving = serving_of(manifest)
    segments = KeyedTable.open(MappedFile(release / "segments.safetensors"), serving.segments)
    women, men = segments.lookup("GENDER=F"), segments.lookup("GENDER=M")
    assert women is not None
    assert men is not None
    assert women.items[:20] != men.items[:20]
    assert women.scores[0] == 1.0
    assert len(women.items) == 120


def test_serving_returns_the_evaluated_lists(shop: ShopFiles, tmp_path: Path) -> None:
    """THEN the serving code returns, user by user, the lists that metrics are computed from."""
    log, _ = read_interactions(shop.interactions)
    cutoff = int(np.quantile(log.time, 0.8))
    history, period = log.between(0, cutoff), log.between(cutoff, log.end)
    repeats = replace(
        Hyperparameters(), half_life_days=20.0, session_weight=3.0, segment_weight=0.1, diagonal_weight=0.3
    )
    for params in (repeats, replace(repeats, recommend_seen=False)):
        fitted = fit(history, cutoff, params)
        segments = segment_users(known_users(history), None, None)
        serving = write_tables(tmp_path, history, fitted, segments)
        recommender = open_tables(tmp_path, serving)
        for task in (next_items(history, period), rest_of_session(period, params.session_length)):
            formula = ServingFormula.of(fitted, np.arange(len(log.users)))
            expected = recommendations(formula, params, task, 25)
            for user, session, items in zip(task.users, task.sessions, expected, strict=True):
                ids = tuple(log.items[item] for item in reversed(session))
                answer = recommender.recommend(Query(user=log.users[user], session=ids, n=25))
                assert answer.ids() == [log.items[item] for item in items]


def test_without_repeats_no_row_has_items_that_the_user_had(shop: ShopFiles) -> None:
    log, _ = read_interactions(shop.interactions)
    fitted = fit(log, log.end, replace(Hyperparameters(), recommend_seen=False))
    seen = fitted.seen.toarray()
    rows = fitted.user_rows()
    assert not any(seen[user, item] for user, items in enumerate(rows.items) for item in items if item != EMPTY)
    repeats = fit(log, log.end, replace(Hyperparameters(), diagonal_weight=1.0)).user_rows()
    assert np.mean([seen[user, items[0]] for user, items in enumerate(repeats.items) if items[0] != EMPTY]) > 0.5


def test_recent_items_follow_the_recommendations(small_log: EventLog) -> None:
    recommended = TopK.empty(3, 2)
    recommended.items[0] = [3, 4]
    recommended.scores[0] = [0.5, 0.25]
    recommended.items[1, 0] = 0
    recommended.scores[1, 0] = 0.5
    rows = with_history(recommended, small_log, 3)
    assert rows.items.tolist() == [[3, 4, 2, 1, 0], [0, 2, 1, EMPTY, EMPTY], [3, EMPTY, EMPTY, EMPTY, EMPTY]]
    assert rows.scores[0].tolist() == [0.5, 0.25, 0, 0, 0]


def test_the_same_input_and_seed_give_the_same_bytes(
    options: RecommenderOptions, release: Path, tmp_path: Path
) -> None:
    """GIVEN another process, another hash seed and another number of threads."""
    script = (
        "import sys; from dataclasses import replace; from datetime import datetime, UTC; from pathlib import Path;"
        "from larder_training.recommender.config.options import RecommenderOptions;"
        "from larder_training.recommender.train import train; from larder_training.reporting.progress import Progress;"
        "a = [Path(path) for path in sys.argv[1:]];"
        "created = datetime(2026,1,2,3,4,5,tzinfo=UTC);"
        "o = RecommenderOptions(a[0], 'shop', items=a[1], users=a[2], out=a[3], created=created, minutes=None,"
        "  without=('pure_svd', 'als', 'bpr', 'user_ease'));"
        "train(o, Progress(quiet=True))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    paths = [str(path) for path in (options.interactions, options.items, options.users, tmp_path)]
    subprocess.run([sys.executable, "-c", script, *paths], check=True, env=environment)  # noqa: S603  # our own script
    (again,) = tmp_path.iterdir()
    for name in sorted(path.name for path in release.iterdir() if path.name != "manifest.json"):
        assert (release / name).read_bytes() == (again / name).read_bytes(), name
    assert again.name == release.name


def test_an_interrupted_training_leaves_no_files(options: RecommenderOptions, tmp_path: Path) -> None:
    out = tmp_path / "releases"
    script = "from larder_training.cli.train_recommender import command; command()"
    arguments = ["--interactions", str(options.interactions), "--model", "shop", "--out", str(out), "--trials", "1"]
    command = [sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: S603  # our own script
    try:
        deadline = time.monotonic() + 60
        while not list(out.glob(".training-*/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()
    # The signal may come too late; the release is then complete.
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    if process.returncode == 0:
        assert [(path / "manifest.json").is_file() for path in out.iterdir()] == [True]
    else:
        assert list(out.iterdir()) == []


def test_a_log_without_test_users_is_trained_without_metrics(tmp_path: Path) -> None:
    """GIVEN eight events, and no user with events before and after the cutoff."""
    lines = [f"u{n % 4},i{n % 3},{n * 1000}" for n in range(8)]
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(lines), encoding="utf-8")
    folder = train(RecommenderOptions(tmp_path / "log.csv", "tiny", out=tmp_path / "out", allow_small=True), QUIET)
    manifest = parse((folder / "manifest.json").read_bytes())
    recommender = open_tables(folder, serving_of(manifest))
    assert len(recommender.recommend(Query(user="u1")).ids()) == 3


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("u,a,1\nu,b,2\n", {}, "fewer than two users"),
        ("u,a,1\nv,a,2\n", {}, "fewer than two users or fewer than two items"),
        (
            "u,a,1\nv,b,2\n",
            {"event_weights": {"buy": 1.0}},
            "no event has the type 'buy'. Choose from the types of the log: interaction",
        ),
        ("u,a,1\nv,b,2\n", {"event_thresholds": {"buy": 1.0}}, "no event has the type 'buy'"),
        ("u,a,1\nv,b,2\n", {"model": "Shop!"}, "is not a model name"),
    ],
)
def test_invalid_input_is_rejected(tmp_path: Path, text: str, values: dict[str, object], message: str) -> None:
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + text, encoding="utf-8")
    options = RecommenderOptions(tmp_path / "log.csv", **{"model": "m", "out": tmp_path / "out", **values})  # type: ignore[arg-type]  # real fields
    with pytest.raises(InvalidRequest, match=message):
        train(options, QUIET)
    assert not (tmp_path / "out").exists()


def test_events_below_their_threshold_or_without_weight_are_left_out(shop: ShopFiles, tmp_path: Path) -> None:
    options = RecommenderOptions(
        shop.interactions,
        "shop",
        out=tmp_path,
        event_weights={"view": 0.0, "click": 1.0},
        event_thresholds={"review": 4.0},
        repeats="never",
        reranker="never",
        half_life_days=30,
    )
    training = parse((train(options, QUIET) / "manifest.json").read_bytes()).training
    log, _ = read_interactions(shop.interactions)
    names = np.array(log.events)[log.event]
    left_out = int(((names == "view") | ((names == "review") & ~(log.value >= 4))).sum())
    assert left_out > 0
    data, params = training["data"], training["hyperparameters"]
    assert isinstance(data, dict)
    assert isinstance(params, dict)
    assert data["audit"]["below_threshold"] == left_out
    assert data["event_types"]["view"] == 0
    assert params["recommend_seen"] is False
    assert params["half_life_days"] == 30
    trials = training["trials"]
    assert isinstance(trials, dict)
    assert {"half_life_days", "event_weights"}.isdisjoint(trial["hyperparameter"] for trial in trials["kept"])
