"""The report of a recommender, from small manifests."""

from dataclasses import replace
from typing import Any

import pytest
from tests.toys.reports import check_page

from larder.release.manifest import Manifest
from larder_training.recommender.config.options import OPTIONAL_COMPONENTS
from larder_training.recommender.ensemble.titles import TITLES
from larder_training.recommender.metrics.ranking import best_baseline
from larder_training.recommender.reports.examples import title_columns
from larder_training.recommender.reports.page import RecommenderReport
from larder_training.recommender.reports.segment_title import segment_title
from larder_training.recommender.tuning.trials import RecommenderTrial, SearchBudget, TrialLog

HOSTILE = "<b>&'\""
TRIALS = (
    RecommenderTrial(0, "matrix", "ease", "known", 0.21, 0.01, 500, kept=True),
    RecommenderTrial(1, "diagonal_weight", 0.3, "known", 0.22, 0.01, 500),
    RecommenderTrial(2, "prior_users", 100.0, "segment", 0.12, 0.004, 400, kept=True),
)


def metric(mean: float, ratio: float | None = None, difference: float = 0.1) -> dict[str, object]:
    compared = {
        "difference": {"mean": difference, "interval": [difference - 0.02, difference + 0.02]},
        "ratio": {"mean": ratio, "interval": [0.9 * (ratio or 1), 1.1 * (ratio or 1)]},
    }
    return {"mean": mean, "interval": [0.9 * mean, 1.1 * mean], **(compared if ratio else {})}


def metrics(mean: float, ratio: float | None = None, difference: float = 0.1) -> dict[str, object]:
    names = [f"{name}@{k}" for k in (5, 10, 20, 25) for name in ("recall", "ndcg", "precision", "hit_rate")]
    return {name: metric(mean, ratio, difference) for name in (*names, "mrr@25")}


def part(**baselines: dict[str, object]) -> dict[str, Any]:
    return {"users": 1234, "metrics": metrics(0.305028), "baselines": baselines}


def evaluation(users: int = 1234, difference: float = 0.1) -> dict[str, Any]:
    baselines = {
        "popularity": metrics(0.1, 3.05, 0.2),
        "recent_popularity": metrics(0.145251, 2.1, difference),
    }
    systems = ("larder", *baselines)
    return {
        "split": {"train": ["2025-01-01", "2025-02-01"], "validation": ["a", "b"], "test": ["c", "d"]},
        "protocol": "Users with events before the cutoff.",
        "users": users,
        "metrics": metrics(0.305028),
        "baselines": baselines,
        **{name: dict.fromkeys(systems, 0.123456) for name in ("coverage", "diversity", "novelty")},
        "curve": {"items": [1, 10, 100], **{name: [0.1, 0.5, 1.0] for name in ("data", *systems)}},
        "by_event": {HOSTILE: part(popularity=metrics(0.1, 3.05))},
        "by_history": {},
        "by_segment": {"AGE=[25,35)|CITY=Bonn": part(popularity=metrics(0.1, 3.05))},
        "new_to_the_user": part(popularity=metrics(0.1, 3.05)),
        "sessions": part(without_the_session=metrics(0.2, 1.5)),
        "new_users": {"users": 0, "metrics": {}, "baselines": {"popularity": {}}},
    }


TRAINING: dict[str, Any] = {
    "command": "larder train recommender --interactions log.csv --model shop",
    "hyperparameters": {"event_weights": {}, "matrix": {"learner": "ease", "ridge": 4.0}, "reranker": False},
    "data": {
        "inputs": {
            "interactions": {"bytes": 3_000_000, "files": [{"file": HOSTILE, "bytes": 5, "sha256": "ab" * 32}] * 60},
            "items": {"file": "items.csv", "bytes": 12_345, "sha256": "0c" * 32},
        },
        "audit": {"rows": 1_000, "used": 900, "duplicates": 60, "without_user": 40, "bots": 0, "longest_gap_days": 0.1},
        "users": 1_943,
        "items": 600,
        "event_types": {"view": 800, HOSTILE: 100},
        "first": 1_735_725_825,
        "last": 1_743_465_335,
        "notices": ["TIMESTAMP is read as ISO 8601"],
        "item_file": {
            "rows": 600,
            "columns": {"YEAR": {"type": "number", "stated": True, "distinct": 80, "missing": 7, "remark": ""}},
        },
    },
}


@pytest.fixture
def manifest(recommender_manifest: Manifest) -> Manifest:
    return replace(recommender_manifest, model="shop", evaluation=evaluation(), training=TRAINING)


def html(manifest: Manifest, trials: tuple[RecommenderTrial, ...] = TRIALS) -> str:
    examples = [("user 1, 9 events", HOSTILE, "b; c")]
    segments = [("all users", 1_943, HOSTILE), *((f"CITY={number}", number, "a; b") for number in range(20))]
    log = TrialLog(SearchBudget(), list(trials))
    page = RecommenderReport(examples, segments, log).html(manifest).decode()
    assert HOSTILE not in page
    return page


def test_the_report_is_a_page_that_everyone_can_read(manifest: Manifest) -> None:
    found = check_page(html(manifest))
    assert len(found.all("svg")) == 3
    text = " ".join("".join(found.texts).split())
    for words in ("shop", manifest.release, "log.csv", "900 events, 1,943 users, 600 items", "UTC", "abababababab…"):
        assert words in text


def test_the_headline_is_the_multiple_of_the_best_baseline(manifest: Manifest) -> None:
    headline = html(manifest).split('class="headline">')[1].split("</p>")[0].replace("\N{NO-BREAK SPACE}", " ")
    assert headline == "Recall@20 is 2.10 × that of the best baseline, recent popularity"
    assert best_baseline(manifest.evaluation)[0] == "recent_popularity"


def test_each_question_is_a_row_and_each_model_a_column(manifest: Manifest) -> None:
    table = html(manifest).split(">Groups of users and tasks</h2>")[1].split("</table>")[0]
    found = check_page(html(manifest))
    labels = [cell["data-label"] for cell in found.all("td")]
    assert {"this model", "popularity", "recent popularity", "without the session"} <= set(labels)
    assert table.count("</tr>") == 1 + 5  # all users, an event type, a segment, new items, sessions
    assert "Users with AGE 25 to below 35, CITY=Bonn" in table
    assert "Users without history" not in table  # nothing was measured


def test_lost_rows_have_their_reason(manifest: Manifest) -> None:
    rows = html(manifest).split(">Rows</h3>")[1].split("</table>")[0]
    assert "Lost: that repeat another row exactly" in rows
    assert "Lost: without USER_ID" in rows
    assert "bot" not in rows
    assert rows.replace("\N{NO-BREAK SPACE}", " ").count("6.00 %") == 1


def test_notices_are_listed(manifest: Manifest) -> None:
    assert "<li>TIMESTAMP is read as ISO 8601</li>" in html(manifest)


def test_what_a_training_adds_to_the_data_is_listed(manifest: Manifest) -> None:
    page = html(manifest)
    assert "Items file: rows" in page
    assert "number, stated" in page.split(">Columns of items</h3>")[1].split("</table>")[0]


def test_findings_about_a_file_need_the_file(manifest: Manifest) -> None:
    counts = {"items_never_seen": 3, "users_without_profile": 0, "negative_values": 0}
    data = {**TRAINING["data"], "audit": {**TRAINING["data"]["audit"], **counts}}
    page = html(replace(manifest, training={**TRAINING, "data": data}))
    assert "Items without an event" in page
    assert "without a profile" not in page
    assert "Events with an EVENT_VALUE below 0" in page


def test_models_and_times_are_named_as_people_name_them(manifest: Manifest) -> None:
    times = {"train": ["2025-01-01T06:07:08Z", "2025-02-01T00:00:00Z"], "validation": ["a", "b"], "test": ["c", "d"]}
    chosen = {
        "matrix": {"learner": "item_knn"},
        "components": {"pure_svd": 0.5},
        "reranker_components": ["co_visitation", "als"],
    }
    training = {**TRAINING, "hyperparameters": chosen}
    trials = (
        RecommenderTrial(0, "matrix", "ease", "known", 0.21, 0.01, 5, kept=True),
        RecommenderTrial(1, "matrix", "item_knn", "known", 0.2, 0.01, 5),
        RecommenderTrial(2, "components.user_ease", 0.3, "known", 0.2, 0.01, 5),
        RecommenderTrial(3, "model", "ease + pure_svd", "known", 0.2, 0.01, 5, kept=True),
    )
    page = html(replace(manifest, evaluation={**evaluation(), "split": times}, training=training), trials)
    assert "2025-01-01 06:07 UTC" in page
    text = " ".join(check_page(page).texts)
    assert not [name for name in (*OPTIONAL_COMPONENTS, *TITLES) if "_" in name and name in text]
    assert "components: PureSVD" in text


def test_every_model_that_can_be_left_out_has_a_title() -> None:
    whole = {"content", "repeat"}  # words already
    assert {*OPTIONAL_COMPONENTS} - whole <= {*TITLES}


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        (evaluation(difference=0.01), "not better than the baseline “recent popularity” beyond noise"),
        (evaluation(difference=-0.1), "“recent popularity” is better than this model"),
        (evaluation(users=12), "could be tested, so the intervals are wide"),
        ({**evaluation(), "metrics": {}, "baselines": {}}, "could not be evaluated"),
    ],
)
def test_doubts_are_at_the_top(manifest: Manifest, changed: dict[str, Any], warning: str) -> None:
    assert "Look at this first" not in html(manifest)
    page = html(replace(manifest, evaluation=changed), trials=())
    check_page(page)
    assert warning in page.split("<nav")[0]


def test_warnings_of_the_training_are_at_the_top(manifest: Manifest) -> None:
    page = html(replace(manifest, training={**TRAINING, "warnings": [f"column {HOSTILE} is left out"]}))
    assert "left out" in page.split("<nav")[0]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("AGE=[25,35)", "AGE 25 to below 35"),
        ("AGE=(-inf,18)", "AGE below 18"),
        ("AGE=[65,inf)|CITY=Bonn", "AGE 65 or more, CITY=Bonn"),
        ("CITY=[a,b", "CITY=[a,b"),
        ("all users", "all users"),
    ],
)
def test_segments_have_titles(name: str, title: str) -> None:
    assert segment_title(name) == title


@pytest.mark.parametrize(
    ("columns", "best"),
    [
        (("genres", "title"), ["title"]),
        (("DESCRIPTION", "Name"), ["Name", "DESCRIPTION"]),
        (("productName", "brand_name"), ["productName"]),
        (("price",), []),
    ],
)
def test_items_are_named_by_their_title_however_the_column_is_written(
    columns: tuple[str, ...], best: list[str]
) -> None:
    assert title_columns(columns) == best
