"""The steps of a rollout, done. Each may be repeated: the second time changes nothing."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from larder.errors import Conflict, LarderError, MissingObject, NotFound, ReleaseError, StoreError, Unanswered
from larder.release import manifest
from larder.release.keys import MANIFEST, REJECTED, file_key, pointer_key
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer, dump_pointer, parse_pointer
from larder.rollout.plan import (
    ClearRejection,
    KeepPointer,
    Probe,
    Promote,
    Reject,
    RolloutState,
    Step,
    Verify,
    plan,
    skip_reason,
)
from larder.rollout.verify import read_manifest, verify
from larder.store import Store

_ATTEMPTS: Final = 50  # a lost swap means that another writer won one, so this many at once is more than there are

Check = Callable[[Manifest], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended: ``promoted``; ``rejected``, and why; or ``kept`` as it was, and why. ``live`` is the pointer
    afterwards (None: nothing is live).
    """

    model: str
    release: str
    state: Literal["promoted", "rejected", "kept"]
    reason: str | None
    pointer: Pointer | None


def upload(folder: Path, store: Store) -> Manifest:
    """Puts the release in ``folder`` into the store, its manifest last.

    Where the release is there already, only what is missing of it is sent. Raises InvalidManifest or ReleaseError where
    the folder is not whole, Conflict where the store has another release under this name.
    """
    document = _read(folder / MANIFEST)
    found = manifest.parse(document)
    key = file_key(found.model, found.release, MANIFEST)
    present = _get(store, key)
    if present not in (None, document):
        raise Conflict(f"The store has another release {found.model}/{found.release}: train again for a new name.")
    for name, entry in sorted(found.files.items()):
        _check_local(folder / name, entry.bytes)
    for name, entry in sorted(found.files.items()):
        file = file_key(found.model, found.release, name)
        if present is None or _size(store, file) != entry.bytes:
            store.upload(file, folder / name)
    if present is None:
        try:
            store.put(key, document, create=True)
        except Conflict:  # somebody uploads the same release at this moment
            if store.get(key).data != document:
                raise
    return found


def promote(store: Store, found: Manifest, *, event: bool = False) -> Pointer:
    """Points the model at this release, whoever else moves the pointer meanwhile, and returns the pointer then.

    The release that was stable becomes ``previous``; a canary ends. Nothing is written where it is stable already, or
    where an ``event`` asks and the pointer has moved on since ``plan`` looked at it: ``skip_reason`` decides again.
    """
    key = pointer_key(found.model)
    for _ in range(_ATTEMPTS):
        pointer, etag = Pointer(found.release), None
        with suppress(MissingObject):
            blob = store.get(key)
            old, etag = parse_pointer(blob.data), blob.etag
            if skip_reason(RolloutState(found.release, old, event=event)) is not None:
                return old
            pointer = Pointer(found.release, previous=old.stable, revision=old.revision + 1)
        try:
            store.put(key, dump_pointer(pointer), etag=etag, create=etag is None)
        except Conflict:
            continue
        return pointer
    raise Conflict(f"The pointer of {found.model} changes all the time: let one rollout of it end, then try again.")


def reject(store: Store, model: str, release: str, reason: str) -> None:
    """Writes ``reason`` and the time beside the manifest; nothing where that reason stands there already."""
    if rejection(store, model, release) != reason:
        document = {"reason": reason, "rejected": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        store.put(
            file_key(model, release, REJECTED), (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
        )


def rejection(store: Store, model: str, release: str) -> str | None:
    """Why a rollout refused this release; None where none did."""
    document = _get(store, file_key(model, release, REJECTED))
    if document is None:
        return None
    try:
        return str(json.loads(document)["reason"])
    except (ValueError, KeyError, TypeError):
        return "no reason that can be read was left."


def roll_out(store: Store, model: str, release: str, probe: Check | None = None, *, event: bool = False) -> Outcome:
    """Verifies, probes and promotes an uploaded release, or rejects it and leaves the pointer alone.

    Args:
        store: where the release was uploaded.
        model: the model's name.
        release: the release's name.
        probe: puts the release's golden requests to what will serve it. Whatever it raises is a refusal, but for a
            StoreError and Unanswered.
        event: the store's notice of an upload asks, and not a person: see ``RolloutState``.

    Raises:
        InvalidRequest: a name cannot be one.
        NotFound: there is no such release.
        StoreError: the store failed and nothing is decided: try again.
        Unanswered: what would serve it could not be asked, likewise.
    """
    if _size(store, file_key(model, release, MANIFEST)) is None:
        raise NotFound(f"Model {model!r} has no release {release!r} with a manifest: upload it first.")
    pointer = _get(store, pointer_key(model))
    state = RolloutState(
        release=release,
        pointer=parse_pointer(pointer) if pointer is not None else None,
        rejected=rejection(store, model, release),
        event=event,
        probe=probe is not None,
    )
    rollout = _Rollout(store, model, state, probe)
    try:
        return rollout.take(plan(state))
    except _Refused as refused:
        return rollout.take(plan(replace(state, failure=str(refused))))


class _Refused(Exception):
    """A step found the release unfit; the text is the reason."""


class _Rollout:
    def __init__(self, store: Store, model: str, state: RolloutState, probe: Check | None) -> None:
        self._store = store
        self._model = model
        self._state = state
        self._probe = probe
        self._found: Manifest | None = None

    def take(self, steps: tuple[Step, ...]) -> Outcome:
        """Does one step after the other; the last says how the rollout ended."""
        *checks, last = steps
        for step in checks:
            with _refusing():
                self._check(step)
        return self._end(last)

    def _check(self, step: Step) -> None:
        model, release = self._model, self._state.release
        match step:
            case Verify():
                self._found = verify(self._store, model, release)
                _check_kind(self._store, self._found, self._state.pointer)
            case Probe() if self._probe is not None and self._found is not None:
                self._probe(self._found)
            case ClearRejection():
                self._store.delete(file_key(model, release, REJECTED))
            case _:
                raise TypeError(step)

    def _end(self, step: Step) -> Outcome:
        model, release, pointer = self._model, self._state.release, self._state.pointer
        match step:
            case Promote() if self._found is not None:
                after = promote(self._store, self._found, event=self._state.event)
                if after.stable == release:
                    return Outcome(model, release, "promoted", None, after)
                return Outcome(model, release, "kept", skip_reason(replace(self._state, pointer=after)), after)
            case Reject(reason):
                reject(self._store, model, release, reason)
                return Outcome(model, release, "rejected", reason, pointer)
            case KeepPointer(reason):
                return Outcome(model, release, "kept", reason, pointer)
            case _:
                raise TypeError(step)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (StoreError, Unanswered):
        raise
    except LarderError as error:
        raise _Refused(str(error)) from error
    except Exception as error:
        # A hostile file may trip anything, and what trips over it must not serve it. The reason is public, so the
        # details stay in the log.
        _log.exception("a check of a release failed")
        raise _Refused(f"A check failed ({type(error).__name__}): see the log, then train and publish anew.") from error


def _check_kind(store: Store, found: Manifest, pointer: Pointer | None) -> None:
    if pointer is None:
        return
    try:
        kind = read_manifest(store, found.model, pointer.stable).kind
    except (ReleaseError, MissingObject):
        return  # what is live cannot be read: whatever comes is better
    if kind != found.kind:
        raise ReleaseError(f"Model {found.model} is a {kind} and this release is a {found.kind}: give it another name.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path.name} cannot be read ({error.strerror}): give the folder of a release.") from error


def _check_local(path: Path, size: int) -> None:
    if not path.is_file():
        raise ReleaseError(f"{path.name} is missing, but the manifest lists it: train the release again.")
    if path.stat().st_size != size:
        raise ReleaseError(
            f"{path.name} has {path.stat().st_size} bytes, but the manifest states {size}: train the release again."
        )


def _get(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key).data
    except MissingObject:
        return None


def _size(store: Store, key: str) -> int | None:
    try:
        return store.size(key)
    except MissingObject:
        return None
