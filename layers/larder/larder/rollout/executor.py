"""Run the steps of a rollout. Each is idempotent: a second run changes nothing."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal

from larder.errors import (
    DamagedRelease,
    FunctionUnavailable,
    InvalidManifest,
    LarderError,
    NotFound,
    ReleaseError,
    StoreError,
)
from larder.registry import Registry, Rejection
from larder.registry.canaries import start_canary
from larder.registry.changes import delete_old_releases, point_at
from larder.registry.gate import check_gate
from larder.registry.policy import read_policy
from larder.registry.rollout_records import RolloutRecord, RolloutStep, begin, read_record, write_record
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer
from larder.rollout.plan import (
    ClearRejection,
    Gate,
    KeepPointer,
    Probe,
    Promote,
    Reject,
    RolloutState,
    StartCanary,
    Step,
    Verify,
    plan,
    skip_reason,
)
from larder.rollout.verify import verify
from larder.store import Store

Check = Callable[[Manifest], None]
_RECORDED: Final[Mapping[type[Step], str]] = {Verify: "verify", Gate: "gate", Probe: "probe"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a rollout.

    Attributes:
        model: The model's name.
        release: The release's name.
        state: ``promoted``; ``canary``, if it answers some of the callers; ``rejected``; or ``kept``, if the pointer
            stays as it was.
        reason: Why the release is not live; None if it was promoted or is the canary.
        pointer: The pointer after the rollout, or None if no release is live.
    """

    model: str
    release: str
    state: Literal["promoted", "canary", "rejected", "kept"]
    reason: str | None
    pointer: Pointer | None


def promote(store: Store, manifest: Manifest, *, event: bool = False) -> Pointer:
    """Point the model at this release by compare-and-swap, and return the pointer.

    The stable release becomes ``previous``; a canary ends. Nothing is written if the release is stable already, or if
    ``skip_reason`` says so for a pointer that changed since ``plan`` read it (only for an ``event``).
    """

    def keep(old: Pointer) -> bool:
        return skip_reason(RolloutState(manifest.release, old, event=event)) is not None

    return point_at(Registry(store), manifest.model, manifest.release, keep, by="rollout" if event else "larder")


def roll_out(
    store: Store,
    model: str,
    release: str,
    probe: Check | None = None,
    *,
    event: bool = False,
    gate: bool = True,
    canary_percent: int = 0,
) -> Outcome:
    """Verify, compare, probe and promote an uploaded release, or reject it and leave the pointer as it is.

    Args:
        store: Where the release was uploaded.
        model: The model's name.
        release: The release's name.
        probe: Sends the golden requests to the function that will serve the release. Any exception rejects the release,
            except StoreError and FunctionUnavailable.
        event: Whether an upload event started the rollout, not a person; see ``RolloutState``.
        gate: Whether a release that is worse than the live one is rejected (``larder.registry.gate``).
        canary_percent: The percentage of callers that it answers, as a canary, in place of being promoted; see
            ``RolloutState``.

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
        canary_percent=canary_percent,
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
        self._record: RolloutRecord | None = None  # None until the first step: what changes nothing leaves no record

    def take(self, steps: tuple[Step, ...]) -> Outcome:
        """Run the steps in order; the last one gives the outcome."""
        *checks, last = steps
        if checks:
            self._write(begin(event=self._state.event))
        for step in checks:
            self._timed(step)
        outcome = self._end(last)
        record = self._record or self._interrupted(outcome)
        if record is not None:
            self._write(record.end(outcome.state, outcome.reason))
        if outcome.state == "promoted":
            self._delete_old_releases()
        return outcome

    def _delete_old_releases(self) -> None:
        """Apply the policy's ``keep``. A failure waits for the next rollout: this one has succeeded."""
        try:
            policy, _ = read_policy(self._store, self._model)
            if policy.keep is not None:
                delete_old_releases(self._registry, self._model, policy.keep)
        except StoreError:
            _log.exception("old releases of %s were not removed", self._model)

    def _interrupted(self, outcome: Outcome) -> RolloutRecord | None:
        """The record of an earlier run that promoted the release and died before it could say so."""
        if outcome.pointer is None or outcome.pointer.stable != outcome.release:
            return None
        record = read_record(self._registry, self._model, self._state.release)
        return record if record is not None and record.state == "running" else None

    def _write(self, record: RolloutRecord) -> None:
        write_record(self._registry, self._model, self._state.release, record)
        self._record = record

    def _timed(self, step: Step) -> None:
        """Run a check, and record how it ended."""
        begun = time.perf_counter()
        try:
            with _failures_as_reasons():
                detail = self._check(step)
        except _StepFailed as failure:
            self._end_step(step, begun, failure.rejection.reason, passed=False)
            raise
        self._end_step(step, begun, detail, passed=True)

    def _end_step(self, step: Step, begun: float, detail: str | None, *, passed: bool) -> None:
        name = _RECORDED.get(type(step))
        if name is not None and self._record is not None:
            seconds = round(time.perf_counter() - begun, 3)
            self._write(self._record.with_step(RolloutStep(name, passed, seconds, detail)))

    def _check(self, step: Step) -> str | None:
        """Run a check; returns what it found, as a sentence, or None."""
        model, release = self._model, self._state.release
        match step:
            case Verify():
                self._manifest = verify(self._store, model, release)
                _check_kind(self._registry, self._manifest, self._state.pointer)
            case Gate() if self._manifest is not None:
                return self._compare(self._manifest)
            case Probe() if self._probe is not None and self._manifest is not None:
                self._probe(self._manifest)
            case ClearRejection():
                self._registry.clear_rejection(model, release)
            case _:
                raise TypeError(step)
        return None

    def _compare(self, manifest: Manifest) -> str:
        live = _live_manifest(self._registry, manifest.model, self._state.pointer)
        if live is None:
            return "The live release cannot be read, so it does not restrict this one."
        policy, _ = read_policy(self._store, manifest.model)
        return check_gate(manifest, live, policy).how

    def _skip_reason(self, pointer: Pointer) -> str | None:
        """Why the release must not go live, for a pointer that has changed since the rollout began."""
        return skip_reason(replace(self._state, pointer=pointer))

    def _end(self, step: Step) -> Outcome:
        model, release, pointer = self._model, self._state.release, self._state.pointer
        match step:
            case Promote() if self._manifest is not None:
                after = promote(self._store, self._manifest, event=self._state.event)
                if after.stable == release:
                    return Outcome(model, release, "promoted", None, after)
                return Outcome(model, release, "kept", self._skip_reason(after), after)
            case StartCanary(percent):
                return self._start_canary(percent)
            case Reject(rejection):
                self._registry.reject(model, release, rejection)
                return Outcome(model, release, "rejected", rejection.reason, pointer)
            case KeepPointer(reason):
                return Outcome(model, release, "kept", reason, pointer)
            case _:
                raise TypeError(step)

    def _start_canary(self, percent: int) -> Outcome:
        model, release = self._model, self._state.release

        def skip(old: Pointer) -> bool:
            return self._skip_reason(old) is not None

        by = "rollout" if self._state.event else "larder"
        after = start_canary(self._registry, model, release, percent, skip, by=by)
        if (after.canary, after.canary_percent) == (release, percent):
            return Outcome(model, release, "canary", None, after)
        return Outcome(model, release, "kept", self._skip_reason(after), after)


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
    return None if pointer is None else registry.readable_manifest(model, pointer.stable)
