"""The steps of a rollout, as a pure function of its state."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from larder.registry import Rejection
from larder.release.pointer import Pointer


@dataclass(frozen=True, slots=True)
class Verify:
    """Read every byte of the release and compare it with its manifest."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Compare the release's quality with the live one's, by the model's policy."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Send the golden requests to the function that will serve the release."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the release live."""


@dataclass(frozen=True, slots=True)
class StartCanary:
    """Let the release answer some of the callers, and the live release the others.

    Attributes:
        percent: The percentage of the callers, 1 to 99.
    """

    percent: int


@dataclass(frozen=True, slots=True)
class AwaitApproval:
    """Leave the pointer as it is until a person promotes the release."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Write the rejection next to the manifest; the pointer stays.

    Attributes:
        rejection: Why the release is rejected.
    """

    rejection: Rejection


@dataclass(frozen=True, slots=True)
class KeepPointer:
    """Change nothing.

    Attributes:
        reason: Why the release is not rolled out.
    """

    reason: str


Check: TypeAlias = Verify | Gate | Probe
Ending: TypeAlias = Promote | StartCanary | AwaitApproval | Reject | KeepPointer
Step: TypeAlias = Check | Ending

# A release's name begins with its time in UTC, so names sort by time.
_NAME = re.compile(r"(\d{8}t\d{6}z)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The state when a rollout begins, or after one of its steps has failed.

    Attributes:
        release: The release's name.
        pointer: The pointer, or None if no release is live.
        rejected: An earlier rejection, or None.
        event: Whether an upload event started the rollout, which may come late or repeatedly; False if a person did.
        gate: Whether to compare it with the live release; False if a person chose it whatever its quality is.
        probe: Whether to send the golden requests.
        canary_percent: The percentage of callers that it answers as a canary before it is promoted; 0 to promote it at
            once, as is done for a model without a live release to compare it with.
        approval: Whether a person promotes it, once it has passed its checks.
        waits: Whether an earlier rollout of it ended so, and no person has promoted it.
        failure: Why a step of this rollout failed, or None.
    """

    release: str
    pointer: Pointer | None
    rejected: Rejection | None = None
    event: bool = False
    gate: bool = True
    probe: bool = True
    canary_percent: int = 0
    approval: bool = False
    waits: bool = False
    failure: Rejection | None = None


def plan(state: RolloutState) -> tuple[Step, ...]:
    """The checks to make, in order, and the ending; if one fails, call ``plan`` again with ``failure`` set."""
    return (*checks(state), ending(state))


def checks(state: RolloutState) -> tuple[Check, ...]:
    """The checks that the release has to pass, in order."""
    if state.failure is not None or skip_reason(state) is not None:
        return ()
    gate = (Gate(),) if state.gate and state.pointer is not None else ()
    probe = (Probe(),) if state.probe else ()
    return (Verify(), *gate, *probe)


def ending(state: RolloutState) -> Ending:
    """What becomes of the release if it has passed its checks, or once one has failed.

    Decided again when the checks have ended, since the pointer may have changed meanwhile.
    """
    if state.failure is not None:
        return _ending_of_failure(state, state.failure)
    reason = skip_reason(state)
    if reason is not None:
        return KeepPointer(reason)
    if state.approval:
        return AwaitApproval()
    canary = state.canary_percent and state.pointer is not None
    return StartCanary(state.canary_percent) if canary else Promote()


def _ending_of_failure(state: RolloutState, failure: Rejection) -> Ending:
    if state.pointer is not None and state.pointer.stable == state.release:  # another rollout has promoted it
        return KeepPointer(f"It is live already, although a check of another rollout failed: {failure.reason}")
    if state.event and failure == state.rejected:  # the bytes are as damaged as before
        return KeepPointer(f"It was rejected: {failure.reason}")
    return Reject(failure)


def skip_reason(state: RolloutState) -> str | None:
    """Why this release must not go live, or None if it may."""
    release, live = state.release, state.pointer
    if live is not None and live.stable == release:
        return "It is live already."
    if live is not None and live.canary == release and (state.event or state.canary_percent == live.canary_percent):
        return f"It is the canary already and answers {live.canary_percent} % of the callers."
    if not state.event:
        return None
    if state.rejected is not None and not state.rejected.damaged:  # else they may be intact now: they are read again
        return f"It was rejected: {state.rejected.reason} Publish it again to check it again."
    if state.waits:
        return "It has passed its checks and waits for approval: promote it by name."
    return _why_outdated(release, live) if live is not None else None


def _why_outdated(release: str, live: Pointer) -> str | None:
    """Why an event for ``release`` is outdated, or None if it is not."""
    if release == live.previous:
        return f"It was live before {live.stable}: promote it by name to go back."
    if _is_older(release, live.stable):
        return f"The live release {live.stable} is newer: promote this one by name to go back."
    return None


def _is_older(release: str, other: str) -> bool:
    ours, theirs = _NAME.fullmatch(release), _NAME.fullmatch(other)
    return ours is not None and theirs is not None and ours[1] < theirs[1]
