"""Answers while the live store, a server of moto in a process of its own, is stopped and continues."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.functions.recommend.test_stored_filters import ask, ids, store
from tests.paths import ROOT

from larder.events.aws.api import AwsApi
from larder.events.aws.dynamodb import DynamoDbLiveStore
from larder.events.aws.table import Table
from larder.events.event import Event
from larder.events.live_reader import FAILURES
from larder.events.settings import EventSettings, write_settings
from larder.store import Store
from larder_local.gateway.cloudformation import read_template
from recommend import app

__all__ = ["store"]  # a fixture
RECOMMEND = "/v1/models/shop/recommend"
SECONDS = 60.0


@pytest.fixture
def port() -> int:
    """A free port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def server(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A server of moto."""
    process = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: can_connect(port))
        yield process
    finally:
        process.kill()
        process.wait(30)


@pytest.fixture
def live(
    server: "subprocess.Popen[bytes]", port: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DynamoDbLiveStore:
    """The live store of the function, whose model ``shop`` takes events."""
    assert server.poll() is None
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "toy",
        "AWS_SECRET_ACCESS_KEY": "toy",
        "AWS_REGION": "us-east-1",
        "LARDER_EVENTS_STORE": "dynamodb://live",
        "LARDER_EVENTS_QUEUE": f"sqlite://{tmp_path}/queue.db",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    template: Any = read_template(ROOT / "template.yaml")
    described = template["Resources"]["EventsTable"]["Properties"]
    keys = ("BillingMode", "AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes")
    client: Any = boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1")
    client.create_table(TableName="live", **{key: described[key] for key in keys})
    write_settings(store, "shop", EventSettings(), None)
    app.service.reset()
    return DynamoDbLiveStore(Table(AwsApi.open("dynamodb", "DynamoDB_20120810"), "live"), read_seconds=SECONDS)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def has_the_click() -> bool:
    return ids(ask("GET", RECOMMEND, {"user": "eve"}))[0] == "egg"


def failures(output: str) -> list[str]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [line["error"] for line in lines if line.get("LiveReadFailed")]


def test_answers_stop_waiting_for_a_stopped_store_and_find_it_again(
    server: "subprocess.Popen[bytes]", live: DynamoDbLiveStore, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a click that answers have
    live.add("shop", [Event("e1", "click", "fig", time.time(), "eve")], keep=50, seconds=3600)
    until(has_the_click)
    capsys.readouterr()

    # WHEN the store accepts connections and answers none
    server.send_signal(signal.SIGSTOP)
    answers = [ids(ask("GET", RECOMMEND, {"user": "eve"}))[0] for _ in range(20)]

    # THEN each answer is the release's and is counted, and only the first ones have waited
    assert answers == ["apple"] * 20
    errors = failures(capsys.readouterr().out)
    assert len(errors) == 20
    assert "CircuitOpen" not in errors[:FAILURES]
    assert errors[FAILURES:] == ["CircuitOpen"] * (20 - FAILURES)

    # AND when it continues, an answer finds out
    server.send_signal(signal.SIGCONT)
    until(has_the_click)
