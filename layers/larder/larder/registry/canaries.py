"""Send a share of the callers to a canary, and end it. Each change of the pointer is a compare-and-swap."""

from collections.abc import Callable
from dataclasses import replace

from larder.errors import Conflict
from larder.registry.registry import Registry, Rejection
from larder.release.pointer import Pointer


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
