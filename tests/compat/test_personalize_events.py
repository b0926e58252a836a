"""boto3's Personalize Events client, unmodified, against the running service."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.compat.conftest import REGION, Endpoint, add_shop
from tests.paths import ROOT

from larder.events.settings import EventSettings, write_settings
from larder.registry.aliases import set_alias
from larder.release.keys import pointer_key
from larder.release.pointer import Pointer, dump_pointer
from larder.store import open_store

Client = Any  # boto3 makes its clients' classes at run time

ARN = "arn:aws:personalize:us-east-1:123456789012"
CAMPAIGN = f"{ARN}:campaign/market"
TRACKING_ID = "9c45f328-e9ba-4975-ad83-b61c72e7dddd"
FIG = json.dumps({"kind": "fruit", "PRICE": 3.0, "title": "Fig"})  # as the catalogue has the item fig


@pytest.fixture(scope="module", autouse=True)
def market(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The recommender ``market``, which takes events, and ``bazaar``, which has no settings yet."""
    write_settings(open_store(endpoint.store.as_uri()), "market", EventSettings(tracking_id=TRACKING_ID), None)
    for model in ("market", "bazaar"):
        release = add_shop(endpoint.store, tmp_path_factory.mktemp(model), datetime(2026, 1, 6, tzinfo=UTC), model)
        (endpoint.store / pointer_key(model)).write_bytes(dump_pointer(Pointer(release)))
    yield
    for model in ("market", "bazaar"):
        shutil.rmtree(endpoint.store / "models" / model)  # other tests list models


def connect(endpoint: Endpoint, service: Any = "personalize-events") -> Client:  # noqa: ANN401  # a name, of hundreds
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name=REGION,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint)
    yield client
    client.close()


@pytest.fixture(scope="module")
def runtime(endpoint: Endpoint) -> Iterator[Client]:
    client = connect(endpoint, "personalize-runtime")
    yield client
    client.close()


def items(runtime: Client, user: str) -> list[str]:
    answer = runtime.get_recommendations(campaignArn=CAMPAIGN, userId=user)
    return [item["itemId"] for item in answer["itemList"]]


def event(item: str, **changes: object) -> dict[str, object]:
    return {"eventType": "click", "itemId": item, "sentAt": datetime.now(UTC), **changes}


def test_an_event_is_in_the_next_recommendations(client: Client, runtime: Client) -> None:
    before = items(runtime, "eve")
    answer = client.put_events(trackingId=TRACKING_ID, userId="eve", sessionId="s", eventList=[event("fig")])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["RequestId"]
    after = items(runtime, "eve")
    assert (before[0], after[0]) == ("apple", "egg")


def test_an_anonymous_visitor_is_known_by_the_session_and_after_the_login_by_the_user(
    client: Client, runtime: Client
) -> None:
    client.put_events(trackingId=TRACKING_ID, sessionId="visit", eventList=[event("fig")])
    assert items(runtime, "visit")[0] == "egg"
    assert items(runtime, "zoe")[0] == "apple"
    client.put_events(trackingId=TRACKING_ID, userId="zoe", sessionId="visit", eventList=[event("dill, fresh")])
    assert "egg" in items(runtime, "zoe")


def test_a_new_item_is_recommended_to_whom_its_twin_is(client: Client, runtime: Client) -> None:
    # GIVEN a visitor whom figs are recommended to, since they looked at an egg
    client.put_events(trackingId=TRACKING_ID, sessionId="hungry", eventList=[event("egg")])
    assert items(runtime, "hungry")[0] == "fig"
    # WHEN an item is put that is like a fig
    client.put_items(datasetArn=f"{ARN}:dataset/market/ITEMS", items=[{"itemId": "date", "properties": FIG}])
    # THEN their next answer has it
    assert "date" in items(runtime, "hungry")


def test_a_profile_chooses_the_segment_of_a_new_user(client: Client, runtime: Client) -> None:
    before = items(runtime, "newcomer")
    users = [{"userId": "newcomer", "properties": json.dumps({"city": "Berlin", "age": None})}]
    client.put_users(datasetArn=f"{ARN}:dataset/market/USERS", users=users)
    assert items(runtime, "newcomer")[0] == "fig"
    assert before[0] == "apple"


def test_an_alias_names_the_dataset_group(client: Client, endpoint: Endpoint) -> None:
    set_alias(open_store(endpoint.store.as_uri()), "My_Group", "market")
    client.put_items(datasetArn=f"{ARN}:dataset/My_Group/ITEMS", items=[{"itemId": "date", "properties": FIG}])


def test_an_event_tracker_turns_events_on_and_off(client: Client, runtime: Client, endpoint: Endpoint) -> None:
    control = connect(replace(endpoint, url=f"{endpoint.url}/personalize"), "personalize")
    group, campaign = f"{ARN}:dataset-group/bazaar", f"{ARN}:campaign/bazaar"
    assert control.list_event_trackers(datasetGroupArn=group)["eventTrackers"] == []

    # WHEN a tracker is created THEN its tracking id takes events
    created = control.create_event_tracker(name="My_Tracker", datasetGroupArn=group)
    before = runtime.get_recommendations(campaignArn=campaign, userId="v")["itemList"]
    client.put_events(trackingId=created["trackingId"], sessionId="v", eventList=[event("fig")])
    after = runtime.get_recommendations(campaignArn=campaign, userId="v")["itemList"]
    assert (before[0]["itemId"], after[0]["itemId"]) == ("apple", "egg")

    # AND it is described, listed, and the only one of its dataset group
    arn = created["eventTrackerArn"]
    tracker = control.describe_event_tracker(eventTrackerArn=arn)["eventTracker"]
    assert tracker == {
        "name": "bazaar",
        "eventTrackerArn": arn,
        "accountId": "000000000000",
        "trackingId": created["trackingId"],
        "datasetGroupArn": "arn:aws:personalize:us-east-1:000000000000:dataset-group/bazaar",
        "status": "ACTIVE",
    }
    pages = control.get_paginator("list_event_trackers").paginate()
    assert {entry["name"] for page in pages for entry in page["eventTrackers"]} >= {"bazaar", "market"}
    with pytest.raises(control.exceptions.ResourceAlreadyExistsException, match="has its tracking id"):
        control.create_event_tracker(name="Another", datasetGroupArn=group)

    # AND one that is deleted is gone, and has the same tracking id when it is created again
    control.delete_event_tracker(eventTrackerArn=arn)
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.describe_event_tracker(eventTrackerArn=arn)
    assert control.create_event_tracker(name="a", datasetGroupArn=group)["trackingId"] == created["trackingId"]
    control.close()


def test_errors_are_the_clients_exceptions(client: Client) -> None:
    with pytest.raises(client.exceptions.InvalidInputException, match=r"eventList\[1\].itemId is missing"):
        client.put_events(
            trackingId=TRACKING_ID, sessionId="s", eventList=[event("fig"), {"eventType": "x", "sentAt": time.time()}]
        )
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="larder events show"):
        client.put_events(trackingId="none", sessionId="s", eventList=[event("fig")])
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="larder events on none"):
        client.put_items(datasetArn=f"{ARN}:dataset/none/ITEMS", items=[{"itemId": "a"}])
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="takes no events"):
        client.put_items(datasetArn=f"{ARN}:dataset/shop/ITEMS", items=[{"itemId": "a"}])
    with pytest.raises(client.exceptions.InvalidInputException, match="PutEvents"):
        client.put_actions(datasetArn=f"{ARN}:dataset/market/ACTIONS", actions=[{"actionId": "a"}])
    interaction = {"actionId": "a", "sessionId": "s", "timestamp": time.time(), "eventType": "x"}
    with pytest.raises(client.exceptions.InvalidInputException, match="PutEvents"):
        client.put_action_interactions(trackingId=TRACKING_ID, actionInteractions=[interaction])


def test_a_key_of_another_model_may_send_nothing_and_learns_nothing(endpoint: Endpoint) -> None:
    client = connect(endpoint.with_key("recommend shop"))
    messages = []
    for tracking_id in (TRACKING_ID, "none"):
        with pytest.raises(ClientError) as caught:
            client.put_events(trackingId=tracking_id, sessionId="s", eventList=[event("fig")])
        messages.append(str(caught.value))
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert messages[0] == messages[1]
    client.close()


def test_a_tracking_id_of_a_model_of_others_is_as_unknown(endpoint: Endpoint) -> None:
    access_key, _, secret_key = endpoint.add_key("events:shop", signs=True).partition(".")
    client = connect(replace(endpoint, access_key=access_key, secret_key=secret_key))
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="No model for this key"):
        client.put_events(trackingId=TRACKING_ID, sessionId="s", eventList=[event("fig")])
    client.close()


def test_the_example_needs_only_the_environment(endpoint: Endpoint) -> None:
    urls = {f"AWS_ENDPOINT_URL_PERSONALIZE_{name}": endpoint.url for name in ("EVENTS", "RUNTIME")}
    arguments = (CAMPAIGN, TRACKING_ID, "guest", "medlar", FIG)
    done = subprocess.run(  # noqa: S603  our own example
        [sys.executable, ROOT / "examples/clients/personalize_events.py", *arguments],
        env={**os.environ, **endpoint.environment, **urls},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, clicked, sent = done.stdout.splitlines()
    assert first.startswith("at first: apple, ")
    assert clicked.startswith("after a click on apple: bread, ")
    assert "medlar" in sent
    assert "medlar" not in clicked
