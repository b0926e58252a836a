"""Upload a release from a folder: only intact bytes, only those that the store lacks, and the manifest last."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from larder.errors import Conflict, InvalidManifest, MissingObject, ReleaseError
from larder.registry import Registry
from larder.release import manifest as manifests
from larder.release.keys import MANIFEST
from larder.release.manifest import FileEntry, Manifest
from larder.store import Blob, Store

_REMEDY: Final = "copy the folder again from where it was trained, or train the release again"


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload sent.

    Attributes:
        manifest: The manifest of the release.
        sent: The names of the files that were sent, the manifest last; empty if the store had the whole release.
        sent_bytes: Their length in bytes.
    """

    manifest: Manifest
    sent: tuple[str, ...]
    sent_bytes: int


def upload(folder: Path, store: Store) -> Upload:
    """Upload the release in ``folder`` to the store, its manifest last.

    Files that the store has with the same bytes are not sent again, and a damaged file is replaced. The rejection of a
    release whose bytes were damaged is removed, and its manifest is sent again, so that the release is checked again.

    Raises:
        InvalidManifest: The manifest breaks the format.
        ReleaseError: A file is missing, or its length or SHA-256 is not that of the manifest. Nothing is sent.
        Conflict: The store has another release of this name.
    """
    registry = Registry(store)
    document = _read(folder / MANIFEST)
    manifest = manifests.parse(document)
    present = _get(store, registry.file_key(manifest.model, manifest.release, MANIFEST))
    replaces = present is not None and present.data != document
    if replaces:
        _check_replaceable(registry, manifest)
    for name, entry in sorted(manifest.files.items()):
        _check_local(folder / name, entry)
    wanted = [name for name, entry in sorted(manifest.files.items()) if not _has(registry, manifest, name, entry)]
    for name in wanted:
        store.upload(registry.file_key(manifest.model, manifest.release, name), folder / name)
    sent = list(wanted)
    rejection = registry.rejection(manifest.model, manifest.release)
    again = rejection is not None and (bool(wanted) or replaces or rejection.damaged)
    if again:
        registry.clear_rejection(manifest.model, manifest.release)
    if again or replaces or present is None:
        _send_manifest(registry, manifest, document, present)
        sent.append(MANIFEST)
    sizes = {name: entry.bytes for name, entry in manifest.files.items()} | {MANIFEST: len(document)}
    return Upload(manifest, tuple(sent), sum(sizes[name] for name in sent))


def _send_manifest(registry: Registry, manifest: Manifest, document: bytes, present: Blob | None) -> None:
    key = registry.file_key(manifest.model, manifest.release, MANIFEST)
    try:
        registry.store.put(key, document, etag=None if present is None else present.etag, create=present is None)
    except Conflict:  # another process uploads the same release now
        if registry.store.get(key).data != document:
            raise


def _check_replaceable(registry: Registry, manifest: Manifest) -> None:
    """Raise Conflict unless the stored manifest is damaged: a release never changes."""
    try:
        registry.manifest(manifest.model, manifest.release)
    except InvalidManifest:
        return
    raise Conflict(f"The store has another release {manifest.model}/{manifest.release}: train again for a new name.")


def _has(registry: Registry, manifest: Manifest, name: str, entry: FileEntry) -> bool:
    """Whether the store has these bytes; reads them only if their length is right."""
    key = registry.file_key(manifest.model, manifest.release, name)
    try:
        return registry.store.size(key) == entry.bytes and registry.store.sha256(key) == entry.sha256
    except MissingObject:
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path.name} cannot be read ({error.strerror}): give the folder of a release.") from error


def _check_local(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise ReleaseError(f"{path.name} is missing, but the manifest lists it: train the release again.")
    size = path.stat().st_size
    if size != entry.bytes:
        raise ReleaseError(f"{path.name} has {size} bytes, but the manifest states {entry.bytes}: {_REMEDY}.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.sha256:
        raise ReleaseError(
            f"{path.name} is damaged: its SHA-256 is {digest}, but the manifest states {entry.sha256}: {_REMEDY}."
        )


def _get(store: Store, key: str) -> Blob | None:
    try:
        return store.get(key)
    except MissingObject:
        return None
