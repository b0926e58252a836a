"""Metric attributions of boto3's Personalize client, unmodified, against the running service."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.compat.conftest import Endpoint, add_shop
from tests.compat.test_personalize_control import ARN, OWN, connect

from larder.events.settings import AttributionMetric, read_settings
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import Store, open_store

Client = Any  # boto3 makes its clients' classes at run time

GROUP = f"{ARN}:dataset-group/stall"
ATTRIBUTION = f"{OWN}:metric-attribution/stall"
OUTPUT = {"roleArn": "arn:aws:iam::123456789012:role/metrics"}
CLICKS = {"metricName": "clicks", "eventType": "click", "expression": "SAMPLECOUNT()"}
REVENUE = {"metricName": "revenue", "eventType": "purchase", "expression": "SUM(Interactions.EVENT_VALUE)"}
NEW: dict[str, Any] = {"name": "impact", "datasetGroupArn": GROUP, "metrics": [CLICKS], "metricsOutputConfig": OUTPUT}


@pytest.fixture
def store(endpoint: Endpoint, tmp_path: Path) -> Iterator[Store]:
    """The store, with the recommender ``stall``, which has no settings yet."""
    release = add_shop(endpoint.store, tmp_path, datetime(2026, 1, 7, tzinfo=UTC), "stall")
    (endpoint.store / pointer_key("stall")).write_bytes(dump_pointer(Pointer(release)))
    yield open_store(endpoint.store.as_uri())
    shutil.rmtree(endpoint.store / "models/stall")  # other tests list models


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint)
    yield client
    client.close()


def metrics(client: Client) -> list[dict[str, str]]:
    pages = client.get_paginator("list_metric_attribution_metrics").paginate(
        metricAttributionArn=ATTRIBUTION, PaginationConfig={"PageSize": 1}
    )
    return [metric for page in pages for metric in page["metrics"]]


def test_an_attribution_is_made_changed_and_deleted(client: Client, store: Store) -> None:
    assert client.list_metric_attributions(datasetGroupArn=GROUP)["metricAttributions"] == []

    # WHEN it is made THEN the model's settings have its metric, and it can be described and listed
    assert client.create_metric_attribution(**NEW)["metricAttributionArn"] == ATTRIBUTION
    assert read_settings(store, "stall")[0].metrics == (AttributionMetric("clicks", "click", "COUNT"),)
    described = client.describe_metric_attribution(metricAttributionArn=ATTRIBUTION)["metricAttribution"]
    assert (described["name"], described["status"]) == ("stall", "ACTIVE")
    assert described["datasetGroupArn"].endswith("dataset-group/stall")
    assert [entry["name"] for entry in client.list_metric_attributions()["metricAttributions"]] == ["stall"]
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException, match="UpdateMetricAttribution"):
        client.create_metric_attribution(**NEW)

    # WHEN metrics are added and removed THEN the others stay
    client.update_metric_attribution(
        metricAttributionArn=ATTRIBUTION, addMetrics=[REVENUE, {**CLICKS, "metricName": "views", "eventType": "view"}]
    )
    assert [metric["metricName"] for metric in metrics(client)] == ["clicks", "revenue", "views"]
    client.update_metric_attribution(metricAttributionArn=ATTRIBUTION, removeMetrics=["views", "clicks"])
    assert metrics(client) == [REVENUE]

    # WHEN it is deleted THEN it does not exist, and the model has no metrics
    client.delete_metric_attribution(metricAttributionArn=ATTRIBUTION)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="CreateMetricAttribution"):
        client.describe_metric_attribution(metricAttributionArn=ATTRIBUTION)
    assert read_settings(store, "stall")[0].metrics == ()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a b"}, "name is 'a b'"),
        ({"metrics": []}, "1 to 10 metrics"),
        ({"metrics": [{**CLICKS, "expression": "SUM(Items.PRICE)"}]}, "SUM(Interactions.EVENT_VALUE)"),
        ({"metrics": [{**CLICKS, "metricName": "my clicks"}]}, "metrics.name"),
        ({"metrics": [CLICKS, CLICKS]}, "has a name twice"),
        ({"metricsOutputConfig": {**OUTPUT, "s3DataDestination": {"path": "s3://a/b"}}}, "s3DataDestination"),
    ],
)
def test_what_cannot_be_is_refused(client: Client, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(client.exceptions.InvalidInputException) as raised:
        client.create_metric_attribution(**{**NEW, **changes})
    assert message in raised.value.response["Error"]["Message"]
    assert client.list_metric_attributions(datasetGroupArn=GROUP)["metricAttributions"] == []


@pytest.mark.usefixtures("store")
def test_an_update_keeps_at_least_one_metric_and_names_what_is_missing(client: Client) -> None:
    client.create_metric_attribution(**NEW)
    with pytest.raises(client.exceptions.InvalidInputException, match="DeleteMetricAttribution"):
        client.update_metric_attribution(metricAttributionArn=ATTRIBUTION, removeMetrics=["clicks"])
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="no metric 'other'"):
        client.update_metric_attribution(metricAttributionArn=ATTRIBUTION, removeMetrics=["other"])
    with pytest.raises(client.exceptions.InvalidInputException, match="has a name twice"):
        client.update_metric_attribution(metricAttributionArn=ATTRIBUTION, addMetrics=[CLICKS])
    assert [metric["metricName"] for metric in metrics(client)] == ["clicks"]
