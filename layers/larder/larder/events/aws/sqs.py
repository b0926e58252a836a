"""The queue to the log in SQS."""

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from larder.errors import StoreError
from larder.events.aws.api import AwsApi
from larder.events.base import LogRow
from larder.events.messages import encode_rows

SEND_SECONDS: Final = 5.0
"""The time of one message, with connecting and all attempts."""


class SqsQueue:
    """The way to the log; see ``larder.events.base.LogQueue``. A message that is sent again comes twice."""

    def __init__(self, api: AwsApi, url: str, seconds: float = SEND_SECONDS) -> None:
        """Use a queue.

        Args:
            api: SQS in the queue's region.
            url: The queue's URL.
            seconds: The time of one message.
        """
        self._api = api
        self._url = url
        self._seconds = seconds

    @classmethod
    def open(cls, url: str) -> "SqsQueue":
        """The queue of a URL, in the environment's region; raises StoreError. Connects at the first call."""
        parts = urlsplit(url)
        return cls(AwsApi.open("sqs", "AmazonSQS", endpoint=f"{parts.scheme}://{parts.netloc}"), url)

    def connect(self) -> None:
        """Connect, so that the first ``send`` does not wait for it; raises StoreError."""
        self._api.connect()

    def close(self) -> None:
        """Close its connections; the next call opens new ones."""
        self._api.close()

    def send(self, rows: Sequence[LogRow]) -> None:
        """See ``LogQueue.send``: SQS has each message on several disks when it responds."""
        for body in encode_rows(rows):
            document = {"QueueUrl": self._url, "MessageBody": body}
            response = self._api.call("SendMessage", document, seconds=self._seconds)
            if "MessageId" not in response:
                raise StoreError("SQS did not name the message that it took: check LARDER_EVENTS_QUEUE.")

    def redrive(self) -> int:
        """Send the dead letters to the queue again; returns their number.

        A dead letter is deleted after the queue has it: one that is sent twice because this ends in between is one row
        in the log. Raises StoreError, also for a queue without dead letters.
        """
        dead, count = self._dead_letters(), 0
        while messages := self._on(dead, "ReceiveMessage", MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
            for message in messages:
                self._on(self._url, "SendMessage", MessageBody=message["Body"])
                self._on(dead, "DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
                count += 1
        return count

    def _dead_letters(self) -> str:
        """The URL of the queue's dead letters."""
        attributes = self._on(self._url, "GetQueueAttributes", AttributeNames=["RedrivePolicy"]).get("Attributes") or {}
        if "RedrivePolicy" not in attributes:
            raise StoreError("The queue has no dead letters: give the URL of the stack's EventsQueue.")
        account, name = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].split(":")[4:]
        found = {"QueueName": name, "QueueOwnerAWSAccountId": account}
        url: str = self._api.call("GetQueueUrl", found, seconds=self._seconds)["QueueUrl"]
        return url

    def _on(self, url: str, operation: str, **fields: object) -> dict[str, Any]:
        return self._api.call(operation, {"QueueUrl": url, **fields}, seconds=self._seconds)
