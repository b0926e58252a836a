"""A deleted user leaves the log: no byte of their id stays, and others' rows do."""

import gzip
import json

import pytest
from tests.toys.event_rows import DAY, event, ids, read_log

from larder.errors import StoreError
from larder.events.base import LogRow
from larder.events.log.compaction import compact
from larder.events.log.deletions import KEY, read_deletions, request_deletion
from larder.events.log.forgetting import forget
from larder.events.log.parts import write_parts
from larder.store import Blob, Store, open_store

ANN, VISIT = "ann@example.org", "visit-of-ann"
ASKED = DAY + 86400.0 * 3


@pytest.fixture
def store() -> Store:
    """A log with two users, one of whom has a session that began anonymous, over two days and all kinds of rows."""
    store = open_store("memory://")
    rows = [
        event(1, 1.0, user=None, session=VISIT),
        event(2, 2.0, user=ANN, session=VISIT),
        event(3, 3.0, user="bob", session="other"),
        event(4, 86400.0, user=None, session=VISIT),
        event(5, 86401.0, user="bob"),
        LogRow("shop", "users", {"USER_ID": ANN, "TIMESTAMP": DAY, "AGE": 30}),
        LogRow("shop", "users", {"USER_ID": "bob", "TIMESTAMP": DAY, "AGE": 31}),
        LogRow("shop", "recommendations", {"RECOMMENDATION_ID": "r1", "TIMESTAMP": DAY, "USER_ID": ANN}),
        LogRow("shop", "recommendations", {"RECOMMENDATION_ID": "r2", "TIMESTAMP": DAY, "SESSION_ID": VISIT}),
        LogRow("shop", "recommendations", {"RECOMMENDATION_ID": "r3", "TIMESTAMP": DAY, "USER_ID": "bob"}),
        LogRow("shop", "items", {"ITEM_ID": "i1", "TIMESTAMP": DAY}),
    ]
    write_parts(store, rows)
    compact(store)
    return store


def holding(store: Store, text: str) -> list[str]:
    """The keys of the objects that have these bytes, in a compressed one too."""
    found = []
    for entry in store.list():
        data = store.get(entry.key).data
        data = gzip.decompress(data) if entry.key.endswith(".gz") else data
        found += [entry.key] if text.encode() in data or text in entry.key else []
    return found


def test_no_byte_of_a_deleted_user_is_left_and_others_stay(store: Store) -> None:
    assert len(holding(store, ANN)) == 3
    request_deletion(store, ANN, ["shop"], live=ASKED, now=ASKED)

    assert forget(store) == 1

    # THEN neither the id nor the session is in any object
    assert (holding(store, ANN), holding(store, VISIT)) == ([], [])
    assert ids(store) == ["e3", "e5"]
    assert [row["USER_ID"] for row in read_log(store, "users")] == ["bob"]
    assert [row["RECOMMENDATION_ID"] for row in read_log(store, "recommendations")] == ["r3"]
    assert len(read_log(store, "items")) == 1


def test_the_receipt_says_what_is_done_without_the_id(store: Store) -> None:
    request_deletion(store, ANN, ["shop"], live=ASKED, now=ASKED)
    open_entry = read_deletions(store).of(ANN)
    forget(store)
    done = read_deletions(store).of(ANN)

    assert open_entry is not None
    assert done is not None
    assert (open_entry.asked, open_entry.live, open_entry.log, open_entry.user) == (ASKED, ASKED, None, ANN)
    assert (done.asked, done.live, done.user) == (ASKED, ASKED, None)
    assert done.log is not None
    assert read_deletions(store).of("bob") is None


def test_rows_that_come_late_are_removed_and_those_of_a_user_who_comes_back_stay(store: Store) -> None:
    # GIVEN a user who was removed
    request_deletion(store, ANN, ["shop"], live=ASKED, now=ASKED)
    forget(store)

    # WHEN the queue delivers old events again, and the user comes back
    write_parts(store, [event(2, 2.0, user=ANN, session=VISIT), event(1, 1.0, user=None, session=VISIT)])
    write_parts(store, [event(9, 86400.0 * 3 + 60, user=ANN)])
    compact(store)

    assert ids(store) == ["e3", "e5", "e9"]


def test_the_log_is_read_for_an_open_deletion_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    request_deletion(store, ANN, ["shop"], live=ASKED, now=ASKED)
    read: list[str] = []
    get = store.get

    def recorded(key: str) -> Blob:
        read.append(key)
        return get(key)

    monkeypatch.setattr(store, "get", recorded)
    forget(store)
    days = [entry.key for entry in store.list("logs/shop/") if "/items/" not in entry.key]
    assert set(days) <= set(read)
    read.clear()
    forget(store)
    assert read == [KEY]


def test_another_model_keeps_its_log(store: Store) -> None:
    write_parts(store, [LogRow("cinema", "events", event(1, user=ANN).row)])
    request_deletion(store, ANN, ["shop"], live=None, now=ASKED)
    forget(store)
    assert [row["USER_ID"] for row in read_log(store, model="cinema")] == [ANN]


def test_a_run_without_time_leaves_the_deletion_open(store: Store) -> None:
    request_deletion(store, ANN, ["shop"], live=None, now=ASKED)
    assert forget(store, seconds_left=lambda: 1.0) == 0
    assert forget(store) == 1
    assert holding(store, ANN) == []


def test_who_asks_twice_has_one_receipt_for_all_models(store: Store) -> None:
    request_deletion(store, ANN, ["shop"], live=None, now=ASKED)
    again = request_deletion(store, ANN, ["cinema"], live=None, now=ASKED + 1)
    assert again.models == ("cinema", "shop")
    assert len(read_deletions(store).entries) == 1


@pytest.mark.parametrize("data", [b"x", b"{}", b'{"format": 2}', b'{"format": 1, "salt": "", "deletions": [{}]}'])
def test_a_document_that_cannot_be_read_is_an_error(store: Store, data: bytes) -> None:
    store.put(KEY, data)
    with pytest.raises(StoreError, match=r"logs/deletions\.json"):
        forget(store)


def test_the_document_is_json_with_times_and_hashes(store: Store) -> None:
    request_deletion(store, ANN, ["shop"], live=None, now=ASKED)
    forget(store)
    (entry,) = json.loads(store.get(KEY).data)["deletions"]
    assert set(entry) == {"receipt", "models", "asked", "live", "log", "user", "subjects"}
    assert len(entry["subjects"]) == 2
