"""Which release of a model answers: the pointer, followed, and what answers where it leads nowhere."""

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
from larder.release.keys import check_model, check_release, models_prefix, pointer_key
from larder.release.manifest import Kind
from larder.release.pointer import Pointer, parse_pointer
from larder.runtime.cold_start import cold_start
from larder.store import Blob, Store

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line:
    """One model's pointer as this process last saw it; ``live`` names releases that did open."""

    lock: Lock = field(default_factory=Lock)
    live: Pointer | None = None
    etag: str = ""
    checked: float = 0.0


class ModelHost(Generic[T]):
    """The models of one kind. Thread-safe.

    A pointer is asked for again, conditionally, at most every ``refresh_seconds``: by one thread, which also opens
    what is new, while the others are answered by what they had. A release that does not open never replaces one that
    serves; where nothing serves yet, the one before it does. It is logged and tried again at the next refresh. What is
    opened is kept up to ``max_bytes``, and so are downloaded files (``ReleaseCache``).
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
        self._store = store
        self._releases = ReleaseCache(store, kind, open_release, cache_dir=cache_dir, max_bytes=max_bytes)
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = Lock()  # of the collection below, held for moments
        self._lines: dict[str, _Line] = {}

    def get(self, model: str, *, release: str | None = None, key: str | None = None) -> LoadedRelease[T]:
        """The release that answers the caller with the stable key ``key``, or the ``release`` that a request names.

        Raises InvalidRequest for a name that cannot be one; NotFound where there is no such model or release, or it is
        of the other kind; NotReady where the model exists and nothing is live; ReleaseError or StoreError where it does
        not open and nothing older is there to serve.
        """
        check_model(model)
        if release is None:
            return self._releases.get(model, self._live(model).choose(key))
        return self._releases.get_named(model, check_release(release))

    def models(self) -> list[str]:
        """The names of all models in the store, of either kind; raises StoreError for a role that may not list."""
        return self._store.folders(models_prefix())

    def renew(self) -> None:
        """Connects to the store anew, and looks at every pointer before it is used again.

        For a process that was copied. What is opened stays, and answers where the store does not.
        """
        self._store.reconnect()
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.checked = -math.inf

    def close(self) -> None:
        """Closes every opened release. Only for when nobody asks any more."""
        with self._lock:
            self._lines.clear()
        self._releases.close()

    def _live(self, model: str) -> Pointer:
        with self._lock:
            line = self._lines.setdefault(model, _Line())
        known = line.live
        if known is None:
            line.lock.acquire()
        elif self._is_fresh(line) or not line.lock.acquire(blocking=False):
            return known
        try:
            if line.live is None or not self._is_fresh(line):  # nobody else refreshed while we waited
                self._refresh(model, line)
            return line.live or self._absent(model)
        finally:
            line.lock.release()

    def _is_fresh(self, line: _Line) -> bool:
        return self._clock() - line.checked < self._refresh_seconds

    def _refresh(self, model: str, line: _Line) -> None:
        try:
            with cold_start.measured("pointer"):
                blob = self._pointer(model, line)
            if blob is not None:
                line.live, line.etag = self._follow(model, blob, cold=line.live is None)
        except Exception:  # ONNX Runtime raises its own: whatever it is, what serves goes on
            if line.live is None:
                with self._lock:
                    self._lines.pop(model, None)
                raise
            _log.warning("%s: what is live now does not open, %s goes on", model, line.live.stable, exc_info=True)
        line.checked = self._clock()

    def _pointer(self, model: str, line: _Line) -> Blob | None:
        """The pointer's bytes, or None where they did not change."""
        key = pointer_key(model)
        try:
            return self._store.get_if_changed(key, line.etag) if line.etag else self._store.get(key)
        except MissingObject:
            line.live = None  # whoever removes a model's pointer takes it off the air
            return self._absent(model)

    def _follow(self, model: str, blob: Blob, *, cold: bool) -> tuple[Pointer, str]:
        """Opens what the pointer names; the pointer, and the ETag with which to ask for a newer one.

        In a ``cold`` process, which has nothing to go on with, the release before answers where that does not open.
        """
        pointer = parse_pointer(blob.data)
        try:
            self._releases.get(model, pointer.stable)
        except Exception as error:
            if not cold or not _is_of_the_release(error):
                raise
            return self._fall_back(model, pointer, error), ""
        if pointer.canary is None:
            return pointer, blob.etag
        try:
            self._releases.get(model, pointer.canary)
        except Exception:  # noqa: BLE001  # whatever ONNX Runtime raises, stable answers in the canary's place
            _log.warning("%s: the canary %s does not open", model, pointer.canary, exc_info=True)
            return replace(pointer, canary=None, canary_percent=0), ""  # no ETag: the next refresh tries again
        return pointer, blob.etag

    def _fall_back(self, model: str, pointer: Pointer, error: Exception) -> Pointer:
        """Opens ``previous`` in place of ``stable``; raises ``error`` where that cannot answer either."""
        previous = pointer.previous
        if previous is None or self._releases.is_rejected(model, previous):
            raise error
        try:
            self._releases.get(model, previous)
        except Exception as another:
            raise error from another
        _log.warning(
            "%s: %s, which is live, does not open; %s answers", model, pointer.stable, previous, exc_info=error
        )
        return Pointer(stable=previous, revision=pointer.revision)

    def _absent(self, model: str) -> NoReturn:
        try:
            exists = self._store.folders(f"{models_prefix()}{model}")
        except StoreError:  # a role that may not list
            exists = []
        if exists:
            raise NotReady(f"No release of model {model} is live yet: publish one, or wait for its rollout to end.")
        raise NotFound(f"There is no model {model!r}: GET /v1/models lists those that exist.")


def _is_of_the_release(error: Exception) -> bool:
    """Whether another release may fare better: not where the store is at fault, or the model is of the other kind."""
    return isinstance(error, MissingObject) or not isinstance(error, StoreError | RequestError)
