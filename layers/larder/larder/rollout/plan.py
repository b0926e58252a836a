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
class Clear:
    """Remove the reason of an earlier refusal, which no longer holds."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Point at the release."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Write the reason beside the manifest; the pointer stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Change nothing."""

    reason: str


Step: TypeAlias = Verify | Probe | Clear | Promote | Reject | Keep

# A release's name begins with its time in UTC, so names compare as times do.
_NAME = re.compile(r"(\d{8}t\d{6}z)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a rollout begins, and after a step of it failed.

    ``event`` is True where the store's notice of an upload asks, which comes at least once and in any order, and False
    where a person does, who means it. ``rejected`` is the reason of an earlier refusal, ``failed`` that of a step of
    this rollout.
    """

    release: str
    live: Pointer | None
    rejected: str | None = None
    event: bool = False
    probe: bool = True
    failed: str | None = None


def plan(situation: Situation) -> tuple[Step, ...]:
    """The steps to take, in order; when one fails, ``plan`` again with ``failed`` set."""
    if situation.failed is not None:
        return (Reject(situation.failed),)
    reason = why_not(situation)
    if reason is not None:
        return (Keep(reason),)
    steps: list[Step] = [Verify()]
    if situation.rejected is not None:
        steps.append(Clear())  # before the probe: a function does not answer from a release that stands as refused
    if situation.probe:
        steps.append(Probe())
    return (*steps, Promote())


def why_not(situation: Situation) -> str | None:
    """Why this release is not to go live; None where nothing speaks against it."""
    release, live = situation.release, situation.live
    if live is not None and live.stable == release:
        return "It is live already."
    if not situation.event:
        return None
    if situation.rejected is not None:
        return f"It was rejected: {situation.rejected} Publish it again to have it checked anew."
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
