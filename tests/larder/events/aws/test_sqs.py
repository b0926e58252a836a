"""The queue in SQS, against an emulator."""

import json
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


def test_dead_letters_come_again(queue_url: str) -> None:
    # GIVEN 12 messages that were received too often
    client: Any = boto3.client("sqs")
    dead = client.create_queue(QueueName=f"{queue_url.rpartition('/')[2]}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    client.set_queue_attributes(QueueUrl=queue_url, Attributes={"RedrivePolicy": policy})
    rows = [LogRow("shop", "events", {"EVENT_ID": f"e{n}", "TIMESTAMP": 1.5}) for n in range(12)]
    for row in rows:
        SqsQueue.open(dead).send([row])
    # WHEN they are sent again THEN the queue has each once, and no dead letter is left
    queue = SqsQueue.open(queue_url)
    assert queue.redrive() == 12
    assert sorted(map(str, received(queue_url))) == sorted(map(str, rows))
    assert queue.redrive() == 0
    with pytest.raises(StoreError, match="The queue has no dead letters"):
        SqsQueue.open(dead).redrive()
