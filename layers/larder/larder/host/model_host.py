"""Choose the release that answers for a model: follow its pointer, and fall back if a release does not load."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Generic, NoReturn

from larder.errors import MissingObject, NotFound, NotReady, RequestError, StoreError
from larder.host.release_cache import LoadedRelease, ReleaseCache, T
from larder.host.release_files import ReleaseFiles
from larder.registry import PointerVersion, Registry
from larder.release.keys import check_model, check_release
from larder.release.manifest import Kind
from larder.release.pointer import Arm, Pointer
from larder.runtime.cold_start import cold_start
from larder.store import Store

_RETRY_SECONDS = 1.0  # between two attempts to open a release, if the pointer is read more often
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _PointerState:
    """One model's pointer as this process knows it.

    Attributes:
        lock: Held by the thread that refreshes the pointer.
        pointer: The pointer, naming only releases that did load; None if there is none.
        etag: The ETag for the next conditional read; empty to read it in any case.
        fresh_until: When the pointer is read again at the earliest, by the host's clock.
    """

    lock: Lock = field(default_factory=Lock)
    pointer: Pointer | None = None
    etag: str = ""
    fresh_until: float = -math.inf


class ModelHost(Generic[T]):
    """The models of one kind. Thread-safe.

    A pointer is read again, conditionally, at most every ``refresh_seconds``. One thread does that and loads a new
    release, while the others keep answering from the current one. A release that does not load never replaces one that
    serves; if none serves yet, the previous release does. The failure is logged, and the next refresh tries again.
    Loaded releases are kept up to ``max_bytes``, and so are downloaded files (``ReleaseCache``).
    """

    def __init__(
        self,
        store: Store,
        kind: Kind,
        open_release: Callable[[ReleaseFiles], T],
        *,
        cache_dir: Path,
        max_bytes: int,
        refresh_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = Registry(store)
        self._releases = ReleaseCache(self._registry, kind, open_release, cache_dir=cache_dir, max_bytes=max_bytes)
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = Lock()  # of the collection below, held briefly
        self._states: dict[str, _PointerState] = {}

    def get(self, model: str, *, release: str | None = None, key: str | None = None) -> LoadedRelease[T]:
        """The release that answers the caller with the stable key ``key``, or the ``release`` that a request names.

        Raises:
            InvalidRequest: a name is invalid.
            NotFound: the model or release does not exist, or is of the other kind.
            NotReady: the model exists, but no release is live.
            ReleaseError, StoreError: the release does not load, and no older one is loaded.
        """
        check_model(model)
        if release is None:
            return self._releases.get(model, self._pointer(model).choose(key))
        return self._releases.get_named(model, check_release(release))

    def arm(self, model: str, key: str | None) -> Arm | None:
        """As what the pointer, as this process knows it, chooses a release for a caller: see ``Pointer.arm``."""
        with self._lock:
            state = self._states.get(model)
        pointer = None if state is None else state.pointer
        return None if pointer is None else pointer.arm(key)

    def models(self) -> list[str]:
        """The names of all models in the store, of either kind; StoreError if this role must not list."""
        return self._registry.models()

    def renew(self) -> None:
        """Reconnect to the store, and read every pointer again before its next use.

        For a process restored from a snapshot. Loaded releases stay, and answer even if the store does not.
        """
        self._registry.store.reconnect()
        with self._lock:
            states = list(self._states.values())
        for state in states:
            state.fresh_until = -math.inf

    def close(self) -> None:
        """Close every loaded release. No request may use one afterwards."""
        with self._lock:
            self._states.clear()
        self._releases.close()

    def _pointer(self, model: str) -> Pointer:
        with self._lock:
            state = self._states.setdefault(model, _PointerState())
        known = state.pointer
        if known is None:
            state.lock.acquire()
        elif self._is_fresh(state) or not state.lock.acquire(blocking=False):
            return known
        try:
            if state.pointer is None or not self._is_fresh(state):  # no other thread refreshed it meanwhile
                self._refresh(model, state)
            return state.pointer or self._raise_absent(model)
        finally:
            state.lock.release()

    def _is_fresh(self, state: _PointerState) -> bool:
        return self._clock() < state.fresh_until

    def _refresh(self, model: str, state: _PointerState) -> None:
        try:
            with cold_start.measured("pointer"):
                version = self._read(model, state)
            if version is not None:
                state.pointer, state.etag = self._follow(model, version, cold=state.pointer is None)
        except Exception:  # ONNX Runtime has its own exceptions: on any of them, keep serving
            if state.pointer is None:
                with self._lock:
                    self._states.pop(model, None)
                raise
            stable = state.pointer.stable
            _log.warning("%s: the live release does not load; %s keeps answering", model, stable, exc_info=True)
            state.etag = ""
        # Without an ETag, a release of the pointer did not load, and each attempt may take seconds.
        seconds = self._refresh_seconds if state.etag else max(self._refresh_seconds, _RETRY_SECONDS)
        state.fresh_until = self._clock() + seconds

    def _read(self, model: str, state: _PointerState) -> PointerVersion | None:
        """The pointer, or None if it did not change."""
        try:
            return self._registry.pointer_if_changed(model, state.etag)
        except MissingObject:
            state.pointer = None  # deleting the pointer unpublishes the model
            return self._raise_absent(model)

    def _follow(self, model: str, version: PointerVersion, *, cold: bool) -> tuple[Pointer, str]:
        """Load the releases of the pointer; returns the pointer to use, and the ETag for the next conditional read.

        A ``cold`` process serves no release yet, so it falls back to the previous release if the stable one fails.
        """
        pointer = version.pointer
        try:
            self._releases.get(model, pointer.stable)
        except Exception as error:
            if not cold or not _is_fault_of_release(error):
                raise
            return self._fall_back(model, pointer, error), ""
        if pointer.canary is None:
            return pointer, version.etag
        try:
            self._releases.get(model, pointer.canary)
        except Exception:  # noqa: BLE001  # on any error of ONNX Runtime, stable replaces the canary
            _log.warning("%s: the canary %s does not load", model, pointer.canary, exc_info=True)
            return replace(pointer, canary=None, canary_percent=0), ""  # no ETag: the next refresh tries again
        return pointer, version.etag

    def _fall_back(self, model: str, pointer: Pointer, error: Exception) -> Pointer:
        """Load ``previous`` in place of ``stable``; raises ``error`` if that cannot answer either."""
        previous = pointer.previous
        if previous is None or self._registry.is_rejected(model, previous):
            raise error
        try:
            self._releases.get(model, previous)
        except Exception as another:
            raise error from another
        _log.warning(
            "%s: the live release %s does not load; %s answers", model, pointer.stable, previous, exc_info=error
        )
        return Pointer(stable=previous, revision=pointer.revision)

    def _raise_absent(self, model: str) -> NoReturn:
        try:
            exists = self._registry.has_files(model)
        except StoreError:  # a role that must not list
            exists = False
        if exists:
            raise NotReady(f"No release of model {model} is live yet: publish one, or wait for its rollout to finish.")
        raise NotFound(f"Model {model!r} does not exist: GET /v1/models lists all models.")


def _is_fault_of_release(error: Exception) -> bool:
    """Whether another release may load: not if the store fails, or the model is of the other kind."""
    return isinstance(error, MissingObject) or not isinstance(error, StoreError | RequestError)
