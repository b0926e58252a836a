"""boto3's Personalize client, unmodified, starts trainings of the running service, and makes what they made live.

No training runs here: the tests write the status of each job, as its runner does.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.compat.conftest import Endpoint, add_shop
from tests.compat.test_personalize_control import ARN, OWN, Client, connect

from larder.jobs import JobStatus, change_status, is_stop_requested, list_jobs, read_request
from larder.jobs.start import MOST_UNFINISHED, WantedJob, start_job
from larder.registry import Registry
from larder.registry.rollout_records import RolloutStep, begin, write_record
from larder.store import Store, open_store

MODEL = "books"
SOLUTION = f"{ARN}:solution/{MODEL}"
GROUP = f"{ARN}:dataset-group/{MODEL}"
CHANNELS = {"interactions": f"logs/{MODEL}/"}


@pytest.fixture
def store(endpoint: Endpoint) -> Store:
    return open_store(endpoint.store.as_uri())


@pytest.fixture
def client(endpoint: Endpoint) -> Client:
    return connect(endpoint)


@pytest.fixture
def make_release(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], str]]:
    """Writes a release of ``books`` with the date of a day; the model is removed after the test."""

    def make(day: int) -> str:
        created = datetime(2026, 1, day, tzinfo=UTC)
        return add_shop(endpoint.store, tmp_path_factory.mktemp(MODEL), created, MODEL)

    yield make
    shutil.rmtree(endpoint.store / f"models/{MODEL}")  # other tests list models


@pytest.fixture
def first(store: Store, make_release: Callable[[int], str]) -> str:
    """The release of the first training, whose data and hyperparameters later ones repeat."""
    release = make_release(1)
    wanted = WantedJob(kind="recommender", hyperparameters={"trials": 3}, channels=CHANNELS)
    report(store, start_job(store, MODEL, wanted).job, state="completed", release=release)
    return release


def report(store: Store, job: str, **changes: Any) -> JobStatus:  # noqa: ANN401  # fields of the status
    return change_status(store, MODEL, job, lambda status: replace(status, **changes))


def check(store: Store, release: str) -> None:
    """Writes the record of a rollout that found the release sound, and did not make it live."""
    record = begin(event=True)
    for step in ("verify", "probe"):
        record = record.with_step(RolloutStep(step, passed=True, seconds=0.1))
    write_record(Registry(store), MODEL, release, record.end("kept", "It waits."))


def started(client: Client) -> tuple[str, str]:
    """Starts a training; returns the ARN and the name of the job."""
    arn: str = client.create_solution_version(solutionArn=SOLUTION)["solutionVersionArn"]
    return arn, arn.rpartition("/")[2]


def described(client: Client, arn: str) -> dict[str, Any]:
    version: dict[str, Any] = client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    return version


def test_a_script_trains_waits_and_makes_the_version_live(
    client: Client, store: Store, first: str, make_release: Callable[[int], str]
) -> None:
    # WHEN the steps of AWS's tutorial run on a model that was trained before
    solution = client.create_solution(
        name="My-Solution",
        datasetGroupArn=GROUP,
        recipeArn="arn:aws:personalize:::recipe/aws-user-personalization",
        performAutoTraining=False,
    )["solutionArn"]
    assert solution == f"{OWN}:solution/{MODEL}"
    arn = client.create_solution_version(solutionArn=solution, name="v2", trainingMode="FULL")["solutionVersionArn"]
    job = arn.rpartition("/")[2]
    assert arn == f"{solution}/{job}"

    # THEN there is a job as the first one was, by the key of the request
    request = read_request(store, MODEL, job)
    assert (request.kind, request.hyperparameters, request.channels) == ("recommender", {"trials": 3}, CHANNELS)
    assert request.by is not None

    # AND its states have Personalize's names, as far as a campaign can be made of the version
    version = described(client, arn)
    assert (version["status"], version["solutionArn"]) == ("CREATE PENDING", solution)
    assert version["creationDateTime"].tzinfo is not None
    report(store, job, state="running")
    assert described(client, arn)["status"] == "CREATE IN_PROGRESS"
    with pytest.raises(client.exceptions.ResourceInUseException, match="wait until DescribeSolutionVersion says"):
        client.create_campaign(name="My-Campaign", solutionVersionArn=arn)
    latest = client.describe_solution(solutionArn=solution)["solution"]["latestSolutionVersion"]
    assert (latest["solutionVersionArn"], latest["status"]) == (arn, "CREATE IN_PROGRESS")

    second = make_release(2)
    report(store, job, state="completed", release=second)
    assert described(client, arn)["status"] == "CREATE IN_PROGRESS", "its rollout has not begun"
    check(store, second)
    version = described(client, arn)
    assert (version["status"], version["solutionVersionArn"]) == ("ACTIVE", arn)
    metrics = client.get_solution_metrics(solutionVersionArn=arn)
    assert (metrics["solutionVersionArn"], metrics["metrics"]["coverage"]) == (arn, 0.75)
    campaign = client.create_campaign(name="My-Campaign", solutionVersionArn=arn, minProvisionedTPS=1)["campaignArn"]
    assert campaign == f"{OWN}:campaign/{MODEL}"
    live = client.describe_campaign(campaignArn=campaign)["campaign"]
    assert (live["status"], live["solutionVersionArn"]) == ("ACTIVE", f"{solution}/{second}")
    versions = client.list_solution_versions(solutionArn=solution)["solutionVersions"]
    assert [entry["solutionVersionArn"] for entry in versions] == [f"{solution}/{name}" for name in (second, first)]


@pytest.mark.usefixtures("first")
def test_a_training_that_made_no_release_says_why_and_is_listed(client: Client, store: Store) -> None:
    arn, job = started(client)
    report(store, job, state="failed", reason="The log has no events.")
    version = described(client, arn)
    assert (version["status"], version["failureReason"]) == ("CREATE FAILED", "The log has no events.")
    newest = client.list_solution_versions(solutionArn=SOLUTION)["solutionVersions"][0]
    assert (newest["solutionVersionArn"], newest["status"]) == (arn, "CREATE FAILED")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="has no release"):
        client.get_solution_metrics(solutionVersionArn=arn)


@pytest.mark.usefixtures("first")
def test_a_training_is_stopped(client: Client, store: Store) -> None:
    arn, job = started(client)
    report(store, job, state="running")
    client.stop_solution_version_creation(solutionVersionArn=arn)
    assert is_stop_requested(store, MODEL, job)
    assert described(client, arn)["status"] == "CREATE STOPPING"
    report(store, job, state="stopped", reason="It was stopped.")
    assert described(client, arn)["status"] == "CREATE STOPPED"
    with pytest.raises(client.exceptions.ResourceInUseException, match="has ended"):
        client.stop_solution_version_creation(solutionVersionArn=arn)


def test_a_release_is_not_stopped_and_what_is_not_there_is_not_found(client: Client, first: str) -> None:
    for version in (first, "20260101t000000z-0000ffff", "unknown"):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="ListSolutionVersions lists them"):
            client.stop_solution_version_creation(solutionVersionArn=f"{SOLUTION}/{version}")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        described(client, f"{SOLUTION}/20260101t000000z-0000ffff")


@pytest.mark.usefixtures("first")
def test_what_is_not_supported_is_refused_with_what_to_do(client: Client, store: Store) -> None:
    before = list_jobs(store, MODEL)
    solution = {"name": "a", "datasetGroupArn": GROUP}
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("create_solution", {**solution, "performAutoTraining": True}, f"larder schedule {MODEL}"),
        ("create_solution", {**solution, "eventType": "click"}, "eventType is not supported: leave it out"),
        ("create_solution", {**solution, "solutionConfig": {"eventValueThreshold": "1"}}, "solutionConfig is not"),
        (
            "create_solution",
            {**solution, "recipeArn": "arn:aws:personalize:::recipe/aws-item-affinity"},
            "leave it out",
        ),
        ("create_solution", {**solution, "name": "a b"}, "name is 'a b'"),
        ("create_solution_version", {"solutionArn": SOLUTION, "trainingMode": "UPDATE"}, "every training reads all"),
        (
            "create_solution_version",
            {"solutionArn": SOLUTION, "tags": [{"tagKey": "a", "tagValue": "b"}]},
            "tags are not supported",
        ),
    ]
    for operation, options, message in refused:
        with pytest.raises(client.exceptions.InvalidInputException, match=message):
            getattr(client, operation)(**options)
    assert list_jobs(store, MODEL) == before


def test_a_model_without_an_earlier_job_says_how_to_start_one(
    client: Client, store: Store, make_release: Callable[[int], str]
) -> None:
    make_release(1)
    with pytest.raises(client.exceptions.InvalidInputException, match=f"start the first by POST /v1/models/{MODEL}/"):
        client.create_solution_version(solutionArn=SOLUTION)
    assert list_jobs(store, MODEL) == []


@pytest.mark.usefixtures("first")
def test_the_number_of_unfinished_trainings_is_limited(client: Client) -> None:
    for _ in range(MOST_UNFINISHED):
        started(client)
    with pytest.raises(client.exceptions.LimitExceededException, match="wait until one ends"):
        started(client)


@pytest.mark.usefixtures("first")
def test_a_key_needs_the_right_to_write(endpoint: Endpoint, store: Store) -> None:
    before = list_jobs(store, MODEL)
    reader = connect(endpoint.with_key("read gifts"))
    for operation, options in (
        ("create_solution", {"name": "a", "datasetGroupArn": GROUP}),
        ("create_solution_version", {"solutionArn": SOLUTION}),
        ("stop_solution_version_creation", {"solutionVersionArn": f"{SOLUTION}/a"}),
        ("create_campaign", {"name": "a", "solutionVersionArn": f"{SOLUTION}/a"}),
    ):
        with pytest.raises(ClientError) as raised:
            getattr(reader, operation)(**options)
        assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    assert list_jobs(store, MODEL) == before
