"""Events that are duplicate, late, out of order, of the future or too large: each as the table of the reference says.

Each goes through the events function, the queue, the function that writes the log, and its compaction.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.paths import ROOT
from tests.toys.event_rows import read_log
from tests.toys.http_calls import call
from tests.toys.live_store import open_served, publish
from tests.toys.shop import write_shop

from event_log import app as event_log
from events import app
from larder.events.settings import EventSettings, write_settings
from larder.events.sqlite import SqliteLiveStore, SqliteQueue
from larder.store import Store

__all__ = ["write_shop"]  # a fixture
DAY = 86400.0
PAGE = ROOT / "docs/reference/http-api.md"


class Context:
    """What Lambda passes beside the event."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        sent: Requests with events: id, seconds from now, and other fields. The log is compacted after each of them.
        counts: Of the last request: accepted, duplicates, refused.
        history: The items that the next recommendation considers, oldest first; an item has its event's id.
        log: The ids in the log after the compaction, in order of time.
        hint: A part of the message of what is refused.
    """

    sent: list[list[tuple[str, float, dict[str, object]]]]
    counts: tuple[int, int, int]
    history: list[str]
    log: list[str]
    hint: str = ""


def refused(seconds: float, hint: str, **fields: object) -> Case:
    """One event that is refused, beside one that is taken."""
    return Case([[("bad", seconds, fields), ("good", -60, {})]], (1, 0, 1), ["good"], ["good"], hint)


CASES = {
    "sent twice with one `id`, in one request or several": Case(
        [[("a", -60, {}), ("a", -60, {})], [("a", -60, {}), ("b", -50, {})]], (1, 1, 0), ["a", "b"], ["a", "b"]
    ),
    "one `id` with two times": Case([[("a", -60, {})], [("a", -2 * DAY, {})]], (0, 1, 0), ["a"], ["a", "a"]),
    "out of order": Case(
        [[("c", -10, {}), ("a", -30, {})], [("d", -5, {}), ("b", -20, {})]],
        (2, 0, 0),
        ["a", "b", "c", "d"],
        ["a", "b", "c", "d"],
    ),
    "late, up to 14 days": Case(
        [[("c", -10, {}), ("a", -DAY - 60, {})], [("b", -DAY, {})], [("old", 60 - 14 * DAY, {})]],
        (1, 0, 0),
        ["old", "a", "b", "c"],
        ["old", "a", "b", "c"],
    ),
    "more than 14 days ago": refused(-60 - 14 * DAY, "14 days ago"),
    "in the future, up to 5 minutes": Case([[("b", 240, {}), ("a", 0, {})]], (2, 0, 0), ["a", "b"], ["a", "b"]),
    "further in the future": refused(360, "check the sender's clock"),
    "an id or a type with more than 256 characters": refused(0, "type has 257 characters", type="x" * 257),
    "`properties` with more than 1,024 characters": refused(0, "more than 1024", properties={"text": "x" * 1025}),
    "more than 25 items in `impression`": refused(0, "impression has 26 entries", impression=["i"] * 26),
    "more than 500 in one request": Case(
        [[(f"e{number}", 0, {}) for number in range(501)]], (0, 0, 501), [], [], "at most 500"
    ),
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "events.db")


@pytest.fixture
def store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shop: Callable[..., Path], file: str
) -> Iterator[Store]:
    """The store of the functions, whose model ``shop`` takes events."""
    store = open_served(tmp_path, monkeypatch)
    for name in ("STORE", "QUEUE"):
        monkeypatch.setenv(f"LARDER_EVENTS_{name}", f"sqlite://{file}")
    publish(store, "shop", write_shop())
    write_settings(store, "shop", EventSettings(), None)
    for service in (app.service, event_log.service):
        service.reset()
    yield store
    for service in (app.service, event_log.service):
        service.reset()


def send(now: float, events: list[tuple[str, float, dict[str, object]]]) -> tuple[int, Any]:
    """The answer to one request."""
    common = {"type": "click", "user": "ada"}
    body = [{**common, "id": id_, "item": id_, "time": now + seconds, **fields} for id_, seconds, fields in events]
    return call(app.handler, "POST", "/v1/models/shop/events", {"events": body})


def write_log(file: str) -> None:
    """What the queue has comes to the log, which is compacted."""
    queue = SqliteQueue.open(file)
    messages = queue.receive(1000)
    records = [{"messageId": m.id, "eventSource": "aws:sqs", "body": m.body, "attributes": {}} for m in messages]
    if records:
        assert event_log.handler({"Records": records}, Context()) == {"batchItemFailures": []}
    queue.delete([message.receipt for message in messages])
    assert event_log.handler({"task": "compact"}, Context())["problems"] == []


@pytest.mark.parametrize("name", CASES)
def test_an_odd_event_is_treated_as_documented(store: Store, file: str, name: str) -> None:
    case, now = CASES[name], time.time()
    for events in case.sent:
        status, answer = send(now, events)
        write_log(file)

    if case.counts[0] or case.counts[1]:
        assert status == 200
        assert (answer["accepted"], answer["duplicates"], len(answer["refused"])) == case.counts
        assert all(case.hint in entry["message"] for entry in answer["refused"])
    else:  # the whole request is refused
        assert status == 400
        assert case.hint in answer["error"]["message"]
    live = SqliteLiveStore.open(file).read("shop", "ada", None).events
    assert [event.item for event in live] == case.history
    rows = sorted(read_log(store), key=lambda row: float(str(row["TIMESTAMP"])))
    assert [row["EVENT_ID"] for row in rows] == case.log


def test_the_table_of_the_reference_has_exactly_these_cases() -> None:
    table = re.search(r"^\| event \| answer \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert table
    assert [row.split(" | ")[0].removeprefix("| ") for row in table[1].splitlines()] == list(CASES)
