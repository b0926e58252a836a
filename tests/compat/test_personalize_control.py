"""boto3's Personalize client, unmodified, against the running service."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.compat.conftest import REGION, Endpoint, add_shop
from tests.paths import ROOT

from larder.registry import Registry, Rejection
from larder.registry.aliases import set_alias
from larder.registry.rollout_records import RolloutStep, begin, write_record
from larder.registry.stored_filters import add_filter, dump_filters, read_filters
from larder.release.keys import filters_key, pointer_key
from larder.store import Store, open_store

Client = Any  # boto3 makes its clients' classes at run time

ARN = "arn:aws:personalize:us-east-1:123456789012"
OWN = "arn:aws:personalize:us-east-1:000000000000"  # of a service without AWS_REGION
GROUP = f"{ARN}:dataset-group/shop"
FRUIT = 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")'
ADDRESSES = {"root": "", "own path": "/personalize"}


def connect(endpoint: Endpoint, path: str = "/personalize") -> Client:
    return boto3.client(
        "personalize",
        endpoint_url=f"{endpoint.url}{path}",
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module", params=ADDRESSES)
def client(endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Client]:
    """The client of the read side, by each address."""
    client = connect(endpoint, ADDRESSES[request.param])
    yield client
    client.close()


@pytest.fixture(scope="module")
def writer(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint)
    yield client
    client.close()


@pytest.fixture
def store(endpoint: Endpoint) -> Store:
    return open_store(endpoint.store.as_uri())


@pytest.fixture(scope="module")
def releases(endpoint: Endpoint) -> list[str]:
    """The releases of ``shop``, the live one first."""
    return sorted((path.name for path in (endpoint.store / "models/shop/releases").iterdir()), reverse=True)


@pytest.fixture(scope="module", autouse=True)
def gifts(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second recommender: its only release was rejected, so none is live."""
    release = add_shop(endpoint.store, tmp_path_factory.mktemp("gifts"), datetime(2026, 1, 5, tzinfo=UTC), "gifts")
    store = open_store(endpoint.store.as_uri())
    Registry(store).reject("gifts", release, Rejection("too few items"))
    yield release
    shutil.rmtree(endpoint.store / "models/gifts")  # other tests list models


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


# -------------------------------------------------------------------------------------------------------- Resources


def test_each_recommender_is_a_dataset_group_a_campaign_a_recommender_and_a_solution(client: Client) -> None:
    for call, field, kind in (
        (client.list_dataset_groups, "datasetGroups", "dataset-group"),
        (client.list_campaigns, "campaigns", "campaign"),
        (client.list_recommenders, "recommenders", "recommender"),
        (client.list_solutions, "solutions", "solution"),
    ):
        entries = call()[field]
        assert names(entries) == ["gifts", "shop"], "no classifiers"
        arn = next(value for key, value in entries[1].items() if key == f"{field.removesuffix('s')}Arn")
        assert arn == f"{OWN}:{kind}/shop"
        assert entries[1]["creationDateTime"] == datetime(2026, 1, 4, tzinfo=UTC)


def test_arns_that_are_given_out_are_understood(client: Client, releases: list[str]) -> None:
    campaign = client.describe_campaign(campaignArn=client.list_campaigns()["campaigns"][1]["campaignArn"])["campaign"]
    assert campaign["status"] == "ACTIVE"
    assert campaign["campaignConfig"] == {"enableMetadataWithRecommendations": True}
    live = client.describe_solution_version(solutionVersionArn=campaign["solutionVersionArn"])["solutionVersion"]
    assert live["solutionVersionArn"].endswith(f":solution/shop/{releases[0]}")
    solution = client.describe_solution(solutionArn=live["solutionArn"])["solution"]
    assert solution["latestSolutionVersion"]["solutionVersionArn"] == live["solutionVersionArn"]
    assert client.describe_recipe(recipeArn=solution["recipeArn"])["recipe"]["recipeType"] == "USER_PERSONALIZATION"
    group = client.describe_dataset_group(datasetGroupArn=solution["datasetGroupArn"])["datasetGroup"]
    assert (group["name"], group["status"]) == ("shop", "ACTIVE")
    (entry,) = client.list_recommenders(datasetGroupArn=group["datasetGroupArn"])["recommenders"]
    recommender = client.describe_recommender(recommenderArn=entry["recommenderArn"])["recommender"]
    metrics = client.get_solution_metrics(solutionVersionArn=campaign["solutionVersionArn"])["metrics"]
    assert recommender["modelMetrics"] == metrics


def test_lists_can_be_of_one_parent(client: Client) -> None:
    solution = f"{ARN}:solution/shop"
    assert names(client.list_campaigns(solutionArn=solution)["campaigns"]) == ["shop"]
    assert names(client.list_solutions(datasetGroupArn=GROUP)["solutions"]) == ["shop"]
    assert len(client.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 2
    assert len(client.list_solution_versions()["solutionVersions"]) == 3


def test_solution_versions_are_releases_newest_first(client: Client, releases: list[str], gifts: str) -> None:
    versions = client.list_solution_versions()["solutionVersions"]
    expected = [f"gifts/{gifts}", *(f"shop/{release}" for release in releases)]
    assert [version["solutionVersionArn"].partition(":solution/")[2] for version in versions] == expected
    assert [version["status"] for version in versions] == ["CREATE FAILED", "ACTIVE", "ACTIVE"]
    assert versions[0]["failureReason"] == "too few items"
    assert versions[1]["creationDateTime"] == datetime(2026, 1, 4, tzinfo=UTC)


def test_a_model_that_does_not_answer_says_why(client: Client) -> None:
    campaign = client.describe_campaign(campaignArn=f"{ARN}:campaign/gifts")["campaign"]
    assert (campaign["status"], campaign["failureReason"]) == ("CREATE FAILED", "too few items")
    assert "solutionVersionArn" not in campaign


def test_metrics_have_personalizes_names(client: Client, releases: list[str]) -> None:
    metrics = client.get_solution_metrics(solutionVersionArn=f"{ARN}:solution/shop/{releases[1]}")["metrics"]
    assert metrics == {
        "coverage": 0.75,
        "mean_reciprocal_rank_at_25": 0.5,
        **{f"normalized_discounted_cumulative_gain_at_{k}": 0.6241 for k in (5, 10, 25)},
        **{f"precision_at_{k}": 0.4 for k in (5, 10, 25)},
    }


def test_there_is_one_recipe(client: Client) -> None:
    (recipe,) = client.list_recipes()["recipes"]
    assert recipe["name"] == "larder-recommender"
    assert client.list_recipes(domain="ECOMMERCE")["recipes"] == []


def test_pages(client: Client) -> None:
    pages = list(client.get_paginator("list_campaigns").paginate(PaginationConfig={"PageSize": 1}))
    assert [names(page["campaigns"]) for page in pages] == [["gifts"], ["shop"]]
    versions = client.get_paginator("list_solution_versions").paginate(PaginationConfig={"PageSize": 1})
    arns = [version["solutionVersionArn"] for page in versions for version in page["solutionVersions"]]
    assert len(set(arns)) == 3


def test_an_alias_names_a_dataset_group(client: Client, store: Store) -> None:
    set_alias(store, "Winter_Sale", "shop")
    group = client.describe_dataset_group(datasetGroupArn=f"{ARN}:dataset-group/Winter_Sale")["datasetGroup"]
    assert group["name"] == "shop"


# ---------------------------------------------------------------------------------------------------------- Filters


def test_a_filter_is_created_used_and_deleted(writer: Client, endpoint: Endpoint) -> None:
    runtime = boto3.client("personalize-runtime", endpoint_url=endpoint.url, **credentials(endpoint))
    arn = writer.create_filter(name="New_fruit", datasetGroupArn=GROUP, filterExpression=FRUIT)["filterArn"]
    assert arn == f"{OWN}:filter/shop/New_fruit"
    described = writer.describe_filter(filterArn=arn)["filter"]
    assert (described["filterExpression"], described["status"]) == (FRUIT, "ACTIVE")
    assert described["datasetGroupArn"].endswith(":dataset-group/shop")
    assert arn in [entry["filterArn"] for entry in writer.list_filters(datasetGroupArn=GROUP)["Filters"]]
    answer = runtime.get_recommendations(campaignArn=f"{ARN}:campaign/shop", userId="ada", filterArn=arn)
    assert {item["itemId"] for item in answer["itemList"]} == {"apple", "cherry", "fig"}
    assert writer.delete_filter(filterArn=arn)["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(writer.exceptions.ResourceNotFoundException):
        writer.describe_filter(filterArn=arn)
    runtime.close()


def credentials(endpoint: Endpoint) -> dict[str, Any]:
    keys = {"aws_access_key_id": endpoint.access_key, "aws_secret_access_key": endpoint.secret_key}
    return {"region_name": REGION, **keys}


@pytest.fixture(scope="module")
def filters(endpoint: Endpoint) -> None:
    store = open_store(endpoint.store.as_uri())
    for model in ("gifts", "shop"):
        for name in ("page-1", "page-2"):
            add_filter(store, model, name, FRUIT)


@pytest.mark.usefixtures("filters")
def test_filters_are_listed_by_pages(client: Client) -> None:
    pages = client.get_paginator("list_filters").paginate(PaginationConfig={"PageSize": 3})
    listed = [entry["filterArn"].partition(":filter/")[2] for page in pages for entry in page["Filters"]]
    expected = ["gifts/page-1", "gifts/page-2", "shop/page-1", "shop/page-2"]
    assert [name for name in listed if "page-" in name] == expected
    assert listed == sorted(listed)


def test_an_arn_of_aws_means_the_only_filter_of_its_name(writer: Client, store: Store) -> None:
    add_filter(store, "shop", "only-one", FRUIT)
    described = writer.describe_filter(filterArn=f"{ARN}:filter/only-one")["filter"]
    assert described["filterArn"].endswith(":filter/shop/only-one")
    add_filter(store, "gifts", "only-one", FRUIT)
    with pytest.raises(writer.exceptions.InvalidInputException, match="2 models have a filter 'only-one'"):
        writer.delete_filter(filterArn=f"{ARN}:filter/only-one")
    writer.delete_filter(filterArn=f"{ARN}:filter/gifts/only-one")
    writer.delete_filter(filterArn=f"{ARN}:filter/only-one")
    assert "only-one" not in read_filters(store, "shop")


# ---------------------------------------------------------------------------------------------------------- Changes


def test_a_campaign_gets_only_a_release_that_a_rollout_has_checked(
    writer: Client, endpoint: Endpoint, store: Store, releases: list[str]
) -> None:
    before = (endpoint.store / pointer_key("shop")).read_bytes()
    answer = writer.update_campaign(
        campaignArn=f"{ARN}:campaign/shop",
        solutionVersionArn=f"{ARN}:solution/shop/{releases[0]}",
        minProvisionedTPS=5,
        campaignConfig={"enableMetadataWithRecommendations": True},
    )
    assert answer["campaignArn"].endswith(":campaign/shop")
    with pytest.raises(writer.exceptions.InvalidInputException) as raised:
        writer.update_campaign(
            campaignArn=f"{ARN}:campaign/shop", solutionVersionArn=f"{ARN}:solution/shop/{releases[1]}"
        )
    assert f"run larder publish {releases[1]}" in raised.value.response["Error"]["Message"]
    assert (endpoint.store / pointer_key("shop")).read_bytes() == before

    record = begin(event=True)
    for step in ("verify", "probe"):
        record = record.with_step(RolloutStep(step, passed=True, seconds=0.1))
    write_record(Registry(store), "shop", releases[1], record.end("kept", "It waits."))
    for live in (releases[1], releases[0]):
        writer.update_campaign(campaignArn=f"{ARN}:campaign/shop", solutionVersionArn=f"{ARN}:solution/shop/{live}")
        campaign = writer.describe_campaign(campaignArn=f"{ARN}:campaign/shop")["campaign"]
        assert campaign["solutionVersionArn"].endswith(f"solution/shop/{live}")


def test_a_campaign_explores_by_the_settings_of_a_model_that_takes_events(writer: Client) -> None:
    def explores() -> Any:  # noqa: ANN401  # an object of boto3
        return writer.describe_campaign(campaignArn=SHOP)["campaign"]["campaignConfig"].get("itemExplorationConfig")

    def change(**config: str) -> None:
        writer.update_campaign(campaignArn=SHOP, campaignConfig={"itemExplorationConfig": config})

    # GIVEN a model without events
    assert explores() is None
    with pytest.raises(writer.exceptions.InvalidInputException, match="CreateEventTracker turns them on"):
        change(explorationWeight="0.3")

    # WHEN it takes events THEN its exploration can be changed, each part alone
    tracker = writer.create_event_tracker(name="shop", datasetGroupArn=GROUP)["eventTrackerArn"]
    assert explores() == {"explorationWeight": "0.0", "explorationItemAgeCutOff": "30"}
    change(explorationWeight="0.3")
    change(explorationItemAgeCutOff="7")
    assert explores() == {"explorationWeight": "0.3", "explorationItemAgeCutOff": "7"}
    for wrong in ({"explorationWeight": "much"}, {"explorationWeight": "1.5"}, {"explorationItemAgeCutOff": "-1"}):
        with pytest.raises(writer.exceptions.InvalidInputException, match=r"[eE]xploration"):
            change(**wrong)
    assert explores() == {"explorationWeight": "0.3", "explorationItemAgeCutOff": "7"}
    change(explorationWeight="0", explorationItemAgeCutOff="30")
    writer.delete_event_tracker(eventTrackerArn=tracker)


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("create_filter", {"name": "a", "datasetGroupArn": GROUP, "filterExpression": FRUIT}),
        ("delete_filter", {"filterArn": f"{ARN}:filter/shop/a"}),
        ("update_campaign", {"campaignArn": f"{ARN}:campaign/shop"}),
        ("create_campaign", {"name": "a", "solutionVersionArn": f"{ARN}:solution/shop/a"}),
        ("create_solution", {"name": "a", "datasetGroupArn": GROUP}),
        ("create_solution_version", {"solutionArn": f"{ARN}:solution/shop"}),
        ("stop_solution_version_creation", {"solutionVersionArn": f"{ARN}:solution/shop/a"}),
        ("create_event_tracker", {"name": "a", "datasetGroupArn": GROUP}),
        ("delete_event_tracker", {"eventTrackerArn": f"{ARN}:event-tracker/shop"}),
        ("delete_metric_attribution", {"metricAttributionArn": f"{ARN}:metric-attribution/shop"}),
    ],
)
def test_the_root_refuses_to_write(endpoint: Endpoint, operation: str, options: dict[str, Any]) -> None:
    client = connect(endpoint, "")
    with pytest.raises(client.exceptions.InvalidInputException) as raised:
        getattr(client, operation)(**options)
    assert f"{endpoint.url.removeprefix('http://')}/personalize" in raised.value.response["Error"]["Message"]


# ----------------------------------------------------------------------------------------------------------- Errors

NEW = {"name": "new", "datasetGroupArn": GROUP, "filterExpression": FRUIT}
SHOP = f"{ARN}:campaign/shop"
TRACKER = f"{ARN}:event-tracker/shop"


@pytest.mark.parametrize(
    ("operation", "options", "exception", "message"),
    [
        ("describe_campaign", {"campaignArn": f"{ARN}:campaign/pest"}, "ResourceNotFound", "'pest' does not exist"),
        ("describe_campaign", {"campaignArn": f"{ARN}:campaign/Shop"}, "ResourceNotFound", "does not name a model"),
        ("describe_campaign", {"campaignArn": f"{ARN}:campaign/colours"}, "ResourceNotFound", "is a classifier"),
        ("describe_solution", {"solutionArn": f"{ARN}:solution/pest"}, "ResourceNotFound", "does not exist"),
        (
            "describe_solution_version",
            {"solutionVersionArn": f"{ARN}:solution/shop"},
            "InvalidInput",
            "not the ARN of a solution version",
        ),
        (
            "get_solution_metrics",
            {"solutionVersionArn": f"{ARN}:solution/shop/20200101t000000z-00000000"},
            "ResourceNotFound",
            "has no release",
        ),
        ("describe_recipe", {"recipeArn": "arn:aws:personalize:::recipe/aws-sims"}, "ResourceNotFound", "one recipe"),
        ("describe_filter", {"filterArn": f"{ARN}:filter/none"}, "ResourceNotFound", "no filter 'none'"),
        ("delete_filter", {"filterArn": f"{ARN}:filter/shop/none"}, "ResourceNotFound", "no stored filter 'none'"),
        ("list_campaigns", {"nextToken": "ä"}, "InvalidNextToken", "nextToken is not a token"),
        ("list_campaigns", {"maxResults": 101}, "InvalidInput", "from 1 to 100"),
        ("create_filter", {**NEW, "name": "a b"}, "InvalidInput", "is not a filter name"),
        ("create_filter", {**NEW, "datasetGroupArn": f"{ARN}:dataset-group/pest"}, "ResourceNotFound", "'pest'"),
        (
            "create_filter",
            {**NEW, "filterExpression": "INCLUDE ItemID WHERE Item.A"},
            "InvalidInput",
            "character 22",
        ),
        (
            "create_filter",
            {**NEW, "filterExpression": 'INCLUDE ItemID WHERE Items.COLOUR IN ("red")'},
            "InvalidInput",
            "character 22",
        ),
        (
            "create_filter",
            {**NEW, "tags": [{"tagKey": "a", "tagValue": "b"}]},
            "InvalidInput",
            "tags are not supported",
        ),
        (
            "update_campaign",
            {"campaignArn": SHOP, "solutionVersionArn": f"{ARN}:solution/gifts/x"},
            "InvalidInput",
            "of model 'gifts'",
        ),
        (
            "update_campaign",
            {"campaignArn": SHOP, "solutionVersionArn": f"{ARN}:solution/shop/x"},
            "ResourceNotFound",
            "has no release 'x'",
        ),
        (
            "update_campaign",
            {"campaignArn": SHOP, "campaignConfig": {"enableMetadataWithRecommendations": False}},
            "InvalidInput",
            "is always true",
        ),
        ("describe_event_tracker", {"eventTrackerArn": TRACKER}, "ResourceNotFound", "CreateEventTracker turns"),
        ("delete_event_tracker", {"eventTrackerArn": TRACKER}, "ResourceNotFound", "CreateEventTracker turns"),
        ("create_event_tracker", {"name": "a b", "datasetGroupArn": GROUP}, "InvalidInput", "name is 'a b'"),
        (
            "create_event_tracker",
            {"name": "a", "datasetGroupArn": f"{ARN}:dataset-group/gifts"},
            "ResourceNotFound",
            "'gifts' has no live release",
        ),
        (
            "create_event_tracker",
            {"name": "a", "datasetGroupArn": f"{ARN}:dataset-group/colours"},
            "ResourceNotFound",
            "is a classifier",
        ),
        (
            "list_schemas",
            {},
            "InvalidInput",
            "'ListSchemas' is not an operation of this service: it has CreateCampaign, CreateEventTracker, ",
        ),
        ("create_campaign", {"name": "a", "solutionVersionArn": SHOP}, "InvalidInput", "ARN of a solution version"),
    ],
)
def test_modelled_errors(writer: Client, operation: str, options: dict[str, Any], exception: str, message: str) -> None:
    with pytest.raises(getattr(writer.exceptions, f"{exception}Exception")) as raised:
        getattr(writer, operation)(**options)
    assert message in raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_name_in_use_and_too_many_filters(writer: Client, store: Store) -> None:
    add_filter(store, "gifts", "used", FRUIT)
    gifts = {**NEW, "datasetGroupArn": f"{ARN}:dataset-group/gifts"}
    with pytest.raises(writer.exceptions.ResourceAlreadyExistsException, match="already has a filter 'used'"):
        writer.create_filter(**{**gifts, "name": "used"})
    one = next(iter(read_filters(store, "gifts").values()))
    before = store.get(filters_key("gifts")).data
    store.put(filters_key("gifts"), dump_filters({f"f{number}": one for number in range(100)}))
    with pytest.raises(writer.exceptions.LimitExceededException, match="100 filters, which is the limit"):
        writer.create_filter(**gifts)
    store.put(filters_key("gifts"), before)


def test_a_key_sees_and_changes_only_its_models(endpoint: Endpoint) -> None:
    reader = connect(endpoint.with_key("read gifts"))
    assert names(reader.list_campaigns()["campaigns"]) == ["gifts"]
    assert all("/gifts/" in entry["filterArn"] for entry in reader.list_filters()["Filters"])
    denied = [
        (reader.describe_campaign, {"campaignArn": SHOP}),
        (reader.describe_campaign, {"campaignArn": f"{ARN}:campaign/pest"}),
        (reader.create_filter, {**NEW, "datasetGroupArn": f"{ARN}:dataset-group/gifts"}),
        (reader.delete_filter, {"filterArn": f"{ARN}:filter/gifts/used"}),
    ]
    for call, options in denied:
        with pytest.raises(ClientError) as raised:
            call(**options)
        assert raised.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_campaign_without_a_rollout_is_pending(client: Client, endpoint: Endpoint, tmp_path: Path) -> None:
    add_shop(endpoint.store, tmp_path, datetime(2026, 1, 6, tzinfo=UTC), "new-shop")
    campaign = client.describe_campaign(campaignArn=f"{ARN}:campaign/new-shop")["campaign"]
    assert campaign["status"] == "CREATE PENDING"
    shutil.rmtree(endpoint.store / "models/new-shop")


def test_the_environment_alone_leads_an_unmodified_program_here(endpoint: Endpoint) -> None:
    program = (
        "import boto3, json\n"
        "client = boto3.client('personalize')\n"
        "print(json.dumps([campaign['name'] for campaign in client.list_campaigns()['campaigns']]))\n"
    )
    for path in ADDRESSES.values():
        done = subprocess.run(  # noqa: S603  # this interpreter and our own program
            [sys.executable, "-c", program],
            env={"PATH": os.defpath, "AWS_ENDPOINT_URL_PERSONALIZE": f"{endpoint.url}{path}", **endpoint.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == ["gifts", "shop"]


def test_the_documented_example_prints_metrics_and_filters(endpoint: Endpoint) -> None:
    program = str(ROOT / "examples/clients/personalize_filters.py")
    arguments = [GROUP, "cheap-1", "EXCLUDE ItemID WHERE Items.PRICE > $MOST"]
    url = f"{endpoint.url}/personalize"
    for _ in range(2):
        done = subprocess.run(  # noqa: S603  # this interpreter and our own program
            [sys.executable, program, *arguments],
            env={"PATH": os.defpath, "AWS_ENDPOINT_URL_PERSONALIZE": url, **endpoint.environment},
            capture_output=True,
            text=True,
            check=True,
        )
    metrics, there, *filters = done.stdout.splitlines()
    assert metrics.startswith("shop coverage=0.7500 mean_reciprocal_rank_at_25=0.5000 normalized_")
    assert there == "cheap-1 is there already"
    assert f"{OWN}:filter/shop/cheap-1" in filters
