"""Carry out what a look at a canary found: promote it or reject it, and say so in ``rollout.json``."""

from typing import Final

from larder.registry import Registry, Rejection
from larder.registry.canaries import promote_canary, reject_canary
from larder.registry.rollout_records import RolloutStep, read_record, write_record
from larder.release.pointer import Pointer
from larder.rollout.canary.look import Look

BY: Final = "rollout"


def end(registry: Registry, found: Look, *, by: str = BY) -> Pointer | None:
    """Promote or reject the canary as ``found`` says, and return the pointer; None if the model has none any more.

    Nothing changes for the verdict ``wait``, or if the release is not the canary any more. A process that dies after
    the rejection leaves a canary that the next look ends; one that dies after the pointer has changed leaves
    ``rollout.json`` in the state ``canary``, which the pointer contradicts.
    """
    model, release = found.model, found.release
    if found.verdict == "promote":
        pointer = promote_canary(registry, model, release, by=by)
    elif found.verdict == "reject":
        pointer = reject_canary(registry, model, release, Rejection(found.sentence), by=by)
    else:
        version = registry.pointer(model)
        return None if version is None else version.pointer
    record = read_record(registry, model, release)
    if record is not None and record.state == "canary":
        passed = found.verdict == "promote"
        watched = record.with_step(RolloutStep("watch", passed, round(3600 * found.hours, 3), found.sentence))
        ended = watched.end("promoted", None) if passed else watched.end("rejected", found.sentence)
        write_record(registry, model, release, ended)
    return pointer
