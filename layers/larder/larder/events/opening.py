"""Open the live store and the queue of a URL."""

from typing import Final

from larder.errors import StoreError
from larder.events.base import LiveStore, LogQueue

_LIVE: Final = "use dynamodb://table or sqlite:///file"
_QUEUE: Final = "use the URL of an SQS queue, or sqlite:///file"


def open_live_store(url: str) -> LiveStore:
    """The live store of ``dynamodb://table`` or ``sqlite:///file``; raises StoreError for another URL."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/"):
        from larder.events.sqlite import SqliteLiveStore  # each environment needs one store

        return SqliteLiveStore.open(rest)
    if scheme == "dynamodb" and rest:
        from larder.events.aws import DynamoDbLiveStore

        return DynamoDbLiveStore.open(rest)
    raise StoreError(f"{url[:80]!r} is not a store of live events: {_LIVE}.")


def open_queue(url: str) -> LogQueue:
    """The queue of an SQS queue's URL or ``sqlite:///file``; raises StoreError for another URL."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/"):
        from larder.events.sqlite import SqliteQueue  # each environment needs one queue

        return SqliteQueue.open(rest)
    if scheme in ("https", "http") and rest:
        from larder.events.aws import SqsQueue

        return SqsQueue.open(url)
    raise StoreError(f"{url[:80]!r} is not a queue of events: {_QUEUE}.")
