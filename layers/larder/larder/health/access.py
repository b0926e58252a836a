"""How the heartbeat is let in through the public URL: by an API key, by a signature of its role, or without either.

No message and no log has the secret.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from larder.auth.keys import DOCUMENT, parse_entries, parse_entry
from larder.auth.signatures.signing import SigningScope, amz_date, authorization
from larder.errors import MissingObject, Unauthorized
from larder.events.aws.credentials import CredentialSource
from larder.store import Store

_REMEDY: Final = (
    "make one, larder keys add --signing --description heartbeat 'classify:*' 'recommend:*' --store s3://<Bucket>, and "
    "give its id to the parameter HeartbeatKey."
)
NO_KEY: Final = json.dumps({"level": "WARNING", "reason": f"Models are not asked, for want of a key: {_REMEDY}"})
"""The line of the log where callers need keys and the heartbeat has none."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request before it is sent; it is a ``larder.auth.request.SignedRequest``.

    Attributes:
        method: The HTTP method.
        path: The path.
        raw_query: The query string.
        headers: The headers, by lower-case name, with ``host``.
        body: The body.
    """

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def raw_body(self) -> bytes:
        """The body."""
        return self.body


Access: TypeAlias = Callable[[Outgoing], Mapping[str, str]]
"""The headers that let a request in, in addition to its own."""


def open_access(_: Outgoing) -> Mapping[str, str]:
    """For a service that lets everyone in."""
    return {}


def key_access(text: str) -> Access:
    """By an API key, ``<id>.<secret>``."""
    return lambda _: {"x-api-key": text}


def role_access(region: str, credentials: CredentialSource, clock: Callable[[], float] = time.time) -> Access:
    """By AWS's Signature Version 4, for API Gateway's authorization by IAM."""

    def headers(request: Outgoing) -> Mapping[str, str]:
        found = credentials.get()
        added = {"x-amz-date": amz_date(clock())}
        if found.token:
            added["x-amz-security-token"] = found.token
        signed = Outgoing(request.method, request.path, request.raw_query, {**request.headers, **added}, request.body)
        scope = SigningScope(region, "execute-api")
        return {**added, "authorization": authorization(signed, scope, found.key_id, found.secret)}

    return headers


def stored_key(store: Store, key_id: str, now: float) -> str:
    """The text of the key with this id, from the document of keys.

    Raises:
        Unauthorized: there is no such key, it has ended, or the document does not have its secret.
        InvalidKeys: the document breaks its format.
        StoreError: the store failed.
    """
    try:
        entries = parse_entries(store.get(DOCUMENT).data)
    except MissingObject:
        entries = {}
    if key_id not in entries:
        raise Unauthorized(f"The heartbeat's key {key_id} does not exist: {_REMEDY}", "unknown")
    key = parse_entry(key_id, entries[key_id])
    if key.state(now) != "active":
        raise Unauthorized(f"The heartbeat's key {key_id} is {key.state(now)}: {_REMEDY}", "expired")
    for secret in key.valid_secrets(now):
        if secret.plain:
            return f"{key_id}.{secret.plain}"
    raise Unauthorized(f"The heartbeat's key {key_id} was made without --signing, so its secret is unknown: {_REMEDY}")
