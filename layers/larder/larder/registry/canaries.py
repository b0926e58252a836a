"""Send a share of the callers to a canary, and end it. Each change of the pointer is a compare-and-swap."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from larder.errors import Conflict, MissingObject, NotFound
from larder.registry.policy import read_policy
from larder.registry.registry import Registry, Rejection
from larder.release.keys import CANARY
from larder.release.pointer import Pointer

_NOT_LOOKED: Final[Mapping[str, Any]] = {
    "looked": None,
    "requests": {"canary": 0, "live": 0},
    "verdict": "wait",
    "sentence": "Its log has not been looked at yet.",
    "metrics": [],
    "curve": [],
}


def start_canary(
    registry: Registry,
    model: str,
    release: str,
    percent: int,
    skip: Callable[[Pointer], bool],
    *,
    by: str | None = None,
) -> Pointer:
    """Let ``release`` answer ``percent`` % of the callers, and return the pointer. Another canary of the model ends.

    Nothing is written if it is so already, or if ``skip`` says so of the pointer as it is. ``by`` names who
    changes it, for the history.

    Raises Conflict if the pointer keeps changing, or if it was deleted since the caller saw it.
    """

    def change(old: Pointer | None) -> Pointer | None:
        if old is None or skip(old) or old.stable == release:
            return old
        return replace(old, canary=release, canary_percent=percent)

    pointer = registry.change_pointer(model, change, by=by)
    if pointer is None:
        raise Conflict(f"{model} has no live release any more, to which a canary could be compared: try again.")
    return pointer


def canary_since(registry: Registry, model: str, pointer: Pointer) -> str | None:
    """Since when the pointer's canary has answered callers, in UTC; None if the history does not have it.

    A change of its percentage does not count.
    """
    since = None
    for revision in range(pointer.revision, 0, -1):
        entry = registry.history_entry(model, revision)
        if entry is None or entry["canary"] != pointer.canary:
            break
        since = str(entry["changed"])
    return since


def promote_canary(registry: Registry, model: str, release: str, *, by: str | None = None) -> Pointer | None:
    """Send all callers to ``release``, if it is the canary; returns the pointer, None without one.

    The stable release becomes ``previous``.
    """

    def change(old: Pointer | None) -> Pointer | None:
        return old if old is None or old.canary != release else Pointer(release, previous=old.stable)

    return registry.change_pointer(model, change, by=by)


def end_canary(registry: Registry, model: str, release: str, *, by: str | None = None) -> Pointer | None:
    """Send all callers to the stable release, if ``release`` is the canary; returns the pointer, None without one."""

    def change(old: Pointer | None) -> Pointer | None:
        return old if old is None or old.canary != release else replace(old, canary=None, canary_percent=0)

    return registry.change_pointer(model, change, by=by)


def reject_canary(
    registry: Registry, model: str, release: str, rejection: Rejection, *, by: str | None = None
) -> Pointer | None:
    """Write the rejection next to the manifest, then end the canary; as ``end_canary``.

    A release that is not the canary any more, since another writer promoted it or ended the canary, is not rejected.

    In this order: if the process dies in between, the canary still stands in the pointer, and the next command about it
    finds the rejection and ends it.
    """
    version = registry.pointer(model)
    if version is None or version.pointer.canary != release:
        return None if version is None else version.pointer
    registry.reject(model, release, rejection)
    return end_canary(registry, model, release, by=by)


def canary_document(registry: Registry, model: str) -> dict[str, Any]:
    """The canary of a model as the API answers it: its share of the callers, since when, and what the watch has found.

    ``larder.rollout.canary.document`` has the format of what the watch writes. Raises NotFound without a canary.
    """
    version = registry.pointer(model)
    if version is None or version.pointer.canary is None:
        raise NotFound(f"{model!r} has no canary: publish a release with larder publish --canary 5.")
    pointer, release = version.pointer, version.pointer.canary
    since = canary_since(registry, model, pointer)
    policy, _ = read_policy(registry.store, model)
    return {
        "model": model,
        "canary": release,
        "percent": pointer.canary_percent,
        "live": pointer.stable,
        "started": since,
        "hours": None if since is None else _hours_since(since),
        "canary_hours": policy.canary_hours,
        **_found(registry, model, release, since),
    }


def _found(registry: Registry, model: str, release: str, since: str | None) -> Mapping[str, Any]:
    """What the watch has found of this canary; what it found of an earlier one of the same release does not count."""
    try:
        stored = json.loads(registry.store.get(registry.file_key(model, release, CANARY)).data)
        if since is not None and stored["started"] != since:
            return _NOT_LOOKED
        requests = {name: int(arm["errors"][0]) for name, arm in stored["requests"].items()}
        return {**{name: stored[name] for name in _NOT_LOOKED}, "requests": requests}
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _NOT_LOOKED


def _hours_since(moment: str) -> float:
    return round(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds() / 3600), 3)
