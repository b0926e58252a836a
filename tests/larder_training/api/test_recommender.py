"""Two lines train a recommender and ask it; its answers are those of the serving code."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from larder.errors import InvalidRequest, NotFound, ReleaseError
from larder_training import Release, audit, evaluate, train_recommender
from larder_training.datasets.synthetic_shop import ShopFiles

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def tables(release: Release) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in release.path.glob("*.safetensors")}


@pytest.mark.parametrize(
    "convert",
    [lambda table: table, pl.DataFrame.lazy, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow],
    ids=["polars", "lazy polars", "pandas", "pyarrow"],
)
def test_a_data_frame_gives_the_tables_that_its_file_gives(
    convert: Callable[[pl.DataFrame], Any], shop: ShopFiles, recommender: Release, shop_options: Mapping[str, object]
) -> None:
    frames = {name: convert(pl.read_csv(getattr(shop, name))) for name in ("interactions", "items", "users")}
    release = train_recommender(**frames, **shop_options)  # type: ignore[arg-type]  # one mapping for all options
    assert tables(release) == tables(recommender)


def test_a_recommendation_has_a_score_a_reason_and_columns(recommender: Release) -> None:
    first, second = recommender.recommend("u0003", n=2, columns=["TITLE"])
    assert first.score is not None
    assert second.score is not None
    assert first.score >= second.score
    assert first.because is not None
    assert first.columns is not None
    assert set(first.columns) == {"TITLE"}


def test_every_field_of_a_request_is_an_argument(recommender: Release) -> None:
    # GIVEN
    best = recommender.recommend(profile={"CITY": "Berlin"}, n=5)
    # WHEN
    answer = recommender.recommend(
        session=["p0003"],
        item="p0004",
        exclude=(best[0].id,),
        include_seen=False,
        filter="EXCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY)",
        filter_values={"CATEGORY": "tea"},
        promotions=[{"name": "bags", "percent": 50, "filter": 'INCLUDE ItemID WHERE Items.CATEGORY IN ("bags")'}],
        columns=["CATEGORY"],
    )
    # THEN
    assert answer
    assert not {"p0003", best[0].id} & {item.id for item in answer}
    categories = [item.columns["CATEGORY"] for item in answer if item.columns is not None]
    assert "tea" not in categories
    assert "bags" in categories[:2]


def test_similar_items_and_the_order_of_a_list(recommender: Release) -> None:
    similar = recommender.similar("p0003", n=3)
    assert len(similar) == 3
    ranked = recommender.rank(["p0001", similar[0].id, "new"], "u0003")
    assert {item.id for item in ranked} == {"p0001", similar[0].id, "new"}
    assert (ranked[-1].id, ranked[-1].score) == ("new", None)


def test_ids_may_be_numbers(shop_options: Mapping[str, object]) -> None:
    # GIVEN a log whose ids are whole numbers
    rows = [(user, 10 + (user + step) % 7, 1000 * step + user) for user in range(40) for step in range(6)]
    log = pd.DataFrame(rows, columns=["USER_ID", "ITEM_ID", "TIMESTAMP"])
    # WHEN
    release = train_recommender(log, allow_small=True, **shop_options)  # type: ignore[arg-type]  # one mapping for all options
    # THEN
    assert release.recommend(3, session=[11], exclude=[12], n=3) == release.recommend(
        "3", session=["11"], exclude=["12"], n=3
    )
    assert release.similar(11, n=1) == release.similar("11", n=1)


def test_later_interactions_evaluate_a_release(recommender: Release, shop: ShopFiles) -> None:
    # GIVEN the log once more, a year later
    later = pl.read_csv(shop.interactions).with_columns(pl.col("TIMESTAMP") + 366 * 86_400)
    # WHEN
    result = evaluate(recommender, later.to_pandas(), history=shop.interactions)
    # THEN
    assert result["release"] == recommender.manifest.release


def test_an_audit_of_interactions_shows_a_page(shop: ShopFiles) -> None:
    log = pl.read_csv(shop.interactions)
    findings = audit(interactions=log.to_arrow(), items=shop.items, users=shop.users)
    assert f"{log.height:,}".replace(",", "") in findings.summary.replace(",", "")
    assert "<iframe" in findings._repr_html_()


def test_a_release_that_fails_its_golden_requests_is_rejected(
    recommender: Release, store: Path, tmp_path: Path
) -> None:
    # GIVEN a copy of the release with a broken table
    broken = tmp_path / recommender.manifest.release
    broken.mkdir()
    for path in recommender.path.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    table = broken / "neighbours.safetensors"
    table.write_bytes(table.read_bytes()[:-1] + b"\xff")
    # WHEN and THEN
    with pytest.raises(ReleaseError, match="neighbours"):
        Release(broken).publish(store)


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        (lambda release: release.recommend("ann", n=0), InvalidRequest, "n: is 0"),
        (lambda release: release.recommend("ann", filter="EXCLUDE"), InvalidRequest, "filter"),
        (lambda release: release.similar("missing"), NotFound, "missing"),
        (lambda release: release.predict(b""), InvalidRequest, r"'recommender' is a recommender: use recommend\(\)"),
    ],
)
def test_a_wrong_question_is_refused(
    recommender: Release, question: Callable[[Release], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        question(recommender)


@pytest.mark.parametrize(
    ("interactions", "message"),
    [
        (None, "interactions is None: give a path"),
        (pl.DataFrame({"user": ["a"]}), "has no column ITEM_ID, TIMESTAMP"),
        (
            pa.table({"USER_ID": ["a", "b", "b"], "ITEM_ID": ["x", "y", "z"], "TIMESTAMP": ["1", "noon", None]}),
            r"column TIMESTAMP: 2 of 3 rows have no time .*data row 2: 'noon'",
        ),
        ("missing.csv", r"missing\.csv"),
    ],
)
def test_wrong_interactions_are_refused(interactions: Any, message: str) -> None:  # noqa: ANN401  wrong on purpose
    with pytest.raises(InvalidRequest, match=message):
        train_recommender(interactions, quiet=True)


def test_images_and_interactions_are_audited_apart(recommender: Release, shop: ShopFiles) -> None:
    with pytest.raises(InvalidRequest, match="there is nothing to audit"):
        audit()  # type: ignore[call-overload]  # wrong on purpose
    with pytest.raises(InvalidRequest, match="omit images, labels and the options for images"):
        audit("images", interactions=shop.interactions)  # type: ignore[call-overload]  # wrong on purpose
    with pytest.raises(InvalidRequest, match="items and users need interactions="):
        audit("images", items=shop.items)  # type: ignore[call-overload]  # wrong on purpose
    with pytest.raises(InvalidRequest, match="the release is a recommender: omit them"):
        evaluate(recommender, [b""], ["a"])
