"""A removed user leaves no byte: neither in the live store nor in any object, after a training without them."""

import csv
import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.toys.http_calls import call
from tests.toys.live_store import open_served, publish

from event_log import app as event_log
from events import app
from larder.events.base import LogRow
from larder.events.log.parts import write_parts
from larder.events.settings import EventSettings, write_settings
from larder.events.sqlite import SqliteQueue
from larder.store import Store
from larder.tables import hash_key
from larder_local.gateway.event_source import sqs_event
from larder_training import train_recommender
from larder_training.datasets.synthetic_shop import generate

ANN, VISIT = "ann-7f3a9c", "visit-51d0e8"
QUICK = {"trials": 2, "reranker": "never", "without": ["pure_svd", "als", "bpr", "user_ease"], "quiet": True}


@dataclass(frozen=True)
class Context:
    """What Lambda passes beside the event."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A shop that takes events, with a log of 200 other users up to now."""
    store = open_served(tmp_path, monkeypatch)
    for name in ("STORE", "QUEUE"):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{tmp_path}/events.db")
    for service in (app.service, event_log.service):
        service.reset()
    write_settings(store, "shop", EventSettings(tracking_id="t"), None)
    with generate(tmp_path / "shop", users=200, items=80, days=40, seed=3).interactions.open() as file:
        rows = list(csv.DictReader(file))
    shift = time.time() - max(float(row["TIMESTAMP"]) for row in rows)
    write_parts(
        store,
        [
            LogRow(
                "shop",
                "events",
                {
                    "EVENT_ID": f"e{number}",
                    "USER_ID": row["USER_ID"],
                    "ITEM_ID": row["ITEM_ID"],
                    "EVENT_TYPE": row["EVENT_TYPE"],
                    "TIMESTAMP": float(row["TIMESTAMP"]) + shift,
                },
            )
            for number, row in enumerate(rows)
        ],
    )
    yield store
    for service in (app.service, event_log.service):
        service.reset()


def ask(method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  # any JSON
    event = {"pathParameters": {"user": ANN}} if "users" in path else {}
    status, answer = call(lambda sent, context: app.handler({**sent, **event}, context), method, path, body)
    assert status < 300, answer
    return answer


def log_all(file: str) -> None:
    """What the queue has comes to the log, and the log is compacted."""
    queue = SqliteQueue.open(file)
    while messages := queue.receive(100):
        event_log.handler(json.loads(sqs_event(messages, "eu-central-1")), Context())
        queue.delete([message.receipt for message in messages])
    assert event_log.handler({"task": "compact"}, Context())["problems"] == []


def trained(store: Store, folder: Path, revision: int) -> str:
    log = folder / "store/logs/shop/events"
    release = train_recommender(str(log), model="shop", out=folder / f"out{revision}", **QUICK)  # type: ignore[arg-type]  # one mapping for all options
    publish(store, "shop", Path(release.path), revision)
    return Path(release.path).name


def holding(store: Store, text: str) -> set[str]:
    """The keys of the objects that have the text, or the hash by which releases know it, compressed or not."""
    found = set()
    for entry in store.list():
        data = store.get(entry.key).data
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        hashed = hash_key(text).to_bytes(8, "little")
        if text.encode() in data or hashed in data or text in entry.key:
            found.add(entry.key)
    return found


def in_file(path: Path, text: str) -> bool:
    """Whether SQLite's file, or one beside it, has the text."""
    return any(text.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_no_byte_of_a_removed_user_is_left_in_any_object(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    # GIVEN a user who clicked as a visitor, logged in and clicked on, and the release that was trained on that
    now = time.time()
    clicks = [
        {"type": "click", "item": f"p{number:04d}", "time": now - 86400 * (12 - number % 12) + number, "user": ANN}
        for number in range(30)
    ]
    clicks[0] = {**clicks[0], "user": None, "session_id": VISIT}
    clicks[12] = {**clicks[12], "session_id": VISIT}
    assert ask("POST", "/v1/models/shop/events", {"events": clicks})["accepted"] == 30
    log_all(str(file))
    old = trained(store, tmp_path, 1)
    keys = holding(store, ANN)
    assert f"models/shop/releases/{old}/users.safetensors" in keys
    assert any(key.startswith("logs/shop/events/") for key in keys)
    assert in_file(file, ANN)

    # WHEN they are removed, the log is compacted, the model is trained again, and the old release is removed
    receipt = ask("DELETE", f"/v1/users/{ANN}")
    assert not in_file(file, ANN)
    assert not in_file(file, VISIT)
    log_all(str(file))
    time.sleep(1.1)  # releases are named by the second
    new = trained(store, tmp_path, 2)
    state = ask("GET", f"/v1/deletions/{receipt['receipt']}")
    assert [entry["release"] for entry in state["releases"]] == [old]
    for entry in list(store.list(f"models/shop/releases/{old}/")):
        store.delete(entry.key)

    # THEN no object has a byte of their ids, the receipt is done, and the new release has the others
    assert (holding(store, ANN), holding(store, VISIT)) == (set(), set())
    assert ask("GET", f"/v1/deletions/{receipt['receipt']}")["done"]
    assert f"models/shop/releases/{new}/users.safetensors" in holding(store, "u0115")
