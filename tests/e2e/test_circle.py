"""The whole circle of live events on the deployed template: from a log to a release, clicks, and the next release.

The emulator does every link: DynamoDB, SQS and its delivery to EventLogFunction, S3's notification that starts the
rollout, and the roles. Only EventLogFunction may write to the log, so that what is there has come through the queue.
Two links differ from AWS. The test does not wait for 00:20: it sends what the deployed schedule would send. And the
emulator ignores the batching window, so that messages do not wait for others.
"""

import csv
import gzip
import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.e2e.aws import REGION, Stack, answered, wait

from larder.release.manifest import Manifest, parse
from larder.release.serving import RecommenderServing
from larder_training.datasets.synthetic_shop import generate

pytestmark = pytest.mark.e2e

ARN = "arn:aws:personalize:us-east-1:123456789012"
TRACKING_ID = "1c0ffee0-circle"
LATE = "could not be read"  # the warning of an answer that did not wait longer for the live store
NEW = "new-item"
TRAINING = ("--model", "shop", "--trials", "1", "--reranker", "never", "--no-cache", "--quiet")


@dataclass(frozen=True)
class Shop:
    """The shop's callers.

    Attributes:
        stack: The deployed template.
        events: boto3's ``personalize-events``.
        runtime: boto3's ``personalize-runtime``.
    """

    stack: Stack
    events: Any
    runtime: Any

    def best(self, user: str) -> list[str]:
        """The items for a user, best first, of an answer that has the live store: the emulator may be late."""

        def ask() -> list[str] | None:
            answer = self.runtime.get_recommendations(campaignArn=f"{ARN}:campaign/shop", userId=user)
            warning = answer["ResponseMetadata"]["HTTPHeaders"].get("x-larder-warning", "")
            return None if LATE in warning else [item["itemId"] for item in answer["itemList"]]

        return wait(ask)

    def click(self, **event: str) -> dict[str, Any]:
        """The response to a click by the native API."""
        body = json.dumps({"type": "click", **event}).encode()
        reply = self.stack.ask("/v1/models/shop/events", body)
        assert reply.status == 200, reply.document
        return dict(reply.document)

    def logged(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of each object of the log."""
        s3 = self.stack.cloud.client("s3")
        found = s3.list_objects_v2(Bucket=self.stack.bucket, Prefix=f"logs/shop/{kind}/").get("Contents", [])
        bodies = {o["Key"]: s3.get_object(Bucket=self.stack.bucket, Key=o["Key"])["Body"].read() for o in found}
        return {key: [json.loads(line) for line in gzip.decompress(body).splitlines()] for key, body in bodies.items()}

    def waiting(self, queue: str) -> int:
        """The messages in a queue, taken or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.stack.physical[queue]
        found = self.stack.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)


@pytest.fixture
def shop(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """boto3 finds the deployed API by the environment alone, and signs with a key that may only do this."""
    key, _, secret = stack.add_key("events:shop", "items:shop", "recommend:shop", "--signing").partition(".")
    for name in ("AWS_ENDPOINT_URL_PERSONALIZE_EVENTS", "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME"):
        monkeypatch.setenv(name, stack.cloud.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(stack.cloud.certificate))
    session = boto3.Session()
    clients = [session.client("personalize-events"), session.client("personalize-runtime")]
    for client in clients:

        def to_api(request: Any, **_: object) -> None:  # noqa: ANN401  botocore's AWSPreparedRequest has no types
            # What the name of the API's host does on AWS, below what the client signs.
            request.url = request.url.replace(stack.cloud.endpoint, stack.url)

        client.meta.events.register("before-send", to_api)
    return Shop(stack, *clients)


def train(shop: Shop, out: Path, *data: str) -> tuple[Path, Manifest]:
    """Trains a release by the command, on files and on the log in the bucket."""
    shop.stack.cloud.larder("train", "recommender", *data, *TRAINING, "--out", out)
    (release,) = out.iterdir()
    return release, parse((release / "manifest.json").read_bytes())


def history(folder: Path) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """A shop's own log, which ends six hours ago: the options of a training, and the items."""
    files = generate(folder, users=150, items=80, days=10)
    with files.interactions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shift = int(time.time()) - 6 * 3600 - max(int(row["TIMESTAMP"]) for row in rows)
    with files.interactions.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "TIMESTAMP": int(row["TIMESTAMP"]) + shift} for row in rows)
    with files.items.open(newline="") as file:
        items = {row["ITEM_ID"]: row for row in csv.DictReader(file)}
    paths = {"--interactions": files.interactions, "--items": files.items, "--users": files.users}
    return tuple(str(word) for pair in paths.items() for word in pair), items


def test_a_click_changes_the_next_answer_and_the_next_training(shop: Shop, tmp_path: Path) -> None:
    # GIVEN a release trained on a log, live, of a model that takes events
    files, items = history(tmp_path)
    first, trained = train(shop, tmp_path / "first", *files)
    shop.stack.larder("publish", first)
    shop.stack.larder("events", "on", "shop", "--hide", "pay", "--tracking-id", TRACKING_ID)
    popular = shop.best("visitor")
    coffee, espresso, *_ = (item for item, row in items.items() if row["CATEGORY"] == "coffee")
    # WHEN an anonymous visitor clicks, by the native API, the same event twice, and a user by boto3
    ids = [str(uuid.uuid4()) for _ in range(2)]
    assert shop.click(id=ids[0], item=coffee, session_id="visitor")["duplicates"] == 0
    assert shop.click(id=ids[0], item=coffee, session_id="visitor")["duplicates"] == 1
    click = {"eventType": "click", "eventId": ids[1], "itemId": espresso, "sentAt": time.time()}
    shop.events.put_events(trackingId=TRACKING_ID, userId="newcomer", sessionId="visit", eventList=[click])
    # THEN the next answers have other items
    fitting = shop.best("visitor")
    assert popular != fitting != shop.best("newcomer") != popular
    # AND an item that is put now, like the best one, is recommended to the visitor, and not to one without clicks
    columns = {**items[fitting[0]], "PRICE": float(items[fitting[0]]["PRICE"])}
    twin = {name.lower(): columns[name] for name in ("TITLE", "CATEGORY", "BRAND", "PRICE")}
    new = {"itemId": NEW, "properties": json.dumps(twin)}
    shop.events.put_items(datasetArn=f"{ARN}:dataset/shop/ITEMS", items=[new])
    assert NEW in wait(lambda: found if NEW in (found := shop.best("visitor")) else None)[:5]
    assert NEW not in shop.best("another")[:5]
    # AND the live store is the table
    stored = shop.stack.cloud.client("dynamodb").scan(TableName=shop.stack.physical["EventsTable"])["Items"]
    assert {"shop#s#visitor", "shop#u#newcomer", "shop#items"} <= {item["pk"]["S"] for item in stored}
    # AND the queue's consumer has written all to the log, each acknowledged event once
    wait(lambda: True if not shop.waiting("EventsQueue") else None)
    assert shop.waiting("EventsDeadLetters") == 0
    parts = shop.logged("events")
    assert {row["EVENT_ID"] for rows in parts.values() for row in rows} == set(ids)
    # WHEN the schedule compacts the log
    assert compact(shop.stack)["problems"] == []
    days = shop.logged("events")
    assert sorted(row["EVENT_ID"] for rows in days.values() for row in rows) == sorted(ids)
    assert not set(days) & set(parts)
    # AND a training reads it from the bucket, and its release is uploaded
    log = [f"{shop.stack.store}/logs/shop/{kind}/" for kind in ("events", "items")]
    second, grown = train(shop, tmp_path / "second", *files, "--interactions", log[0], "--items", log[1])
    shop.stack.publish(second)
    # THEN the new release answers, and was trained on what came since the first
    answer = answered(shop.stack, "/v1/models/shop/recommend?user=newcomer", second.name)
    assert events(grown) - events(trained) == len(ids)
    assert known_items(grown) - known_items(trained) == 1
    assert "user" in {item["because"]["source"] for item in answer.document["items"]}


def compact(stack: Stack) -> dict[str, Any]:
    """What EventLogFunction returns for the event of its deployed schedule."""
    rule = stack.physical["EventLogFunctionDaily"]
    (target,) = stack.cloud.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    reply = stack.cloud.client("lambda").invoke(FunctionName=target["Arn"], Payload=target["Input"])
    result: dict[str, Any] = json.load(reply["Payload"])
    assert "FunctionError" not in reply, result
    return result


def events(manifest: Manifest) -> int:
    """The events that a release was trained on."""
    data: Any = manifest.training["data"]
    return int(data["audit"]["used"])


def known_items(manifest: Manifest) -> int:
    """The items that a release knows."""
    assert isinstance(manifest.serving, RecommenderServing)
    return manifest.serving.items
