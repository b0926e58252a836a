"""Every method against the whole service, as ``larder up`` runs it, with two toy models."""

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from larder_client import (
    BadRequest,
    Boost,
    Client,
    Item,
    Label,
    NotFound,
    Promotion,
    Reason,
    TooLarge,
    TrainingJobs,
    Unprocessable,
    UnsupportedMedia,
)

OPENAPI: dict[str, Any] = json.loads((resources.files("larder") / "openapi.json").read_text("utf-8"))
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EVERYWHERE = {"self", "model", "release", "canary_key"}


def live(client: Client, model: str) -> str:
    release = client.model(model).live
    assert release
    return release


# ---------------------------------------------------------------------------------------------------------- Classify


def test_an_image_is_bytes_or_a_file(client: Client, image: bytes, tmp_path: Path) -> None:
    file = tmp_path / "light.png"
    file.write_bytes(image)
    answers = [client.classify("digits", sent) for sent in (image, file, str(file))]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0].model, answers[0].release) == ("digits", live(client, "digits"))
    assert answers[0].labels == (Label("1", 0.952574),)
    assert answers[0].unknown is False


def test_options_of_a_classification(client: Client, image: bytes) -> None:
    assert [label.name for label in client.classify("digits", image, min_confidence=0).labels] == ["1", "0"]
    assert len(client.classify("digits", image, min_confidence=0.0, max_labels=1).labels) == 1


def test_an_object_of_the_store(client: Client) -> None:
    answer = client.classify_object("digits", "uploads/image.png", min_confidence=0, max_labels=2)
    assert [label.name for label in answer.labels] == ["1", "0"]
    with pytest.raises(NotFound):
        client.classify_object("digits", "uploads/other.png")


def test_side_information_reaches_the_model(client: Client, image: bytes) -> None:
    with pytest.raises(BadRequest, match="side has 'PLACE'") as raised:
        client.classify("digits", image, side={"PLACE": "Köln"})
    assert raised.value.code == "invalid_request"
    with pytest.raises(BadRequest, match="side has 'PLACE'"):
        client.classify_object("digits", "uploads/image.png", side={"PLACE": "Köln"})


def test_a_training_job_from_its_data_to_its_stop(client: Client, tmp_path: Path) -> None:
    jobs = client.training_jobs
    (tmp_path / "log.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n")
    uri = jobs.upload("shop", {"a/log ü.csv": tmp_path / "log.csv", "b.csv": b"x"}, name="march")
    assert uri == "training-data/shop/march/"
    with pytest.raises(BadRequest, match="Hyperparameter 'trials' is '-1'"):
        jobs.start("shop", hyperparameters={"trials": -1}, channels={"interactions": uri})
    name = "20260301t000000z-0000000a"
    for _ in range(2):
        started = jobs.start("shop", hyperparameters={"trials": 3}, channels={"interactions": uri}, job=name)
    assert (started.state, started.kind, started.document["hyperparameters"]) == (
        "pending",
        "recommender",
        {"trials": 3},
    )
    page = jobs.list("shop", n=1)
    assert (page.jobs[0].job, page.total, page.next) == (name, 1, None)
    assert jobs.get("shop", name).created == started.created
    assert (jobs.log("shop", name).text, jobs.log("shop", name, start=0, most=16).end) == ("", 0)
    assert jobs.trials("shop", name) == ()
    assert jobs.stop("shop", name).has_ended
    assert [job.state for job in jobs.follow("shop", name)] == ["stopped"]
    assert "trials" in jobs.schema("recommender")["properties"]
    with pytest.raises(NotFound):
        jobs.get("shop", "20260301t000000z-0000000b")


def test_images_that_the_service_refuses(client: Client, image: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        client.classify("digits", b"not an image")
    with pytest.raises(Unprocessable):
        client.classify("digits", image[:50])
    with pytest.raises(TooLarge):
        client.classify("digits", image + bytes(11_000_000))


# --------------------------------------------------------------------------------------------------------- Recommend


def test_recommendations_for_a_user(client: Client) -> None:
    answer = client.recommend("shop", user="u0001", n=2, columns=["TITLE", "PRICE"])
    assert (answer.model, answer.release) == ("shop", live(client, "shop"))
    assert answer.items == (
        Item("p0002", 1.125, Reason("user", ("p0001",)), {"TITLE": "Blue mug", "PRICE": 8.0}),
        Item("p0003", 0.5, Reason("user"), {"TITLE": "Tea towel", "PRICE": 5.0}),
    )
    assert answer.document["items"][0]["because"] == {"source": "user", "items": ["p0001"]}


def test_every_option_of_a_recommendation(client: Client) -> None:
    answer = client.recommend(
        "shop",
        user="new, with a comma",
        session=["p0001"],
        item="p0002",
        profile={"CITY": "Berlin", "AGE": 31},
        n=4,
        exclude=["p0003"],
        include_seen=True,
        filter="EXCLUDE ItemID WHERE Items.PRICE > $LIMIT | INCLUDE ItemID WHERE Items.KIND IN ($KINDS)",
        filter_values={"LIMIT": 20, "KINDS": ["a", "b"]},
        columns=["KIND"],
        promotions=[
            Promotion("tea", 25, ["p0004"]),
            Promotion(
                "cheap",
                25,
                filter="INCLUDE ItemID WHERE Items.PRICE < $MOST",
                filter_values={"MOST": 9},
            ),
        ],
        release=live(client, "shop"),
        canary_key="caller 7",
    )
    assert {item.id for item in answer.items} == {"p0002", "p0004"}
    assert {item.because.promotion for item in answer.items if item.because} == {"tea", "cheap"}
    assert {item.columns["KIND"] for item in answer.items} == {"b"}


def test_a_profile_selects_a_segment_and_an_empty_request_gets_popular_items(client: Client) -> None:
    (berlin,) = client.recommend("shop", profile={"CITY": "Berlin"}, n=1).items
    (popular,) = client.recommend("shop", n=1).items
    assert berlin.because == Reason("segment", segment="CITY=Berlin")
    assert popular.because == Reason("segment", segment="all")


def test_a_ranking_keeps_all_items(client: Client) -> None:
    answer = client.rank("shop", ["p0003", "p9999", "p0002"], user="u0001", columns=["KIND"])
    assert [item.id for item in answer.items] == ["p0002", "p0003", "p9999"]
    assert (answer.items[2].score, answer.items[2].because) == (None, None)
    assert answer.items[0].columns == {"KIND": "b"}


def test_similar_items(client: Client) -> None:
    assert client.similar("shop", "p0004", n=1).items == (Item("p0001", 0.5, Reason("item", ("p0004",)), {}),)
    answer = client.similar(
        "shop",
        "p0004",
        n=5,
        exclude=["p0002", 'odd "id", with a comma'],
        filter='INCLUDE ItemID WHERE Items.KIND IN ($KINDS, "z") AND Items.PRICE < $LIMIT',
        filter_values={"KINDS": ["a", "b,c"], "LIMIT": 30.5},
        columns=["TITLE"],
    )
    assert [(item.id, item.columns) for item in answer.items] == [("p0001", {"TITLE": "Green kettle"})]


def test_trending_items_are_those_of_a_model_with_live_events(client: Client) -> None:
    with pytest.raises(NotFound, match="larder events on shop"):
        client.trending("shop", n=1)
    client.put_event_settings("shop", enabled=True)
    answer = client.trending("shop", n=2, pins={1: "p0004"}, next="")
    client.put_event_settings("shop", enabled=False)

    assert [(item.id, item.because) for item in answer.items] == [("p0004", Reason("pin", place=1))]
    assert (answer.known, answer.next) == (None, None)
    assert answer.recommendation_id


def test_caps_boosts_pins_and_pages(client: Client) -> None:
    boost = Boost("INCLUDE ItemID WHERE Items.PRICE < $P", 2, {"P": 6})
    pinned = client.recommend(
        "shop",
        user="u0001",
        n=3,
        max_per={"KIND": 1},
        boosts=[boost],
        pins={2: "p0004"},
    )
    assert [(item.id, item.because) for item in pinned.items] == [
        ("p0003", Reason("user", boost=2)),
        ("p0004", Reason("pin", place=2)),
    ]
    assert pinned.left_out == {"KIND": 2}

    first = client.recommend("shop", user="u0001", n=2, next="")
    assert first.next is not None
    second = client.recommend("shop", user="u0001", n=2, next=first.next)
    assert [item.id for item in (*first.items, *second.items)] == ["p0002", "p0003", "p0001"]
    assert second.next is None

    similar = client.similar(
        "shop",
        "p0004",
        boosts=Boost("INCLUDE ItemID WHERE Items.PRICE < 10", 4),
        max_per={"KIND": 3},
        pins={3: "p0003"},
        next="",
    )
    assert [item.id for item in similar.items] == ["p0002", "p0001", "p0003"]
    assert similar.next is None
    with pytest.raises(ValueError, match="write the values into the filter"):
        client.similar("shop", "p0004", boosts=Boost("x", 2, {"P": 1}))


def test_filters_are_stored_named_and_removed(client: Client) -> None:
    stored = client.put_filter("shop", "cheap", "INCLUDE ItemID WHERE Items.PRICE < $P")
    assert client.filters("shop") == {"cheap": stored}
    assert client.filter("shop", "cheap") == stored
    assert [
        item.id for item in client.recommend("shop", user="u0001", filter="@cheap", filter_values={"P": 6}).items
    ] == ["p0003"]
    ranked = client.rank("shop", ["p0001", "p0003"], filter="@cheap", filter_values={"P": 6})
    assert [item.id for item in ranked.items] == ["p0003"]
    assert client.delete_filter("shop", "cheap") == stored
    with pytest.raises(NotFound):
        client.filter("shop", "cheap")


@pytest.mark.parametrize("item", ["a/b", "a b?c#d&e=f%2F", "Ж, 猫", "+"])
def test_an_id_may_have_any_characters(client: Client, item: str) -> None:
    with pytest.raises(NotFound) as raised:
        client.similar("shop", item)
    assert item in str(raised.value)
    assert raised.value.code == "not_found"


# ------------------------------------------------------------------------------------------------------------ Models


def test_models_and_a_model(client: Client) -> None:
    digits, shop = client.models()
    assert (digits.model, digits.kind, digits.created) == ("digits", "classifier", CREATED)
    assert (shop.model, shop.kind, shop.live) == ("shop", "recommender", live(client, "shop"))

    model = client.model("shop")
    assert (model.kind, model.canary, model.canary_percent, model.previous) == ("recommender", None, 0, None)
    assert (model.items, model.users, model.labels, model.side) == (4, 1, (), {})
    assert model.columns == {"KIND": "category", "PRICE": "number", "TITLE": "text"}
    assert model.evaluation["test"]["ndcg@20"] == 0.21
    assert client.model("digits").labels == ("0", "1")


def test_releases(client: Client) -> None:
    releases = client.releases("digits", n=10)
    assert (releases.model, releases.total) == ("digits", 1)
    (release,) = releases.releases
    assert (release.release, release.state, release.created) == (live(client, "digits"), "live", CREATED)
    assert client.releases("digits") == releases


def test_a_release(client: Client) -> None:
    release = live(client, "digits")
    assert client.manifest("digits", release)["serving"]["labels"] == ["0", "1"]
    structure = client.structure("digits", release)
    assert (structure.kind, structure.structure["parameters"]) == ("classifier", 4)


def test_a_file_is_downloaded_to_a_folder_or_a_path(client: Client, tmp_path: Path) -> None:
    release = live(client, "digits")
    assert [file.name for file in client.files("digits", release)] == ["model.onnx", "report.html"]
    assert client.download("digits", release, "report.html", tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_bytes() == b"<!doctype html><title>digits</title>"
    assert client.download("digits", release, "model.onnx", str(tmp_path / "a.onnx")) == tmp_path / "a.onnx"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "report.html"]
    with pytest.raises(NotFound, match=r"has no file 'b': use one of model\.onnx, report\.html"):
        client.download("digits", release, "b", tmp_path)


def test_the_service_itself(client: Client) -> None:
    assert client.health() is True
    assert client.openapi() == OPENAPI


def test_missing_models_releases_and_objects(client: Client) -> None:
    for ask in (
        lambda: client.model("nothing"),
        lambda: client.recommend("nothing"),
        lambda: client.manifest("digits", "nothing"),
        lambda: client.classify_object("shop", "uploads/image.png"),
        lambda: client.recommend("shop", release="nothing"),
    ):
        with pytest.raises(NotFound) as raised:
            ask()
        assert raised.value.code == "not_found"


def test_the_url_may_have_a_path(service: str) -> None:
    with Client(f"{service}/stage/") as client, pytest.raises(NotFound, match="No such route: check the URL"):
        client.models()


# --------------------------------------------------------------------------------------------------------- Arguments


def test_invalid_arguments_are_refused_before_a_request() -> None:
    client = Client("http://127.0.0.1:9", retries=0)
    with pytest.raises(TypeError, match="session is the text 'p0001': pass a list"):
        client.recommend("shop", session="p0001")
    with pytest.raises(TypeError, match="items is the text"):
        client.recommend("shop", promotions=[Promotion("tea", 20, "p0001")])
    with pytest.raises(ValueError, match="empty name"):
        client.model("")
    with pytest.raises(ValueError, match="x-larder-key"):
        client.recommend("shop", canary_key="two\nlines")
    with pytest.raises(ValueError, match="x-api-key"):
        Client("http://127.0.0.1:9", "schlüssel")
    with pytest.raises(ValueError, match="JSON"):
        client.recommend("shop", profile={"AGE": float("nan")})
    with pytest.raises(FileNotFoundError):
        client.classify("digits", Path("nowhere.png"))


@pytest.mark.parametrize(
    ("method", "schema", "renamed"),
    [
        (Client.recommend, "RecommendRequest", {}),
        (Client.rank, "RankRequest", {}),
        (Client.classify, "ClassifyRequest", {"object": None}),
        (Client.classify_object, "ClassifyRequest", {"object": "key", "image": None}),
    ],
)
def test_every_field_is_a_parameter(method: Callable[..., object], schema: str, renamed: dict[str, str | None]) -> None:
    fields = {renamed.get(name, name) for name in OPENAPI["components"]["schemas"][schema]["properties"]} - {None}
    assert set(inspect.signature(method).parameters) == fields | EVERYWHERE


@pytest.mark.parametrize(
    ("method", "path"), [(Client.similar, "similar/{item}"), (Client.trending, "trending")], ids=["similar", "trending"]
)
def test_the_parameters_of_a_list_are_those_of_its_route(method: Callable[..., object], path: str) -> None:
    route = OPENAPI["paths"][f"/v1/models/{{model}}/{path}"]["get"]["parameters"]
    names = [OPENAPI["components"]["parameters"][entry["$ref"].rpartition("/")[2]]["name"] for entry in route]
    words = {
        "profile.COLUMN": "profile",
        "x-larder-release": "release",
        "x-larder-key": "canary_key",
        "filter_values.NAME": "filter_values",
    }
    assert {words.get(name, name) for name in names} == set(inspect.signature(method).parameters) - {"self"}


def test_every_native_route_has_a_method() -> None:
    native = {
        "classify",
        "recommend",
        "events",
        "models",
        "service",
    }  # the other tags are other services', with their own clients
    routes = {
        "classify": Client.classify,
        "recommend": None,  # the POST accepts all parameters of the GET
        "recommendByBody": Client.recommend,
        "rank": Client.rank,
        "similar": Client.similar,
        "trending": Client.trending,
        "listModels": Client.models,
        "describeModel": Client.model,
        "listReleases": Client.releases,
        "listFilters": Client.filters,
        "getFilter": Client.filter,
        "putFilter": Client.put_filter,
        "deleteFilter": Client.delete_filter,
        "putEvents": Client.put_events,
        "getEventsScript": None,  # for browsers
        "putItems": Client.put_items,
        "putUsers": Client.put_users,
        "getAttribution": Client.attribution,
        "exportUser": Client.export_user,
        "removeUser": Client.remove_user,
        "getDeletion": Client.deletion,
        "getEventSettings": Client.event_settings,
        "putEventSettings": Client.put_event_settings,
        "promoteRelease": Client.promote,
        "rejectRelease": Client.reject,
        "deleteRelease": Client.delete_release,
        "getRollout": Client.rollout,
        "compareRelease": Client.compare,
        "rollBack": Client.roll_back,
        "getHistory": Client.history,
        "listTrainingJobs": TrainingJobs.list,
        "startTrainingJob": TrainingJobs.start,
        "describeTrainingJob": TrainingJobs.get,
        "getTrainingLogs": TrainingJobs.log,
        "listTrials": TrainingJobs.trials,
        "stopTrainingJob": TrainingJobs.stop,
        "planTrainingData": TrainingJobs.upload,
        "putTrainingData": TrainingJobs.put,
        "getTrainingSchema": TrainingJobs.schema,
        "getLive": Client.live,
        "getReady": Client.ready,
        "getCanary": Client.canary,
        "getSchedule": Client.schedule,
        "putSchedule": Client.put_schedule,
        "getPolicy": Client.policy,
        "putPolicy": Client.put_policy,
        "getManifest": Client.manifest,
        "getStructure": Client.structure,
        "listFiles": Client.files,
        "getFile": Client.download,
        "health": Client.health,
        "getOpenApi": Client.openapi,
    }
    operations = [operation for path in OPENAPI["paths"].values() for operation in path.values()]
    assert {operation["operationId"] for operation in operations if native & {*operation["tags"]}} == set(routes)
