"""The routes of training jobs: start, list, look, log, trials, stop, upload of data, schema."""

import base64
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.toys.http_calls import call

from larder.jobs import JobProgress, JobStatus, change_status, create_job, job_name, list_jobs, read_request
from larder.jobs.job import JobRequest
from larder.jobs.log import append_log
from larder.jobs.start import MOST_UNFINISHED
from larder.jobs.uploads import MOST_BYTES_OF_A_REQUEST
from larder.registry import Registry
from larder.release.keys import JOB_TRIALS, job_key
from larder.store import Store, open_store
from models import app

JOBS = "/v1/models/shop/training-jobs"
DATA = "training-data/shop/march/"
CHANNELS = {"interactions": DATA, "items": "s3://bucket/items/"}


def ask(method: str, path: str = "", body: object = None, **query: str) -> tuple[int, Any]:
    return call(app.handler, method, f"{JOBS}{path}", body, **query)


def start(**body: object) -> str:
    status, document = ask("POST", "", {"channels": CHANNELS, **body})
    assert status == 202, document
    return str(document["job"])


def message(document: Any) -> str:  # noqa: ANN401  any JSON
    return str(document["error"]["message"])


def complete(store: Store, job: str, release: str | None) -> None:
    change_status(store, "shop", job, lambda old: replace(old, state="completed", release=release))


def live(store: Store) -> str:
    version = Registry(store).pointer("shop")
    assert version is not None
    return version.pointer.stable


def test_a_job_is_started_described_and_stopped(store: Store) -> None:
    status, document = ask("POST", "", {"channels": CHANNELS, "hyperparameters": {"trials": "3", "half_life_days": 9}})
    assert (status, document["state"], document["kind"]) == (202, "pending", "recommender")
    assert document["hyperparameters"] == {"trials": 3, "half_life_days": 9}
    job = document["job"]
    request = read_request(store, "shop", job)
    assert (request.channels, request.trigger, request.parent, request.by) == (CHANNELS, "request", None, None)
    progress = JobProgress("Search", 3, 9, 12.0)
    running = JobStatus("running", started="2026-01-01T00:00:00Z", engine="local", progress=progress)
    change_status(store, "shop", job, lambda _: running)
    status, document = ask("GET", f"/{job}")
    assert (status, document["state"]) == (200, "running")
    assert document["progress"] == {"title": "Search", "done": 3, "total": 9, "seconds_left": 12.0}
    assert [ask("POST", f"/{job}/stop")[1]["state"] for _ in range(2)] == ["stopping", "stopping"]
    complete(store, job, None)
    assert ask("POST", f"/{job}/stop")[1]["state"] == "completed"


def test_every_problem_of_a_request_is_named(store: Store) -> None:
    body = {
        "hyperparameters": {"trials": -1, "halflife_days": 3, "model": "x"},
        "channels": {"interactions": "/etc", "train": DATA},
        "parent": "20200101t000000z-00000000",
    }
    status, refused = ask("POST", "", body)
    assert (status, refused["error"]["code"]) == (400, "invalid_request")
    for part in (
        "Hyperparameter 'trials' is '-1': give a whole number from 0.",
        "Hyperparameter 'halflife_days' ('3') is unknown: did you mean 'half_life_days'?",
        "Hyperparameter 'model' is given: leave it out",
        "Channel 'interactions': '/etc' is not a place of training data: give s3://bucket/prefix/",
        "Channel 'train' is unknown: a recommender reads interactions",
        "'20200101t000000z-00000000' is not a release of shop",
    ):
        assert part in message(refused)
    assert list_jobs(store, "shop") == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "A recommender reads the channel 'interactions', or 'training': there is none of them."),
        ({"kind": "classifier"}, "kind is 'classifier', but shop is a recommender: train another model."),
        ({"kind": "regressor"}, "kind: is 'regressor'; it must be one of classifier, recommender"),
        ({"channels": {"interactions": 3}}, "channels.interactions: must be the URI of its data, or null"),
        ({"channels": []}, "channels: must be an object"),
        ({"hyperparams": {}}, "hyperparams: is unknown"),
        ({"job": "mine"}, "'mine' is not a training job name: use the form yyyymmddthhmmssz-"),
        ({"channels": {**CHANNELS, "interactions": "training-data/other/x/"}}, "give s3://bucket/prefix/"),
        ({"channels": CHANNELS, "hyperparameters": {"columns": {"USER_ID": "x" * 100_000}}}, "more than 100000 bytes"),
    ],
)
def test_a_wrong_request_is_refused(store: Store, body: dict[str, object], part: str) -> None:
    status, refused = ask("POST", "", body)
    assert (status, part in message(refused)) == (400, True), message(refused)
    assert list_jobs(store, "shop") == []


def test_a_new_model_states_its_kind(store: Store) -> None:
    path = "/v1/models/pets/training-jobs"
    body: dict[str, object] = {"channels": {"train": "training-data/pets/march/"}}
    status, refused = call(app.handler, "POST", path, body)
    assert (status, message(refused)) == (
        400,
        "Model 'pets' has no release yet: give its kind, one of classifier, recommender.",
    )
    assert call(app.handler, "GET", path)[0] == 404
    status, document = call(app.handler, "POST", path, {**body, "kind": "classifier"})
    assert (status, document["model"], document["kind"]) == (202, "pets", "classifier")
    assert list_jobs(store, "pets") == [document["job"]]


def test_what_is_omitted_comes_from_the_job_of_the_live_release(store: Store) -> None:
    old = start(job="20260101t000000z-00000001", hyperparameters={"trials": 3, "half_life_days": 9.0})
    complete(store, old, live(store))
    newer = start(job="20260102t000000z-00000002", hyperparameters={"trials": 4}, channels={"training": DATA})
    complete(store, newer, "20260102t000000z-0000000a")
    failed = start(job="20260103t000000z-00000003", hyperparameters={"trials": 5})
    change_status(store, "shop", failed, lambda status: replace(status, state="failed"))
    _, document = ask("POST", "", {"hyperparameters": {"half_life_days": None, "without": ["bpr"]}})
    assert document["hyperparameters"] == {"trials": 3, "without": ["bpr"]}
    assert document["channels"] == CHANNELS
    # a main channel replaces the other of its names, and null leaves a channel out
    _, document = ask("POST", "", {"channels": {"training": "logs/shop/events/", "items": None}})
    assert document["channels"] == {"training": "logs/shop/events/"}


def test_a_request_that_is_repeated_starts_one_job(store: Store) -> None:
    job = job_name(datetime(2026, 1, 1, tzinfo=UTC))
    bodies = [{"job": job, "channels": CHANNELS, "hyperparameters": {"trials": value}} for value in (3, "3")]
    assert [ask("POST", "", body)[1]["job"] for body in bodies] == [job, job]
    status, refused = ask("POST", "", {**bodies[0], "hyperparameters": {"trials": 4}})
    assert (status, "was started with other values: choose another name" in message(refused)) == (409, True)
    assert list_jobs(store, "shop") == [job]


def test_a_loop_by_mistake_does_not_start_a_hundred_trainings(store: Store) -> None:
    for _ in range(MOST_UNFINISHED):
        start()
    status, refused = ask("POST", "", {"channels": CHANNELS})
    assert (status, "10 training jobs of shop wait or run" in message(refused)) == (409, True)
    assert ask("POST", f"/{list_jobs(store, 'shop')[0]}/stop")[1]["state"] == "stopped"
    start()


def test_a_parent_is_a_release_of_the_model_or_a_channel(store: Store) -> None:
    _, document = ask("POST", "", {"channels": CHANNELS, "parent": live(store)})
    assert document["parent"] == live(store)
    both = {"channels": {**CHANNELS, "model": "s3://bucket/model/"}, "parent": live(store)}
    assert "give one of them" in message(ask("POST", "", both)[1])


def test_jobs_are_listed_in_pages(store: Store) -> None:
    assert ask("GET")[1] == {"model": "shop", "total": 0, "jobs": [], "next": None}
    names = [f"2026010{day}t000000z-0000000a" for day in range(1, 6)]
    for name in names:
        request = JobRequest("shop", name, "recommender", "2026-01-01T00:00:00Z", "k1", "schedule", {}, CHANNELS)
        create_job(store, request)
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        _, page = ask("GET", "", n="2", **after)
        seen += [entry["job"] for entry in page["jobs"]]
        if page["next"] is None:
            break
        after = {"next": page["next"]}
    assert seen == names[::-1]
    assert page["jobs"][0]["trigger"] == "schedule"
    assert page["total"] == 5
    assert ask("GET", "", next="x")[0] == 400


def test_the_log_is_text_from_an_offset_or_its_end(store: Store) -> None:
    job = start()
    append_log(store, "shop", job, "first line\nzweite Zeile: ü\n".encode())
    end = log(job, bytes="20")
    assert end == ("zweite Zeile: ü\n", "11", "28")
    assert log(job, **{"from": "0", "bytes": "16"}) == ("first line\nzweit", "0", "16")
    assert log(job, **{"from": "28"}) == ("", "28", "28")
    assert ask("GET", "/20200101t000000z-00000000/logs")[0] == 404
    assert ask("GET", f"/{job}/logs", **{"from": "-1"})[0] == 400


def log(job: str, **query: str) -> tuple[str, str, str]:
    event = {
        "version": "2.0",
        "rawPath": f"{JOBS}/{job}/logs",
        "queryStringParameters": query,
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": f"{JOBS}/{job}/logs"}},
    }
    response = app.handler(event, None)
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert headers["content-type"] == "text/plain; charset=utf-8"
    return response["body"], headers["x-larder-log-start"], headers["x-larder-log-end"]


def test_trials_are_the_lines_of_the_search(store: Store) -> None:
    job = start()
    assert ask("GET", f"/{job}/trials")[1]["trials"] == []
    store.put(job_key("shop", job, JOB_TRIALS), b'{"score": 0.5}\n{"score": 0.25}\n')
    assert ask("GET", f"/{job}/trials")[1]["trials"] == [{"score": 0.5}, {"score": 0.25}]
    assert ask("GET", "/20200101t000000z-00000000/trials")[0] == 404


def test_a_file_goes_through_the_api_to_a_folder(store: Store) -> None:
    data = "/v1/models/shop/training-data"
    status, plan = call(app.handler, "POST", data, {"name": "march", "files": [{"name": "a b/ü.csv", "bytes": 4}]})
    assert (status, plan["uri"]) == (200, DATA)
    (upload,) = plan["uploads"]
    assert upload["url"] == f"{data}/march?file=a%20b%2F%C3%BC.csv"
    event = {
        "version": "2.0",
        "rawPath": f"{data}/march",
        "queryStringParameters": dict(parse_qsl(upload["url"].partition("?")[2])),
        "headers": {"content-type": "text/csv"},
        "requestContext": {"http": {"method": "PUT", "path": f"{data}/march"}},
        "body": base64.b64encode(b"a,b\n").decode(),
        "isBase64Encoded": True,
    }
    assert app.handler(event, None)["statusCode"] == 200
    assert store.get(f"{DATA}a b/ü.csv").data == b"a,b\n"
    status, refused = call(app.handler, "PUT", f"{data}/march")
    assert (status, "parameter file" in message(refused)) == (400, True)
    large = {"files": [{"name": "log.csv", "bytes": MOST_BYTES_OF_A_REQUEST + 1}]}
    status, refused = call(app.handler, "POST", data, large)
    assert (status, "larder jobs start --channel" in message(refused)) == (413, True)


@pytest.mark.usefixtures("store")
def test_a_file_goes_straight_to_a_bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARDER_STORE", s3_url)
    app.service.reset()
    data = "/v1/models/shop/training-data"
    files = [{"name": "cat/1 ü.jpg", "bytes": 10**9}]
    _, plan = call(app.handler, "POST", data, {"files": files})
    (upload,) = plan["uploads"]
    put = urllib.request.Request(upload["url"], b"image", {"content-type": "image/jpeg"}, method="PUT")  # noqa: S310  http, to moto's server
    with urllib.request.urlopen(put) as response:  # noqa: S310  as above
        assert response.status == 200
    assert open_store(s3_url).get(f"{plan['uri']}cat/1 ü.jpg").data == b"image"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "files: is missing"),
        ({"files": []}, "files: has 0 entries; it must have 1 to 1000"),
        ({"files": [{"name": "x"}]}, "files.0.bytes: is missing"),
        ({"files": [{"name": "../x", "bytes": 1}]}, "'../x' is not the path of a file"),
        ({"files": [{"name": "/x", "bytes": 1}]}, "'/x' is not the path of a file"),
        ({"files": [{"name": "x" * 701, "bytes": 1}]}, "is not the path of a file"),
        ({"files": [{"name": "x", "bytes": 6 * 2**30}]}, "files.0.bytes: is 6442450944"),
        ({"name": "March", "files": [{"name": "x", "bytes": 1}]}, "'March' is not a data set name"),
    ],
)
def test_a_wrong_upload_is_refused(store: Store, body: dict[str, object], part: str) -> None:
    status, refused = call(app.handler, "POST", "/v1/models/shop/training-data", body)
    assert (status, part in message(refused)) == (400, True), message(refused)
    assert not list(store.list("training-data/"))


@pytest.mark.usefixtures("store")
def test_the_schema_is_published() -> None:
    for kind in ("classifier", "recommender"):
        status, schema = call(app.handler, "GET", f"/v1/training-jobs/schema/{kind}")
        assert (status, schema["properties"]["kind"]["enum"]) == (200, [kind])
    assert call(app.handler, "GET", "/v1/training-jobs/schema/other")[0] == 404


@pytest.mark.usefixtures("store")
def test_jobs_of_a_name_that_is_none_are_not_found() -> None:
    for method, path in (("GET", ""), ("GET", "/logs"), ("GET", "/trials"), ("POST", "/stop")):
        assert ask(method, f"/20200101t000000z-00000000{path}")[0] == 404
        assert ask(method, f"/nonsense{path}")[0] == 400
