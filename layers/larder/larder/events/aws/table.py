"""The table of live events: its keys and attributes, and the calls that its parts share.

::

    pk                      sk        attributes
    <model>#u#<user>        history   expires, k (events to keep), e#<hash>: an event, s#<hash>: a tied session
    <model>#s#<session>     history   expires, k, e#<hash>: an event, u: the user it is tied to
    <model>#u#<user>        profile   expires, d: the columns
    <model>#items           head      n: how often items were put, v: when last
    <model>#items           i#<hash>  expires, v: when it was put, d: the item

``expires`` is DynamoDB's TTL, named by template.yaml. ``<hash>`` stands for an id, which may be longer than a key and
would make an item, and thus each write, dearer. An event is ``[time, type, item]`` in JSON; a tied session is
``[since, session]``, or ``[since, null]`` if it is another user's.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from larder.errors import StoreError
from larder.events.aws.api import AwsApi
from larder.events.base import RecentEvent

WRITE_SECONDS: Final = 5.0
HISTORY: Final = "history"
PROFILE: Final = "profile"
HEAD: Final = "head"
EXPIRES: Final = "expires"
EVENT: Final = "e#"
SESSION: Final = "s#"
ITEM: Final = "i#"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_BATCH: Final = 25  # DynamoDB's limit of a BatchWriteItem

Key = tuple[str, str]
Attributes = Mapping[str, Any]
"""Attributes as DynamoDB writes them: ``{"k": {"N": "1"}}``."""


def user_key(model: str, user: str, sk: str = HISTORY) -> Key:
    """The key of what a user has."""
    return f"{model}#u#{user}", sk


def session_key(model: str, session: str) -> Key:
    """The key of a session's history."""
    return f"{model}#s#{session}", HISTORY


def items_key(model: str, sk: str = HEAD) -> Key:
    """The key of an item, or of the head of all."""
    return f"{model}#items", sk


def hashed(prefix: str, id_: str) -> str:
    """The name that stands for an id."""
    return prefix + urlsafe_b64encode(sha256(id_.encode("utf-8", "surrogatepass")).digest()[:12]).decode()


class History(NamedTuple):
    """A history as it is stored.

    Attributes:
        events: ``[time, type, item]`` in JSON, by the name that stands for the event's id.
        sessions: The sessions that were tied to the user, by name: since when, and the session; None if it is another
            user's.
        user: The user to whom a session is tied.
        keep: How many of the events count.
    """

    events: Mapping[str, str] = _NOTHING
    sessions: Mapping[str, tuple[float, str | None]] = _NOTHING
    user: str | None = None
    keep: int = 0

    def newest(self) -> list[str]:
        """The names of the events, newest first."""
        return [name for _, name in sorted(((parse_event(self.events[n]).time, n) for n in self.events), reverse=True)]

    def counted(self) -> dict[str, RecentEvent]:
        """The newest events, by name."""
        return {name: parse_event(self.events[name]) for name in self.newest()[: self.keep]}


def parse_event(text: str) -> RecentEvent:
    """The event of an attribute."""
    when, type_, item = json.loads(text)
    return RecentEvent(item, type_, when)


def parse_history(attributes: Attributes | None, now: float) -> History:
    """The history of an item; empty if there is none, or if it has expired and DynamoDB has not removed it yet."""
    if not attributes or is_expired(attributes, now):
        return History()
    events = {name: value["S"] for name, value in attributes.items() if name.startswith(EVENT)}
    ties = {name: json.loads(value["S"]) for name, value in attributes.items() if name.startswith(SESSION)}
    sessions: dict[str, tuple[float, str | None]] = {name: (since, session) for name, (since, session) in ties.items()}
    user = attributes["u"]["S"] if "u" in attributes else None
    return History(events, sessions, user, int(attributes.get("k", {"N": "0"})["N"]))


def is_expired(attributes: Attributes, now: float) -> bool:
    """Whether an item has expired."""
    return float(attributes[EXPIRES]["N"]) <= now if EXPIRES in attributes else False


class Update(NamedTuple):
    """An UpdateItem in the making.

    Attributes:
        values: Attributes to set.
        new: Attributes to set where the item has none of the name.
        removed: Names of attributes to remove.
    """

    values: Attributes = _NOTHING
    new: Attributes = _NOTHING
    removed: Sequence[str] = ()

    def expression(self) -> dict[str, Any]:
        """The fields of UpdateItem for it. Names are placeholders: they may be reserved, or have any character."""
        names = {f"#{at}": name for at, name in enumerate((*self.values, *self.new, *self.removed))}
        values = {f":{at}": value for at, value in enumerate((*self.values.values(), *self.new.values()))}
        sets = [f"#{at}=:{at}" for at in range(len(self.values))]
        sets += [f"#{at}=if_not_exists(#{at},:{at})" for at in range(len(self.values), len(values))]
        parts = [f"SET {','.join(sets)}"] if sets else []
        if self.removed:
            parts.append(f"REMOVE {','.join(list(names)[len(values) :])}")
        fields: dict[str, Any] = {"UpdateExpression": " ".join(parts), "ExpressionAttributeNames": names}
        return {**fields, "ExpressionAttributeValues": values} if values else fields


class Table:
    """The table. Every read is strongly consistent, so that an answer has each event that was acknowledged before."""

    def __init__(self, api: AwsApi, name: str, clock: Callable[[], float] = time.time) -> None:
        """Name the table.

        Args:
            api: DynamoDB.
            name: The table's name.
            clock: Epoch seconds, by which histories expire.
        """
        self.api: Final = api
        self.name: Final = name
        self.clock: Final = clock

    def update(self, key: Key, update: Update) -> Attributes:
        """Change an item, or create it; returns what it had before, empty if there was none."""
        fields = {**update.expression(), "ReturnValues": "ALL_OLD"}
        old: Attributes = self._call("UpdateItem", {"Key": _key(key), **fields}).get("Attributes") or {}
        return old

    def bump(self, key: Key, number: str, values: Attributes) -> None:
        """Add 1 to a number of an item, and set other attributes."""
        update = Update(values).expression()
        names, sets = {**update["ExpressionAttributeNames"], "#n": number}, update["ExpressionAttributeValues"]
        fields = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": {**sets, ":n": {"N": "1"}}}
        self._call(
            "UpdateItem", {"Key": _key(key), **fields, "UpdateExpression": update["UpdateExpression"] + " ADD #n :n"}
        )

    def put(self, items: Iterable[tuple[Key, Attributes]]) -> None:
        """Write items; a key that comes again replaces the one before."""
        unique = {key: {"PutRequest": {"Item": {**_key(key), **attributes}}} for key, attributes in items}
        self._write(list(unique.values()))

    def delete(self, keys: Iterable[Key]) -> None:
        """Delete items, whether they exist or not."""
        self._write([{"DeleteRequest": {"Key": _key(key)}} for key in dict.fromkeys(keys)])

    def get(self, keys: Iterable[Key], *, seconds: float = WRITE_SECONDS, again: bool = True) -> dict[Key, Attributes]:
        """The items of at most 100 keys, in one round trip if DynamoDB does not throttle; missing ones are left out."""
        wanted: Any = {self.name: {"Keys": [_key(key) for key in dict.fromkeys(keys)], "ConsistentRead": True}}
        found: dict[Key, Attributes] = {}
        end = time.monotonic() + seconds
        while wanted:
            left = max(0.001, end - time.monotonic())
            response = self.api.call("BatchGetItem", {"RequestItems": wanted}, seconds=left, again=again)
            for item in response["Responses"].get(self.name, ()):
                found[item["pk"]["S"], item["sk"]["S"]] = item
            if (wanted := response.get("UnprocessedKeys")) and not again:
                raise StoreError("DynamoDB throttles this table: send the request again later.")
        return found

    def query(self, index: str, pk: str, after: str) -> Iterable[Attributes]:
        """The items of a partition whose ``v`` is greater than ``after``, in its order."""
        fields: dict[str, Any] = {
            "IndexName": index,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND v > :after",
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":after": {"S": after}},
        }
        while True:
            response = self._call("Query", fields)
            yield from response["Items"]
            if not (last := response.get("LastEvaluatedKey")):
                return
            fields["ExclusiveStartKey"] = last

    def _write(self, requests: list[Any]) -> None:
        for start in range(0, len(requests), _BATCH):
            wanted: Any = {self.name: requests[start : start + _BATCH]}
            end = time.monotonic() + WRITE_SECONDS
            while wanted:
                left = end - time.monotonic()
                if left <= 0:
                    raise StoreError("DynamoDB throttles this table: send the request again later.")
                response = self.api.call("BatchWriteItem", {"RequestItems": wanted}, seconds=left)
                if wanted := response.get("UnprocessedItems"):
                    time.sleep(0.05)

    def _call(self, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.api.call(operation, {"TableName": self.name, **fields}, seconds=WRITE_SECONDS)


def _key(key: Key) -> dict[str, dict[str, str]]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
