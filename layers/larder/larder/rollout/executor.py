"""Run the steps of a rollout, one at a time. Each is idempotent: a second run changes nothing.

The run goes from one step to the next: ``roll_out`` takes them in a loop. No step waits for anything.
"""

import logging
import time
from dataclasses import dataclass, replace
from typing import Final, Literal

from larder.errors import Conflict, InvalidRequest, MissingObject, NotFound, StoreError
from larder.registry import Registry
from larder.registry.changes import delete_old_releases
from larder.registry.policy import read_policy
from larder.registry.rollout_records import RolloutStep, begin, read_record, write_record
from larder.release.keys import ROLLOUT
from larder.release.pointer import Pointer
from larder.rollout.checks import Checks, FailedCheck, SendProbes
from larder.rollout.endings import end
from larder.rollout.plan import Gate, KeepPointer, Probe, RolloutState, Verify, checks, ending
from larder.rollout.run import Run, shorten
from larder.store import Store

STEPS: Final = ("verify", "gate", "probe", "release")
"""The steps that follow ``plan``, in order. One that a run does not need returns it as it is."""

_NAMES: Final = {Verify: "verify", Gate: "gate", Probe: "probe"}
_ATTEMPTS: Final = 50  # each means that another writer changed the pointer; there are never that many writers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a rollout.

    Attributes:
        model: The model's name.
        release: The release's name.
        state: ``promoted``; ``canary``, if it answers some of the callers; ``approval``, if it waits until a person
            promotes it; ``rejected``; or ``kept``, if the pointer stays as it was.
        reason: Why the release is not live; None if it was promoted or is the canary.
        pointer: The pointer after the rollout, or None if no release is live.
    """

    model: str
    release: str
    state: Literal["promoted", "canary", "approval", "rejected", "kept"]
    reason: str | None
    pointer: Pointer | None


class Executor:
    """Runs the steps of rollouts in one store."""

    def __init__(self, store: Store, probe: SendProbes | None = None) -> None:
        """Roll out releases of ``store``.

        Args:
            store: Where the releases are uploaded.
            probe: Sends the golden requests to the function that will serve the release. Any exception rejects the
                release, except StoreError and FunctionUnavailable. None: releases are not probed.
        """
        self._registry = Registry(store)
        self._checks = Checks(self._registry, probe)
        self._probes = probe is not None

    def plan(
        self, model: str, release: str, *, event: bool = False, gate: bool = True, canary_percent: int | None = None
    ) -> Run:
        """The first step: a new run of a release, or one that has ended if there is nothing to do.

        The arguments and errors are those of ``roll_out``.
        """
        if not self._registry.has_release(model, release):
            raise NotFound(f"Model {model!r} has no release {release!r} with a manifest: upload it first.")
        record = read_record(self._registry, model, release)
        state = RolloutState(
            release=release,
            pointer=_pointer(self._registry, model),
            rejected=self._registry.rejection(model, release),
            event=event,
            gate=gate,
            probe=self._probes,
            waits=record is not None and record.state == "approval",
            canary_percent=canary_percent or 0,
        )
        if canary_percent is None:  # a person who states it decides on both
            policy, _ = read_policy(self._registry.store, model)
            state = replace(state, canary_percent=policy.canary, approval=policy.approval)
        run = Run(model, state, begin(event=event), tuple(_NAMES[type(check)] for check in checks(state)))
        if run.checks:
            return self._write(run)
        return self._skip(run)

    def take(self, step: str, run: Run) -> Run:
        """Run a step, if the run has come to it, and return the run after it.

        Raises:
            InvalidRequest: there is no such step.
            StoreError: the store failed; try again.
            FunctionUnavailable: the serving function could not be called; try again.
        """
        if step not in STEPS:
            raise InvalidRequest(f"A rollout has no step {step[:60]!r}: send one of plan, {', '.join(STEPS)}.")
        try:
            if step == "release":
                return self._release(run) if run.record.state == "running" else run
            return self._check(step, run) if run.checks[:1] == (step,) else run
        except MissingObject:
            if self._registry.has_release(run.model, run.release):
                raise
            return self._drop(run)

    def _check(self, name: str, run: Run) -> Run:
        begun = time.perf_counter()
        detail: str | None
        try:
            detail, passed = self._checks.make(name, run), True
        except FailedCheck as failure:
            rejection = shorten(failure.rejection)
            run, detail, passed = run.failed(rejection), rejection.reason, False
        if name == "gate" and run.state.pointer is not None:
            run = replace(run, compared_with=run.state.pointer.stable)
        return self._write(run.after(RolloutStep(name, passed, round(time.perf_counter() - begun, 3), detail)))

    def _release(self, run: Run) -> Run:
        """End the run by the pointer as it is now: it may have changed since the rollout began."""
        for _ in range(_ATTEMPTS):
            if not self._registry.has_release(run.model, run.release):
                return self._drop(run)
            run = self._compare_again(run.seeing(_pointer(self._registry, run.model)))
            ended = end(self._registry, run)
            if ended is not None:
                return self._finish(ended)
        raise Conflict(f"The pointer of {run.model} keeps changing: wait until its other rollouts end, then try again.")

    def _compare_again(self, run: Run) -> Run:
        """Compare the release with the live one if another one has gone live since the gate."""
        live = run.state.pointer
        if live is None or live.stable == run.compared_with or Gate() not in checks(run.state):
            return run
        return self._check("gate", run)

    def _finish(self, run: Run) -> Run:
        self._write(run)
        if run.record.state == "promoted":
            self._delete_old_releases(run.model)
        return run

    def _delete_old_releases(self, model: str) -> None:
        """Apply the policy's ``keep``. A failure waits for the next rollout: this one has succeeded."""
        try:
            policy, _ = read_policy(self._registry.store, model)
            if policy.keep is not None:
                delete_old_releases(self._registry, model, policy.keep)
        except StoreError:
            _log.exception("old releases of %s were not removed", model)

    def _skip(self, run: Run) -> Run:
        """End a run that changes nothing. It leaves no record, so that the last one that did something stays."""
        last = ending(run.state)
        assert isinstance(last, KeepPointer)  # noqa: S101  # for the type checker: without checks, it is nothing else
        interrupted = read_record(self._registry, run.model, run.release)
        live = run.state.pointer is not None and run.state.pointer.stable == run.release
        if live and interrupted is not None and interrupted.state == "running":  # it died before it could say so
            write_record(self._registry, run.model, run.release, interrupted.end("promoted", None))
        return run.end("kept", last.reason)

    def _drop(self, run: Run) -> Run:
        """End the run of a release that was removed meanwhile, and remove what the run has written of it."""
        self._registry.store.delete(self._registry.file_key(run.model, run.release, ROLLOUT))
        return run.end("kept", "It was removed while its rollout ran.")

    def _write(self, run: Run) -> Run:
        write_record(self._registry, run.model, run.release, run.record)
        return run


def roll_out(
    store: Store,
    model: str,
    release: str,
    probe: SendProbes | None = None,
    *,
    event: bool = False,
    gate: bool = True,
    canary_percent: int | None = None,
) -> Outcome:
    """Run all steps: verify, compare, probe and promote an uploaded release, or reject it and leave the pointer.

    Args:
        store: Where the release was uploaded.
        model: The model's name.
        release: The release's name.
        probe: As ``Executor`` has it.
        event: Whether an upload event started the rollout, not a person; see ``RolloutState``.
        gate: Whether a release that is worse than the live one is rejected (``larder.registry.gate``).
        canary_percent: The percentage of callers that it answers, as a canary, in place of being promoted; 0 to promote
            it at once. None: the model's policy decides, and it may require approval.

    Raises:
        InvalidRequest: a name is invalid.
        NotFound: the release does not exist.
        StoreError: the store failed; try again.
        FunctionUnavailable: the serving function could not be called; try again.
    """
    executor = Executor(store, probe)
    run = executor.plan(model, release, event=event, gate=gate, canary_percent=canary_percent)
    for step in STEPS:
        run = executor.take(step, run)
    return outcome_of(run)


def outcome_of(run: Run) -> Outcome:
    """The result of a run that has ended, or whose canary answers; raises InvalidRequest for one that runs."""
    state = run.record.state
    if state == "running":
        raise InvalidRequest(f"The rollout of {run.release} has not ended: take its next step.")
    return Outcome(run.model, run.release, state, run.record.reason, run.state.pointer)


def _pointer(registry: Registry, model: str) -> Pointer | None:
    version = registry.pointer(model)
    return None if version is None else version.pointer
