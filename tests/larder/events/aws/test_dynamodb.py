"""The live store in DynamoDB, against an emulator: the contract, bounds, expiry, and what the table has."""

import json
import random

import boto3
import pytest
from tests.larder.events.aws.conftest import described
from tests.larder.events.live_store_contract import DAY, T0, Clock, LiveStoreContract, add, event, items

from larder.errors import StoreError
from larder.events.aws.api import AwsApi, AwsRefusal
from larder.events.aws.dynamodb import DynamoDbLiveStore
from larder.events.aws.table import Table
from larder.events.base import LiveItem, Recent


class TestContract(LiveStoreContract):
    """DynamoDB keeps it."""


def test_a_history_is_bounded_and_keeps_the_newest(live: DynamoDbLiveStore, table: str) -> None:
    # WHEN 300 events of a user come in any order, 40 in a request
    numbers = random.Random(1).sample(range(300), 300)
    for start in range(0, 300, 40):
        add(live, *(event(number, user="ada") for number in numbers[start : start + 40]), keep=5)
    # THEN the newest are there
    assert items(live.read("shop", "ada", None)) == [f"i{number}" for number in range(295, 300)]
    # AND what is stored is bounded
    (item,) = boto3.client("dynamodb").scan(TableName=table)["Items"]
    assert sum(name.startswith("e#") for name in item) <= 5 + 10


def test_a_user_has_a_bounded_number_of_sessions(live: DynamoDbLiveStore, clock: Clock, table: str) -> None:
    for number in range(30):
        clock.now += 1
        add(live, event(number, session=f"v{number}"))
        add(live, event(100 + number, user="ada", session=f"v{number}"))
    assert len(live.export_user("shop", "ada").sessions) == 20
    assert len(live.read("shop", "ada", None).events) == 50
    # AND deleting the user leaves nothing
    live.delete_user("shop", "ada")
    assert boto3.client("dynamodb").scan(TableName=table)["Items"] == []


def test_what_has_expired_does_not_exist_though_dynamodb_has_not_removed_it(
    live: DynamoDbLiveStore, clock: Clock
) -> None:
    add(live, event(1, user="ada", session="v1"), event(2, session="v1"))
    live.put_users("shop", {"ada": {"CITY": "Berlin"}}, seconds=DAY)
    live.put_items("shop", [LiveItem("n1", {}, T0)], seconds=DAY)
    clock.now += 31 * DAY
    assert live.read("shop", "ada", "v1").events == ()
    assert live.read("shop", "ada", "v1").profile == {}
    assert live.items("shop")[0] == []
    # WHEN the user and the visitor come back THEN only what they did now is there
    assert add(live, event(3, session="v1"), event(4, user="bob", session="v1")) == [True, True]
    add(live, event(5, user="ada"))
    assert items(live.read("shop", "bob", None)) == ["i3", "i4"]
    assert items(live.read("shop", "ada", None)) == ["i5"]
    assert live.export_user("shop", "ada").sessions == ()


def test_profiles_are_replaced_exported_and_deleted(live: DynamoDbLiveStore, table: str) -> None:
    live.put_users("shop", {"ada": {"CITY": "Bonn", "AGE": 1.5}, "bob": {}}, seconds=DAY)
    live.put_users("shop", {"ada": {"CITY": "Köln"}}, seconds=DAY)
    add(live, event(1, session="v1"), event(2, user="ada", session="v1"))
    assert live.read("shop", "ada", None).profile == {"CITY": "Köln"}
    export = live.export_user("shop", "ada")
    assert (export.profile, export.sessions, len(export.events)) == ({"CITY": "Köln"}, ("v1",), 2)
    # WHEN the user is deleted, twice THEN no byte of the id is left
    for _ in range(2):
        live.delete_user("shop", "ada")
        stored = json.dumps(boto3.client("dynamodb").scan(TableName=table)["Items"])
        assert "ada" not in stored
        assert "v1" not in stored
    assert live.read("shop", "ada", "v1") == Recent()


def test_new_items_are_read_once_changed(live: DynamoDbLiveStore, clock: Clock) -> None:
    assert live.items("shop") == ([], "")
    # GIVEN items, more than DynamoDB writes at once, one of them twice
    put = [
        LiveItem(f"n{number}", {"PRICE": 1.5, "BRAND": "ä"}, T0, (("i1", 0.75), ("i2", 0.25))) for number in range(60)
    ]
    live.put_items("shop", [LiveItem("n0", {}, T0), *put], seconds=DAY)
    # THEN all are there, in the last form
    found, version = live.items("shop")
    assert sorted(found, key=lambda item: int(item.id[1:])) == put
    assert live.read("shop", None, "v").items_version == version
    assert live.items("shop", version) == ([], version)
    # WHEN another comes later THEN it is read with the new version, without those of an hour before
    clock.now += 3600
    live.put_items("shop", [LiveItem("n60", {}, T0)], seconds=DAY)
    newer = live.read("shop", "ada", None).items_version
    assert newer != version
    assert live.items("shop", version)[1] == newer
    clock.now += 3600
    live.put_items("shop", [LiveItem("n61", {}, T0)], seconds=DAY)
    assert {item.id for item in live.items("shop", newer)[0]} == {"n60", "n61"}  # the margin for slow clocks
    # AND one that is put again has one row
    live.put_items("shop", [LiveItem("n1", {}, T0 + 1)], seconds=DAY)
    assert len(live.items("shop")[0]) == 62


def test_an_item_of_a_writer_with_a_slower_clock_is_not_missed(live: DynamoDbLiveStore, clock: Clock) -> None:
    live.put_items("shop", [LiveItem("fast", {}, T0)], seconds=DAY)
    _, version = live.items("shop")
    clock.now -= 30
    live.put_items("shop", [LiveItem("slow", {}, T0)], seconds=DAY)
    assert LiveItem("slow", {}, T0) in live.items("shop", version)[0]


def test_dynamodb_removes_what_has_expired_by_the_attribute_that_is_written(
    live: DynamoDbLiveStore, table: str
) -> None:
    # GIVEN everything that expires
    add(live, event(1, session="v1"), event(2, user="ada", session="v1"))
    live.put_users("shop", {"ada": {}}, seconds=30 * DAY)
    live.put_items("shop", [LiveItem("n1", {}, T0)], seconds=30 * DAY)
    # THEN it has the template's attribute of DynamoDB's TTL, in whole seconds; only the version of the items stays
    attribute = described()["TimeToLiveSpecification"]["AttributeName"]
    stored = boto3.client("dynamodb").scan(TableName=table)["Items"]
    times = {item["sk"]["S"].partition("#")[0]: item.get(attribute) for item in stored}
    expires = {"N": f"{T0 + 30 * DAY:.0f}"}
    assert times == {"history": expires, "profile": expires, "i": expires, "head": None}


def test_a_missing_table_is_named() -> None:
    missing = DynamoDbLiveStore(Table(AwsApi.open("dynamodb", "DynamoDB_20120810"), "absent"), read_seconds=10.0)
    with pytest.raises(AwsRefusal, match=r"ResourceNotFoundException\): check the table in LARDER_EVENTS_STORE"):
        missing.read("shop", "ada", None)
    with pytest.raises(StoreError, match="ResourceNotFoundException"):
        add(missing, event(1, user="ada"))
