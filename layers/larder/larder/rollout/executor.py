"""Run the steps of a rollout. Each is idempotent: a second run changes nothing."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final, Literal

from larder.errors import (
    Conflict,
    DamagedRelease,
    FunctionUnavailable,
    InvalidManifest,
    LarderError,
    MissingObject,
    NotFound,
    ReleaseError,
    StoreError,
)
from larder.registry import Registry, Rejection
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer
from larder.rollout.gate import check_gate
from larder.rollout.plan import (
    ClearRejection,
    Gate,
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
from larder.rollout.policy import read_policy
from larder.rollout.verify import verify
from larder.store import Store

_ATTEMPTS: Final = 50  # each lost swap means that another writer won; there are never that many writers

Check = Callable[[Manifest], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a rollout.

    Attributes:
        model: The model's name.
        release: The release's name.
        state: ``promoted``; ``rejected``; or ``kept``, if the pointer stays as it was.
        reason: Why the release is not live; None if it was promoted.
        pointer: The pointer after the rollout, or None if no release is live.
    """

    model: str
    release: str
    state: Literal["promoted", "rejected", "kept"]
    reason: str | None
    pointer: Pointer | None


def promote(store: Store, manifest: Manifest, *, event: bool = False) -> Pointer:
    """Point the model at this release by compare-and-swap, and return the pointer.

    The stable release becomes ``previous``; a canary ends. Nothing is written if the release is stable already, or if
    ``skip_reason`` says so for a pointer that changed since ``plan`` read it (only for an ``event``).
    """
    registry = Registry(store)
    for _ in range(_ATTEMPTS):
        current = registry.pointer(manifest.model)
        pointer = Pointer(manifest.release)
        if current is not None:
            old = current.pointer
            if skip_reason(RolloutState(manifest.release, old, event=event)) is not None:
                return old
            pointer = Pointer(manifest.release, previous=old.stable, revision=old.revision + 1)
        with suppress(Conflict):
            registry.write_pointer(manifest.model, pointer, replaces=current)
            return pointer
    raise Conflict(
        f"The pointer of {manifest.model} keeps changing: wait until its other rollouts finish, then try again."
    )


def roll_out(
    store: Store, model: str, release: str, probe: Check | None = None, *, event: bool = False, gate: bool = True
) -> Outcome:
    """Verify, compare, probe and promote an uploaded release, or reject it and leave the pointer as it is.

    Args:
        store: Where the release was uploaded.
        model: The model's name.
        release: The release's name.
        probe: Sends the golden requests to the function that will serve the release. Any exception rejects the release,
            except StoreError and FunctionUnavailable.
        event: Whether an upload event started the rollout, not a person; see ``RolloutState``.
        gate: Whether a release that is worse than the live one is rejected (``larder.rollout.gate``).

    Raises:
        InvalidRequest: a name is invalid.
        NotFound: the release does not exist.
        StoreError: the store failed; try again.
        FunctionUnavailable: the serving function could not be called; try again.
    """
    registry = Registry(store)
    if not registry.has_release(model, release):
        raise NotFound(f"Model {model!r} has no release {release!r} with a manifest: upload it first.")
    version = registry.pointer(model)
    state = RolloutState(
        release=release,
        pointer=None if version is None else version.pointer,
        rejected=registry.rejection(model, release),
        event=event,
        gate=gate,
        probe=probe is not None,
    )
    rollout = _Rollout(registry, model, state, probe)
    try:
        return rollout.take(plan(state))
    except _StepFailed as failure:
        return rollout.take(plan(replace(state, failure=failure.rejection)))


class _StepFailed(Exception):
    """A step failed.

    Attributes:
        rejection: Why the release must not be served.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


class _Rollout:
    def __init__(self, registry: Registry, model: str, state: RolloutState, probe: Check | None) -> None:
        self._registry = registry
        self._store = registry.store
        self._model = model
        self._state = state
        self._probe = probe
        self._manifest: Manifest | None = None

    def take(self, steps: tuple[Step, ...]) -> Outcome:
        """Run the steps in order; the last one gives the outcome."""
        *checks, last = steps
        for step in checks:
            with _failures_as_reasons():
                self._check(step)
        return self._end(last)

    def _check(self, step: Step) -> None:
        model, release = self._model, self._state.release
        match step:
            case Verify():
                self._manifest = verify(self._store, model, release)
                _check_kind(self._registry, self._manifest, self._state.pointer)
            case Gate() if self._manifest is not None:
                self._compare(self._manifest)
            case Probe() if self._probe is not None and self._manifest is not None:
                self._probe(self._manifest)
            case ClearRejection():
                self._registry.clear_rejection(model, release)
            case _:
                raise TypeError(step)

    def _compare(self, manifest: Manifest) -> None:
        live = _live_manifest(self._registry, manifest.model, self._state.pointer)
        if live is not None:  # else the live release cannot be read, so it does not restrict the new one
            policy, _ = read_policy(self._store, manifest.model)
            check_gate(manifest, live, policy)

    def _end(self, step: Step) -> Outcome:
        model, release, pointer = self._model, self._state.release, self._state.pointer
        match step:
            case Promote() if self._manifest is not None:
                after = promote(self._store, self._manifest, event=self._state.event)
                if after.stable == release:
                    return Outcome(model, release, "promoted", None, after)
                return Outcome(model, release, "kept", skip_reason(replace(self._state, pointer=after)), after)
            case Reject(rejection):
                self._registry.reject(model, release, rejection)
                return Outcome(model, release, "rejected", rejection.reason, pointer)
            case KeepPointer(reason):
                return Outcome(model, release, "kept", reason, pointer)
            case _:
                raise TypeError(step)


@contextmanager
def _failures_as_reasons() -> Iterator[None]:
    try:
        yield
    except (StoreError, FunctionUnavailable):
        raise
    except LarderError as error:
        damaged = isinstance(error, DamagedRelease | InvalidManifest)
        raise _StepFailed(Rejection(str(error), damaged)) from error
    except Exception as error:
        # A hostile file can break any check, and must not be served then. The reason is public, so the details stay in
        # the log.
        _log.exception("a check of a release failed")
        reason = f"A check failed ({type(error).__name__}): see the log, then train and publish a new release."
        raise _StepFailed(Rejection(reason)) from error


def _check_kind(registry: Registry, manifest: Manifest, pointer: Pointer | None) -> None:
    live = _live_manifest(registry, manifest.model, pointer)
    if live is not None and live.kind != manifest.kind:
        raise ReleaseError(
            f"Model {manifest.model} is a {live.kind} and this release is a {manifest.kind}: give it another name."
        )


def _live_manifest(registry: Registry, model: str, pointer: Pointer | None) -> Manifest | None:
    """The manifest of the live release; None if none is live or it cannot be read."""
    if pointer is None:
        return None
    try:
        return registry.manifest(model, pointer.stable)
    except (ReleaseError, MissingObject):
        return None
