"""Removes releases from a store and from this machine."""

import shutil
from collections.abc import Iterable
from dataclasses import replace

from larder.errors import Conflict, NotFound
from larder.registry import Registry
from larder.store import Store
from larder_local.releases.listing import ListedRelease


def remove(releases: Iterable[ListedRelease], store: Store | None) -> int:
    """Removes the releases, in the store and on this machine, and returns the number of bytes that this frees.

    A manifest is deleted first, so that no release is ever complete without its files. The pointer is deleted with the
    live release, and a canary ends.

    Raises Conflict if a release became live, or the canary, since it was listed.
    """
    freed = 0
    for entry in releases:
        if store is not None and (entry.stored_bytes or entry.answers):
            freed += _remove_stored(entry, store)
        if entry.path is not None:
            freed += entry.local_bytes
            shutil.rmtree(entry.path)
    return freed


def _remove_stored(entry: ListedRelease, store: Store) -> int:
    registry = Registry(store)
    _leave_pointer(entry, registry)
    files = registry.releases(entry.model).get(entry.release)
    if files is None:
        if entry.answers:
            return 0
        raise NotFound(f"{entry.model} no longer has the release {entry.release}: another process removed it.")
    registry.delete_files(entry.model, entry.release, files)
    return files.total_bytes


def _leave_pointer(entry: ListedRelease, registry: Registry) -> None:
    """Changes the pointer, as it is now, so that it does not send callers to the release."""
    version = registry.pointer(entry.model)
    if version is None:
        return
    role = version.pointer.role(entry.release)
    if role not in ("live", "canary"):
        return
    if role != entry.role:
        raise Conflict(f"{entry.release} has just become live: it is kept. List the releases and try again.")
    if role == "live":
        registry.delete_pointer(entry.model)
    else:
        pointer = replace(version.pointer, canary=None, canary_percent=0, revision=version.pointer.revision + 1)
        registry.write_pointer(entry.model, pointer, replaces=version)
