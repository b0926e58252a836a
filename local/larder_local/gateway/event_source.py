"""Takes messages of the local queue to a function, as Lambda's event source mapping of SQS does, and its schedule.

Lambda calls the function with a batch, and deletes from the queue what is not in ``batchItemFailures``. What is not
deleted comes again when its time is over; after five times it is a dead letter.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import md5
from typing import Final

from larder.errors import LarderError
from larder.events.sqlite.queue import QueueMessage, SqliteQueue
from larder_local.gateway.cloudformation import ACCOUNT, REGION
from larder_local.gateway.pool import Busy
from larder_local.gateway.runtime_api import Failure

Invoke = Callable[[bytes], Awaitable[bytes | Failure]]
COMPACT: Final = b'{"task":"compact"}'
"""The event of the template's schedule."""
_BATCH: Final = 100  # messages, each of at most 256 KiB; on AWS they are at most 6 MB together
_MAX_BYTES: Final = 5 * 2**20
_VISIBILITY_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 0.5  # between two looks into an empty queue
_RETRY_SECONDS: Final = 5.0
_DAY_SECONDS: Final = 86400.0
_log = logging.getLogger("larder")


class EventSource:
    """Calls a function with the messages of a queue, and once a day with the event of its schedule."""

    def __init__(self, queue: SqliteQueue, invoke: Invoke) -> None:
        """Connect a queue.

        Args:
            queue: The queue.
            invoke: Calls the function with an event's JSON.
        """
        self._queue = queue
        self._invoke = invoke

    async def run(self) -> None:
        """Polls until it is cancelled. A failure is logged, and the messages come again."""
        compacted = -_DAY_SECONDS
        while True:
            pause = 0.0
            try:
                if await self.poll() == 0:
                    pause = _IDLE_SECONDS
                    if time.monotonic() - compacted >= _DAY_SECONDS:  # at the start, then daily
                        compacted = time.monotonic()
                        await self._invoke(COMPACT)
            except (LarderError, Busy) as error:
                _log.warning("The queue of events is polled again: %s", str(error) or "its function is busy")
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def poll(self) -> int:
        """Takes one batch to the function; returns the number of its messages. Raises StoreError or Busy."""
        messages = await asyncio.to_thread(self._queue.receive, _BATCH, _VISIBILITY_SECONDS)
        for batch in _batches(messages):
            answer = await self._invoke(sqs_event(batch, REGION))
            if isinstance(answer, Failure):
                continue  # the log of the function says why; all of it comes again
            failed = _failed(answer, batch)
            await asyncio.to_thread(self._queue.delete, [m.receipt for m in batch if m.id not in failed])
        return len(messages)


def _batches(messages: Sequence[QueueMessage]) -> list[list[QueueMessage]]:
    """The messages in batches that fit into an event."""
    batches: list[list[QueueMessage]] = []
    size = _MAX_BYTES
    for message in messages:
        length = 2 * len(message.body.encode())  # a JSON text in a JSON string: each quote becomes two characters
        if size + length > _MAX_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += length
    return batches


def sqs_event(messages: Sequence[QueueMessage], region: str) -> bytes:
    """The event that Lambda's event source mapping sends for these messages."""
    records = [
        {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.receives)},
            "messageAttributes": {},
            "md5OfBody": md5(message.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{region}:{ACCOUNT}:events",
            "awsRegion": region,
        }
        for message in messages
    ]
    return json.dumps({"Records": records}, ensure_ascii=False, separators=(",", ":")).encode()


def _failed(answer: bytes, batch: Sequence[QueueMessage]) -> set[str]:
    """The ids in ``batchItemFailures``; all of them if one is not of the batch, as Lambda has it."""
    everything = {message.id for message in batch}
    try:
        failed = {str(entry["itemIdentifier"]) for entry in json.loads(answer)["batchItemFailures"]}
    except (ValueError, KeyError, TypeError):
        return everything
    return everything if failed - everything else failed
