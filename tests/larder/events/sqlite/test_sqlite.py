"""The live store and the queue in SQLite: ids of every kind, order, bounds, sessions that log in, expiry, processes."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.larder.events.live_store_contract import DAY, T0, Clock, LiveStoreContract, add, event, items

from larder.errors import StoreError
from larder.events.base import LiveItem, LogRow, Recent
from larder.events.log.rows import parse_message
from larder.events.messages import MAX_BYTES, encode_rows
from larder.events.opening import open_live_store, open_queue
from larder.events.sqlite import SqliteLiveStore, SqliteQueue
from larder.events.sqlite.database import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(tmp_path: Path, clock: Clock) -> SqliteLiveStore:
    return SqliteLiveStore(Database.at(str(tmp_path / "events.db"), durable=False), clock)


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> SqliteQueue:
    return SqliteQueue(Database.at(str(tmp_path / "events.db"), durable=True), clock)


class TestContract(LiveStoreContract):
    """SQLite keeps it."""


def test_a_history_keeps_the_newest(live: SqliteLiveStore) -> None:
    numbers = random.Random(1).sample(range(300), 300)
    for start in range(0, 300, 40):
        add(live, *(event(number, user="ada") for number in numbers[start : start + 40]), keep=5)
    assert items(live.read("shop", "ada", None)) == [f"i{number}" for number in range(295, 300)]


def test_what_has_expired_does_not_exist(live: SqliteLiveStore, clock: Clock) -> None:
    add(live, event(1, user="ada"))
    live.put_users("shop", {"ada": {"CITY": "Berlin"}}, seconds=DAY)
    live.put_items("shop", [LiveItem("n1", {}, T0)], seconds=DAY)
    clock.now += 31 * DAY
    assert (live.read("shop", "ada", None).events, live.read("shop", "ada", None).profile) == ((), {})
    assert live.items("shop")[0] == []


def test_profiles_are_replaced_exported_and_deleted(live: SqliteLiveStore, tmp_path: Path) -> None:
    live.put_users("shop", {"ada": {"CITY": "Bonn"}}, seconds=DAY)
    live.put_users("shop", {"ada": {"CITY": "Köln"}}, seconds=DAY)
    add(live, event(1, session="v1"), event(2, user="ada", session="v1"))
    export = live.export_user("shop", "ada")
    assert (export.profile, export.sessions, len(export.events)) == ({"CITY": "Köln"}, ("v1",), 2)
    live.delete_user("shop", "ada")
    assert live.read("shop", "ada", "v1") == Recent()
    # AND no byte of the id is in any file, while the store is open
    assert not any(b"ada" in path.read_bytes() for path in tmp_path.iterdir())


def test_new_items_are_read_once_changed(live: SqliteLiveStore) -> None:
    assert live.items("shop") == ([], "")
    put = [LiveItem(f"n{number}", {"PRICE": 1.5}, T0, (("i1", 0.75), ("i2", 0.25))) for number in range(3)]
    live.put_items("shop", put, seconds=DAY)
    found, version = live.items("shop")
    assert found == put
    assert live.read("shop", None, "v").items_version == version
    assert live.items("shop", version) == ([], version)
    live.put_items("shop", [LiveItem("n1", {}, T0 + 1)], seconds=DAY)
    assert [item.id for item in live.items("shop", version)[0]] == ["n1"]
    assert len(live.items("shop")[0]) == 3


ROW = LogRow("shop", "events", {"EVENT_ID": "e1", "TIMESTAMP": T0, "ITEM_ID": "€\ufffe"})


def test_a_message_comes_again_until_it_is_deleted_or_dead(queue: SqliteQueue, clock: Clock) -> None:
    queue.send([ROW])
    for attempt in range(1, 6):
        (message,) = queue.receive(visibility_seconds=60)
        assert (parse_message(message.body), message.receives) == ([ROW], attempt)
        assert queue.receive() == []
        assert queue.counts().in_flight == 1
        clock.now += 60
    # WHEN it has come five times THEN it is a dead letter until it is let in again
    assert queue.receive() == []
    assert queue.counts().dead == 1
    assert queue.redrive() == 1
    (message,) = queue.receive()
    queue.delete([message.receipt])
    assert queue.counts() == type(queue.counts())(0, 0, 0)


def test_a_receipt_is_void_once_the_message_came_again(queue: SqliteQueue, clock: Clock) -> None:
    queue.send([ROW])
    (first,) = queue.receive(visibility_seconds=1)
    clock.now += 2
    (second,) = queue.receive()
    queue.delete([first.receipt])
    assert queue.counts().in_flight == 1
    queue.delete([second.receipt])
    assert queue.counts().in_flight == 0


def test_rows_are_packed_into_messages_that_sqs_takes() -> None:
    rows = [LogRow("shop", "events", {"EVENT_ID": f"e{n}", "TIMESTAMP": T0, "TEXT": "€" * 1000}) for n in range(500)]
    bodies = encode_rows(rows)
    assert max(len(body.encode()) for body in bodies) <= MAX_BYTES
    assert len(bodies) < 8
    assert [row for body in bodies for row in parse_message(body)] == rows


SENDER = """
import sys
from larder.events.base import LogRow
from larder.events.sqlite import SqliteQueue
queue, number = SqliteQueue.open(sys.argv[1]), 0
while True:
    queue.send([LogRow("shop", "events", {"EVENT_ID": f"e{number}", "TIMESTAMP": 1.0})])
    print(f"e{number}", flush=True)
    number += 1
"""


def test_what_was_acknowledged_survives_the_death_of_the_sender(tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    for _ in range(3):
        # WHEN a sender is killed while it sends
        command = [sys.executable, "-c", SENDER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:  # noqa: S603  # the text above
            assert sender.stdout is not None
            acknowledged = {sender.stdout.readline().strip() for _ in range(50)}
            sender.kill()
            acknowledged |= set(sender.stdout.read().split("\n")[:-1])
        # THEN everything that it was sure of is there
        queue = SqliteQueue.open(path)
        messages = queue.receive(100_000)
        rows = [row for message in messages for row in parse_message(message.body)]
        assert acknowledged <= {str(row.row["EVENT_ID"]) for row in rows}
        queue.delete([message.receipt for message in messages])
        queue.close()


def test_other_urls_and_formats_are_refused(tmp_path: Path) -> None:
    for url in ("", "sqlite://x", "redis://x"):
        with pytest.raises(StoreError, match="use"):
            open_live_store(url)
        with pytest.raises(StoreError, match="use"):
            open_queue(url)
    assert isinstance(open_live_store(f"sqlite://{tmp_path}/a.db"), SqliteLiveStore)
    assert isinstance(open_queue(f"sqlite://{tmp_path}/a.db"), SqliteQueue)
    with Database.at(str(tmp_path / "a.db"), durable=False).writing() as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="format"):
        open_live_store(f"sqlite://{tmp_path}/a.db")
