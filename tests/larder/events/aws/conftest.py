"""A table and a queue of moto's server for each test."""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from tests.larder.events.live_store_contract import Clock
from tests.paths import ROOT

from larder.events.aws.api import AwsApi
from larder.events.aws.dynamodb import DynamoDbLiveStore
from larder.events.aws.table import Table
from larder_local.gateway.cloudformation import read_template

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def aws(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The emulator's endpoint, in the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "toy")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "toy")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return s3_endpoint


@cache
def described() -> dict[str, Any]:
    """The table of template.yaml."""
    template: Any = read_template(ROOT / "template.yaml")
    properties: dict[str, Any] = template["Resources"]["EventsTable"]["Properties"]
    return properties


@pytest.fixture
def table(aws: str) -> Iterator[str]:
    """An empty table as template.yaml describes it."""
    client: Any = boto3.client("dynamodb", endpoint_url=aws)
    name = f"live-{next(_numbers)}"
    keys = ("BillingMode", "AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes")
    client.create_table(TableName=name, **{key: described()[key] for key in keys})
    yield name
    client.delete_table(TableName=name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(table: str, clock: Clock) -> DynamoDbLiveStore:
    """A store with that clock, which waits longer than a recommendation does: the machine may be busy."""
    return DynamoDbLiveStore(Table(AwsApi.open("dynamodb", "DynamoDB_20120810"), table, clock), read_seconds=10.0)


@pytest.fixture
def queue_url(aws: str) -> str:
    """The URL of an empty queue."""
    url: str = boto3.client("sqs", endpoint_url=aws).create_queue(QueueName=f"queue-{next(_numbers)}")["QueueUrl"]
    return url
