"""The queue in SQS, against an emulator."""

from typing import Any

import boto3
import pytest

from larder.errors import StoreError
from larder.events.aws.sqs import SqsQueue
from larder.events.base import LogRow
from larder.events.log.rows import parse_message
from larder.events.opening import open_queue


def received(url: str) -> list[LogRow]:
    client: Any = boto3.client("sqs")
    rows: list[LogRow] = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        rows += [row for message in messages for row in parse_message(message["Body"])]
    return rows


def test_rows_of_any_size_and_character_come_out_as_they_went_in(queue_url: str) -> None:
    queue = open_queue(queue_url)
    assert isinstance(queue, SqsQueue)
    rows = [
        LogRow("shop", "events", {"EVENT_ID": f"e{n}", "TIMESTAMP": 1.5, "ITEM_ID": "€\ufffe\u0001" * 300})
        for n in range(500)
    ]
    queue.send(rows)
    assert sorted((str(row.row["EVENT_ID"]), row) for row in received(queue_url)) == sorted(
        (str(row.row["EVENT_ID"]), row) for row in rows
    )


def test_a_missing_queue_is_an_error_that_says_what_to_check(queue_url: str) -> None:
    with pytest.raises(StoreError, match="check LARDER_EVENTS_QUEUE"):
        SqsQueue.open(f"{queue_url}-absent").send([LogRow("shop", "events", {"EVENT_ID": "e"})])
