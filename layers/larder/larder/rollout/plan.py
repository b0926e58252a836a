"""What a rollout does next: a pure function of what is known."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from larder.release.pointer import Pointer


@dataclass(frozen=True, slots=True)
class Verify:
    """Read every byte of the release and compare it with its manifest."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Let the function that will serve it answer the release's golden requests."""


@dataclass(frozen=True, slots=True)
class ClearRejection:
    """Remove the reason of an earlier refusal, which no longer holds."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Point at the release."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Write the reason beside the manifest; the pointer stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeepPointer:
    """Change nothing."""

    reason: str


Step: TypeAlias = Verify | Probe | ClearRejection | Promote | Reject | KeepPointer

# A release's name begins with its time in UTC, so names compare as times do.
_NAME = re.compile(r"(\d{8}t\d{6}z)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What is known when a rollout begins, and after a step of it failed.

    ``event`` is True where the store's notice of an upload asks, which comes at least once and in any order, and False
    where a person does, who means it. ``rejected`` is the reason of an earlier refusal, ``failed`` that of a step of
    this rollout.
    """

    release: str
    pointer: Pointer | None
    rejected: str | None = None
    event: bool = False
    probe: bool = True
    failure: str | None = None


def plan(state: RolloutState) -> tuple[Step, ...]:
    """The steps to take, in order; when one fails, ``plan`` again with ``failed`` set."""
    if state.failure is not None:
        return (Reject(state.failure),)
    reason = skip_reason(state)
    if reason is not None:
        return (KeepPointer(reason),)
    steps: list[Step] = [Verify()]
    if state.rejected is not None:
        steps.append(ClearRejection())  # first: functions do not serve a rejected release to the probe
    if state.probe:
        steps.append(Probe())
    return (*steps, Promote())


def skip_reason(state: RolloutState) -> str | None:
    """Why this release is not to go live; None where nothing speaks against it."""
    release, live = state.release, state.pointer
    if live is not None and live.stable == release:
        return "It is live already."
    if not state.event:
        return None
    if state.rejected is not None:
        return f"It was rejected: {state.rejected} Publish it again to have it checked anew."
    return _why_late(release, live) if live is not None else None


def _why_late(release: str, live: Pointer) -> str | None:
    """Why a notice of ``release`` comes after its time; None where it does not."""
    if release == live.previous:
        return f"It was live before {live.stable}: promote it by name to go back."
    if _is_older(release, live.stable):
        return f"{live.stable}, which is live, is newer: promote this one by name if you mean it."
    return None


def _is_older(release: str, other: str) -> bool:
    ours, theirs = _NAME.fullmatch(release), _NAME.fullmatch(other)
    return ours is not None and theirs is not None and ours[1] < theirs[1]
