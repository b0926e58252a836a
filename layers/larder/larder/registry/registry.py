"""Models, releases, pointers and rejections in a store: the one module that knows under which key each of them is."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

from larder.errors import Conflict, InvalidManifest, MissingObject, ReleaseError
from larder.release import manifest as manifests
from larder.release.keys import (
    MANIFEST,
    REJECTED,
    check_release,
    file_key,
    heartbeats_key,
    history_key,
    history_prefix,
    is_name,
    models_prefix,
    pointer_key,
    releases_prefix,
)
from larder.release.manifest import MAX_BYTES, Manifest
from larder.release.pointer import Pointer, dump_pointer, parse_pointer
from larder.store import Store

_ATTEMPTS: Final = 50  # each lost swap means that another writer won; there are never that many writers
_NO_REASON: Final = "The rollout left no readable reason; publish the release again to see it."


@dataclass(frozen=True, slots=True)
class PointerVersion:
    """A pointer as it was read.

    Attributes:
        pointer: The pointer.
        etag: The ETag of its object, for a compare-and-swap or a conditional read.
    """

    pointer: Pointer
    etag: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a rollout rejected a release.

    Attributes:
        reason: The reason.
        damaged: Whether the bytes differ from the manifest, so that an intact upload may go live.
    """

    reason: str
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files of one release, as a listing of the store shows them.

    Attributes:
        sizes: The length of each file in bytes, by name.
    """

    sizes: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether the upload has ended: the manifest is written last."""
        return MANIFEST in self.sizes

    @property
    def rejected(self) -> bool:
        """Whether a rollout rejected the release."""
        return REJECTED in self.sizes

    @property
    def total_bytes(self) -> int:
        """The length of all files in bytes."""
        return sum(self.sizes.values())

    def damage(self, manifest: Manifest) -> str | None:
        """What is missing or has another length than ``manifest`` states; None if nothing."""
        for name, entry in sorted(manifest.files.items()):
            size = self.sizes.get(name)
            if size is None:
                return f"{name} is missing, but the manifest lists it: publish the release again."
            if size != entry.bytes:
                return f"{name} has {size} bytes, but the manifest states {entry.bytes}: publish the release again."
        return None


def now() -> str:
    """The time in UTC, as documents of the registry state it: ``2026-01-02T03:04:05Z``."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Registry:
    """The models of one store. Thread-safe; nothing is cached.

    An invalid name raises InvalidRequest, a failure of the store StoreError.

    Attributes:
        store: The store that holds the models.
    """

    def __init__(self, store: Store) -> None:
        self.store: Final = store

    def models(self) -> list[str]:
        """The names of all models, sorted, without folders of other names; StoreError if this role must not list."""
        return [name for name in self.store.folders(models_prefix()) if is_name(name)]

    def has_files(self, model: str) -> bool:
        """Whether anything is stored for ``model``."""
        return bool(self.store.folders(f"{models_prefix()}{model}"))

    def releases(self, model: str) -> dict[str, StoredFiles]:
        """The files of each release, complete or not; reads one listing."""
        prefix = releases_prefix(model)
        sizes: dict[str, dict[str, int]] = {}
        for entry in self.store.list(prefix):
            path = entry.key.removeprefix(prefix).split("/")
            if len(path) == 2 and is_name(path[0]):
                sizes.setdefault(path[0], {})[path[1]] = entry.size
        return {release: StoredFiles(files) for release, files in sizes.items()}

    def release_names(self, model: str) -> list[str]:
        """The folders of the releases, complete or not, sorted: the oldest first. Their names are not checked."""
        return self.store.folders(releases_prefix(model))

    def files(self, model: str, release: str) -> StoredFiles:
        """The files of one release, which has none if there is no such release."""
        prefix = f"{releases_prefix(model)}{check_release(release)}/"
        names = ((entry.key.removeprefix(prefix), entry.size) for entry in self.store.list(prefix))
        return StoredFiles({name: size for name, size in names if "/" not in name})

    def pointer(self, model: str) -> PointerVersion | None:
        """The pointer of ``model``, or None if no release is live. Raises InvalidManifest if it cannot be read."""
        try:
            blob = self.store.get(pointer_key(model))
        except MissingObject:
            return None
        return PointerVersion(parse_pointer(blob.data), blob.etag)

    def pointer_if_changed(self, model: str, etag: str) -> PointerVersion | None:
        """The pointer, or None if its ETag is still ``etag``; empty for a pointer that is not known yet.

        Raises MissingObject if no release is live, and InvalidManifest if the pointer cannot be read.
        """
        blob = self.store.get_if_changed(pointer_key(model), etag)
        return None if blob is None else PointerVersion(parse_pointer(blob.data), blob.etag)

    def write_pointer(
        self, model: str, pointer: Pointer, *, replaces: PointerVersion | None, by: str | None = None
    ) -> None:
        """Write the pointer by compare-and-swap, then its entry in the history.

        ``replaces`` is what was read (None: there was no pointer); ``by`` names who changes it. A process that dies in
        between leaves no entry. Raises Conflict if the pointer changed since then.
        """
        etag = None if replaces is None else replaces.etag
        self.store.put(pointer_key(model), dump_pointer(pointer), etag=etag, create=etag is None)
        self.claim_change(model, pointer, by)

    def claim_change(self, model: str, pointer: Pointer, by: str | None) -> bool:
        """Whether ``by`` made the pointer what it is, as the history says.

        A missing entry, after a process that died before it wrote it, is written as theirs.
        """
        key = history_key(model, pointer.revision)
        entry = {"format": 1, **asdict(pointer), "changed": now(), "by": by}
        data = (json.dumps(entry, indent=2) + "\n").encode()
        try:
            self.store.put(key, data, create=True)
        except Conflict:
            stored = self.store.get(key)
            found = json.loads(stored.data)
            if {**found, "changed": entry["changed"], "by": by} == entry:
                return bool(found["by"] == by)
            self.store.put(key, data, etag=stored.etag)  # of a pointer that was deleted by hand
        return True

    def change_pointer(
        self, model: str, change: Callable[[Pointer | None], Pointer | None], *, by: str | None = None
    ) -> Pointer | None:
        """Change the pointer by compare-and-swap, until no other writer comes first; returns it as it is then.

        ``change`` gets the pointer, None without one, and returns another one, or the same to write nothing; the
        revision is counted here. ``by`` names who changes it, for the history.

        Raises what ``change`` raises, and Conflict if the pointer keeps changing.
        """
        for _ in range(_ATTEMPTS):
            current = self.pointer(model)
            old = None if current is None else current.pointer
            new = change(old)
            if new is None or new == old:
                return old
            pointer = replace(new, revision=1 if old is None else old.revision + 1)
            with suppress(Conflict):
                self.write_pointer(model, pointer, replaces=current, by=by)
                return pointer
        raise Conflict(f"The pointer of {model} keeps changing: wait until its other rollouts finish, then try again.")

    def history(self, model: str, n: int, before: int | None = None) -> list[Mapping[str, object]]:
        """The newest ``n`` entries of the pointer's history, newest first: its fields, ``changed`` and ``by``.

        With ``before``, only of older revisions than this one.
        """
        keys = sorted((entry.key for entry in self.store.list(history_prefix(model))), reverse=True)
        if before is not None:
            keys = [key for key in keys if key < history_key(model, before)]
        return [json.loads(self.store.get(key).data) for key in keys[:n]]

    def history_entry(self, model: str, revision: int) -> Mapping[str, object] | None:
        """One entry of the pointer's history; None if there is none."""
        try:
            entry: Mapping[str, object] = json.loads(self.store.get(history_key(model, revision)).data)
        except MissingObject:
            return None
        return entry

    def delete_pointer(self, model: str) -> None:
        """Delete the pointer, its history and the heartbeats, so that no release of ``model`` is live."""
        self.store.delete(pointer_key(model))
        self.store.delete(heartbeats_key(model))
        for key in [entry.key for entry in self.store.list(history_prefix(model))]:
            self.store.delete(key)

    def has_release(self, model: str, release: str) -> bool:
        """Whether the release is complete: its manifest is written last."""
        return self._exists(file_key(model, release, MANIFEST))

    def manifest(self, model: str, release: str) -> Manifest:
        """The manifest of a release.

        Raises MissingObject if there is none, and InvalidManifest if it breaks the format or names another release.
        """
        manifest = manifests.parse(self.store.get(file_key(model, release, MANIFEST)).data)
        expected = {"model": model, "release": release}
        problems = [
            f"{name}: is {getattr(manifest, name)!r}, but the folder is {value!r}; upload it to its own folder"
            for name, value in expected.items()
            if getattr(manifest, name) != value
        ]
        if problems:
            raise InvalidManifest("This manifest belongs to another folder.", problems)
        return manifest

    def readable_manifest(self, model: str, release: str) -> Manifest | None:
        """As ``manifest``; None if there is none or it cannot be read."""
        try:
            return self.manifest(model, release)
        except (ReleaseError, MissingObject):
            return None

    def uploaded_manifest(self, model: str, release: str) -> Manifest:
        """As ``manifest``, for an unverified release: checks the size before it reads the bytes."""
        size = self.store.size(file_key(model, release, MANIFEST))
        if size > MAX_BYTES:
            raise InvalidManifest("This manifest cannot be read.", [f"it has {size} bytes; the limit is {MAX_BYTES}"])
        return self.manifest(model, release)

    def delete_files(self, model: str, release: str, files: StoredFiles) -> None:
        """Delete the files of a release. The manifest goes first: no release is ever complete without its files."""
        for name in sorted(files.sizes, key=lambda name: name != MANIFEST):
            self.store.delete(file_key(model, release, name))

    def file_key(self, model: str, release: str, file: str) -> str:
        """The key of one file of a release in ``store``."""
        return file_key(model, release, file)

    def is_rejected(self, model: str, release: str) -> bool:
        """Whether a rollout rejected the release."""
        return self._exists(file_key(model, release, REJECTED))

    def rejection(self, model: str, release: str) -> Rejection | None:
        """Why a rollout rejected the release, or None if none did."""
        try:
            document = json.loads(self.store.get(file_key(model, release, REJECTED)).data)
            return Rejection(str(document["reason"]), document.get("damaged") is True)
        except MissingObject:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return Rejection(_NO_REASON)

    def reject(self, model: str, release: str, rejection: Rejection) -> None:
        """Write ``rejection`` and the time next to the manifest; does nothing if the same one is there already."""
        if self.rejection(model, release) == rejection:
            return
        document = {**asdict(rejection), "rejected": now()}
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        self.store.put(file_key(model, release, REJECTED), text.encode())

    def clear_rejection(self, model: str, release: str) -> None:
        """Remove the rejection; a release without one stays as it is."""
        self.store.delete(file_key(model, release, REJECTED))

    def _exists(self, key: str) -> bool:
        try:
            self.store.size(key)
        except MissingObject:
            return False
        return True
