"""The endings of a rollout: the pointer changes, or the release is rejected, or nothing changes.

An ending is decided from the pointer as it is, and takes effect only if the pointer is still that one (a
compare-and-swap): a rollout never undoes what another writer did meanwhile.
"""

from collections.abc import Callable

from larder.errors import Conflict
from larder.registry import Registry
from larder.registry.canaries import reject_canary, start_canary
from larder.registry.changes import point_at
from larder.release.pointer import Pointer
from larder.rollout.plan import AwaitApproval, KeepPointer, Promote, Reject, StartCanary, ending
from larder.rollout.run import Run


def end(registry: Registry, run: Run) -> Run | None:
    """End a run whose checks have ended, by the pointer that it saw last.

    Returns None if that is not the pointer any more: look at it again, and call this again.
    """
    release = run.release
    match ending(run.state):
        case Promote():
            _allow(registry, run)
            return _ended_with(registry, run, point_at(registry, run.model, release, _unless_seen(run), by=run.by))
        case StartCanary(percent):
            _allow(registry, run)
            try:
                pointer = start_canary(registry, run.model, release, percent, _unless_seen(run), by=run.by)
            except Conflict:  # the pointer was deleted just now
                return None
            return _ended_with(registry, run, pointer)
        case AwaitApproval():
            _allow(registry, run)
            how = f"larder promote {run.model} {release}"
            return run.end("approval", f"It has passed its checks and waits for approval: {how}")
        case Reject(rejection):
            if run.state.pointer is not None and run.state.pointer.canary == release:
                run = run.seeing(reject_canary(registry, run.model, release, rejection, by=run.by))
            else:
                registry.reject(run.model, release, rejection)
            return run.end("rejected", rejection.reason)
        case KeepPointer(reason):  # perhaps since this run was interrupted after it had changed the pointer
            pointer_now = run.state.pointer
            done = None if pointer_now is None else _ended_with(registry, run, pointer_now)
            return done or run.end("kept", reason)


def _ended_with(registry: Registry, run: Run, pointer: Pointer) -> Run | None:
    """The run that has ended by making the pointer what it is; None if another writer did."""
    if run.release not in (pointer.stable, pointer.canary) or not registry.claim_change(run.model, pointer, run.by):
        return None
    return run.seeing(pointer).end("promoted" if pointer.stable == run.release else "canary")


def _allow(registry: Registry, run: Run) -> None:
    """Remove the rejection of an earlier rollout: functions do not serve a rejected release."""
    if run.state.rejected is not None:
        registry.clear_rejection(run.model, run.release)


def _unless_seen(run: Run) -> Callable[[Pointer], bool]:
    """Keeps a pointer that is not the one from which the run decided."""

    def changed(pointer: Pointer) -> bool:
        return pointer != run.state.pointer

    return changed
