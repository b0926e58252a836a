"""The credentials of the process, read for each call, because Lambda and developers renew them."""

import os
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, NamedTuple

from larder.errors import StoreError
from larder.store.credentials import container_credentials

_RENEW_SECONDS: Final = 300  # before they expire


class Credentials(NamedTuple):
    """What signs a request.

    Attributes:
        key_id: The id of the key.
        secret: Its secret.
        token: The session token; empty for a key that does not expire.
    """

    key_id: str
    secret: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials({self.key_id!r})"  # no log has the secret


class CredentialSource:
    """Credentials from the environment, or from Lambda's endpoint in a function with SnapStart. Thread-safe."""

    def __init__(self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time) -> None:
        self._environment = environment
        self._clock = clock
        self._lock = Lock()
        self._fetched: tuple[Credentials, float] | None = None

    def get(self) -> Credentials:
        """The credentials that are valid now; raises StoreError if there are none."""
        environment = self._environment
        key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        if key_id and secret:
            return Credentials(key_id, secret, environment.get("AWS_SESSION_TOKEN", ""))
        with self._lock:
            if self._fetched is None or self._clock() > self._fetched[1] - _RENEW_SECONDS:
                self._fetched = self._fetch()
            return self._fetched[0]

    def _fetch(self) -> tuple[Credentials, float]:
        fetch = container_credentials(self._environment)
        if fetch is None:
            raise StoreError("AWS credentials are missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
        try:
            found = fetch()
        except OSError as error:
            raise StoreError("Lambda's endpoint of credentials does not respond: send the request again.") from error
        expires = found["expires_at"]
        if expires is None:
            raise StoreError("Lambda's endpoint of credentials states no expiration: send the request again.")
        credentials = Credentials(found["access_key_id"], found["secret_access_key"], found["token"] or "")
        return credentials, expires.timestamp()
