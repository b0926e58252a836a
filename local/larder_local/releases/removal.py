"""Removes releases from a store and from this machine."""

import shutil
from collections.abc import Iterable

from larder.errors import Conflict, NotFound
from larder.registry import Registry
from larder.release.keys import MANIFEST, file_key, pointer_key
from larder.store import Store
from larder_local.releases.listing import ListedRelease


def remove(releases: Iterable[ListedRelease], store: Store | None) -> int:
    """Removes the releases, in the store and on this machine, and returns the number of bytes that this frees.

    A manifest is deleted first, so that no release is ever complete without its files. The pointer is deleted with the
    release that it names.

    Raises Conflict if a release became live since it was listed.
    """
    freed = 0
    for entry in releases:
        if store is not None and (entry.stored_bytes or entry.is_live):
            freed += _remove_stored(entry, store)
        if entry.path is not None:
            freed += entry.local_bytes
            shutil.rmtree(entry.path)
    return freed


def _remove_stored(entry: ListedRelease, store: Store) -> int:
    registry = Registry(store)
    if entry.is_live:
        store.delete(pointer_key(entry.model))
    else:
        version = registry.pointer(entry.model)
        if version is not None and entry.release in (version.pointer.stable, version.pointer.canary):
            raise Conflict(f"{entry.release} has just become live: it is kept. List the releases and try again.")
    files = registry.releases(entry.model).get(entry.release)
    if files is None:
        if entry.is_live:
            return 0
        raise NotFound(f"{entry.model} no longer has the release {entry.release}: another process removed it.")
    for name in sorted(files.sizes, key=lambda name: name != MANIFEST):
        store.delete(file_key(entry.model, entry.release, name))
    return files.total_bytes
