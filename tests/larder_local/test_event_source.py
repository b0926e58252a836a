"""The local queue reaches the log through a real gateway and a real worker of the function that writes it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from tests.paths import ROOT
from tests.toys.event_rows import event, ids

from larder.events.base import LogRow
from larder.events.sqlite import SqliteQueue
from larder.store import open_store
from larder_local.gateway.event_source import COMPACT, EventSource
from larder_local.gateway.runtime_api import Failure
from larder_local.gateway.server import Gateway
from larder_local.gateway.template import Function, Template

INVALID = LogRow("shop", "events", {"EVENT_ID": "without a time"})


@pytest.fixture
def queue(tmp_path: Path) -> SqliteQueue:
    return SqliteQueue.open(str(tmp_path / "events.db"))


def event_log(store: str) -> Function:
    """The function of the template, with the store of the test."""
    layer = ROOT / "layers" / "larder"
    return Function("EventLog", "app.handler", ROOT / "functions/event_log", (layer,), {"LARDER_STORE": store}, 60, 512)


async def with_gateway(
    folder: Path, queue: SqliteQueue, use: Callable[[EventSource, Gateway], Awaitable[None]]
) -> None:
    function = event_log(f"file://{folder}/store")
    gateway = Gateway(Template({function.name: function}, ()), logs=folder / "logs", workers=1)
    await gateway.start(0)
    try:
        await use(EventSource(queue, lambda payload: gateway.invoke("EventLog", payload)), gateway)
    finally:
        await gateway.close()


def test_messages_reach_the_log_and_leave_the_queue(tmp_path: Path, queue: SqliteQueue) -> None:
    # GIVEN two messages, and one that the function cannot read
    for rows in ([event(1), event(2)], [INVALID], [event(3)]):
        queue.send(rows)

    async def use(source: EventSource, gateway: Gateway) -> None:
        assert await source.poll() == 3
        await gateway.invoke("EventLog", COMPACT)

    asyncio.run(with_gateway(tmp_path, queue, use))

    # THEN the events are in the log, and only the unreadable message waits to come again
    assert ids(open_store(f"file://{tmp_path}/store")) == ["e1", "e2", "e3"]
    assert (queue.counts().waiting, queue.counts().in_flight) == (0, 1)


@pytest.mark.parametrize(
    "answer",
    [
        Failure.HANDLER,
        b"null",
        b"[]",
        b'{"errorMessage": "x"}',
        b'{"batchItemFailures": [{"itemIdentifier": "of another batch"}]}',
        b'{"batchItemFailures": [{}]}',
    ],
)
def test_nothing_is_deleted_unless_the_function_says_what_failed(queue: SqliteQueue, answer: bytes | Failure) -> None:
    queue.send([event(1)])

    async def invoke(_: bytes) -> bytes | Failure:
        return answer

    assert asyncio.run(EventSource(queue, invoke).poll()) == 1
    assert queue.counts().in_flight == 1


def test_a_batch_is_what_lambda_sends_and_fits_into_an_event(queue: SqliteQueue) -> None:
    # GIVEN more bytes than one event holds
    seen: list[Mapping[str, object]] = []
    big = LogRow("shop", "events", {**event(1).row, "PROPERTIES": "x" * 200_000})
    for _ in range(40):
        queue.send([big])

    async def invoke(payload: bytes) -> bytes:
        assert len(payload) < 6 * 2**20
        seen.extend(json.loads(payload)["Records"])
        return b'{"batchItemFailures": []}'

    asyncio.run(EventSource(queue, invoke).poll())

    assert len({record["messageId"] for record in seen}) == 40
    assert {record["eventSource"] for record in seen} == {"aws:sqs"}
    counts = queue.counts()
    assert (counts.waiting, counts.in_flight, counts.dead) == (0, 0, 0)
