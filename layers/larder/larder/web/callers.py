"""Who may call a function: the holders of the store's keys, or everyone."""

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from larder.auth import ANYONE, Authenticator, Caller, KeyRing, parse_scope
from larder.auth.key_ring import REFRESH_SECONDS
from larder.errors import LarderError
from larder.runtime.settings import Settings
from larder.store import Store
from larder.web.bootstrap import Service

if TYPE_CHECKING:  # a function preloads its model before it imports what reads requests
    from larder.web.request import Request

_DIRECT: Final = "larder"
_MIN_SECONDS: Final = 1.0  # where releases are looked for at each request, as on a developer's machine


class Callers:
    """The callers of one function, by the settings and the store of its service. Thread-safe."""

    def __init__(self, service: Service[Settings, Any]) -> None:
        """Read nothing yet: a function that starts without a store can say so in its first answer."""
        self._service = service
        self._lock = Lock()  # the thread that preloads and the first request use the same keys
        self._store: Store | None = None
        self._keys: tuple[KeyRing, Authenticator] | None = None

    def authenticate(self, request: "Request") -> Caller:
        """The caller of a request.

        Who invokes the function itself, by IAM, may state scopes where a front door states what its authorizer found
        out, as the rollout does. No front door lets a caller do so.

        Raises:
            Unauthorized, TooManyRequests, StoreError, InvalidKeys: see ``Authenticator.authenticate``.
            SettingsError: the environment is invalid.
        """
        if not self._service.settings.checks_keys:
            return ANYONE
        direct = request.http.authorizer.get(_DIRECT)
        if isinstance(direct, dict):
            return Caller(None, tuple(parse_scope(str(scope)) for scope in direct.get("scopes", ())))
        return self.authenticator.authenticate(request)

    @property
    def authenticator(self) -> Authenticator:
        """What verifies keys, for protocols that issue tokens."""
        return self._open()[1]

    def preload(self) -> None:
        """Read the keys, and load what verifies signatures if a key can sign, so that the first request need not wait.

        Never raises: that request reports errors.
        """
        try:
            if not self._service.settings.checks_keys:
                return
            ring, _ = self._open()
        except LarderError:
            return
        ring.preload()
        if ring.has_signing_keys:
            import larder.auth.signatures.sigv4  # noqa: F401  # while the model downloads

    def renew(self) -> None:
        """Read the keys again before their next use, for a process that is restored from a snapshot."""
        if self._keys is not None:
            self._keys[0].renew()

    def _open(self) -> tuple[KeyRing, Authenticator]:
        store = self._service.store
        with self._lock:
            if self._keys is None or store is not self._store:  # a test resets its service
                seconds = max(_MIN_SECONDS, min(REFRESH_SECONDS, self._service.settings.refresh_seconds))
                ring = KeyRing(store, refresh_seconds=seconds)
                self._store, self._keys = store, (ring, Authenticator(ring))
            return self._keys
