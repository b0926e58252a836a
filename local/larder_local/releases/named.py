"""Finds the release that a command's argument names: a folder, a ``model.tar.gz``, a release, or a model."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from larder.errors import InvalidManifest, InvalidRequest, MissingObject
from larder.registry import Registry
from larder.release.archive import unpack
from larder.release.keys import MANIFEST, check_release, is_name
from larder.release.manifest import parse
from larder.store import Store, open_store
from larder_local.console import suggestion
from larder_local.workspace import Workspace

_ARCHIVES: Final = (".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class NamedRelease:
    """A release folder, and why it was taken.

    Attributes:
        path: The folder.
        why: Such as ``the live release of digits``; None if the argument is the folder itself.
        live: Whether it was found as the live release of a model.
    """

    path: Path
    why: str | None = None
    live: bool = False

    def announce(self) -> Path:
        """Prints which release was taken, on standard error, and returns its folder."""
        if self.why is not None:
            click.echo(f"Taking {self.path.name}, {self.why}.", err=True)
        return self.path


def live_or_newest(name: str, workspace: Workspace, store_url: str) -> NamedRelease:
    """The release folder, archive or release ``name``, or the live release of model ``name``, else its newest here.

    A live release that is not on this machine is downloaded to the workspace's cache.

    Raises:
        InvalidRequest: There is no such release; the message names the nearest models.
        StoreError: The store failed.
    """
    found = _folder(name, workspace)
    if found is not None:
        return found
    store = existing_store(store_url)
    live = _live(name, store) if store is not None else None
    if store is not None and live is not None:
        path = _local_copy(store, name, live, workspace)
        return NamedRelease(path, f"the live release of {name}", live=True)
    return _newest(name, workspace, store, "no release of it is live")


def newest(name: str, workspace: Workspace, store_url: str) -> NamedRelease:
    """The release folder, archive or release ``name``, or the newest release of model ``name`` on this machine.

    Raises InvalidRequest if there is none; the message names the nearest models.
    """
    found = _folder(name, workspace)
    if found is not None:
        return found
    store = existing_store(store_url)
    live = _live(name, store) if store is not None else None
    chosen = _newest(name, workspace, store, "")
    why = f"{chosen.why}; it is live already" if chosen.path.name == live else chosen.why
    return NamedRelease(chosen.path, why)


def existing_store(url: str) -> Store | None:
    """The store at ``url``; None for a folder that does not exist, which opening would create."""
    folder = Path(url.removeprefix("file://")) if url.startswith("file://") else None
    return None if folder is not None and not folder.is_dir() else open_store(url)


def model_names(workspace: Workspace, store: Store | None) -> set[str]:
    """All models of the store and of this machine."""
    stored = set(Registry(store).models()) if store is not None else set()
    return stored | workspace.models()


def _folder(name: str, workspace: Workspace) -> NamedRelease | None:
    if (Path(name) / MANIFEST).is_file():
        return NamedRelease(Path(name))
    if name.endswith(_ARCHIVES) and Path(name).is_file():
        return NamedRelease(_unpacked(Path(name), workspace), f"the content of {name}")
    if is_name(name) and (workspace.releases / name / MANIFEST).is_file():
        return NamedRelease(workspace.releases / name)
    return None


def _unpacked(archive: Path, workspace: Workspace) -> Path:
    """The folder of the release in an archive, among the releases of this machine, which may have had it before."""
    workspace.releases.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=workspace.releases, prefix=".unpacking-") as scratch:
        unpacked = unpack(archive, Path(scratch) / "release")
        folder = workspace.releases / check_release(parse((unpacked / MANIFEST).read_bytes()).release)
        if not folder.exists():
            shutil.move(unpacked, folder)
    return folder


def _newest(name: str, workspace: Workspace, store: Store | None, note: str) -> NamedRelease:
    releases = workspace.releases_of(name)
    if releases:
        return NamedRelease(releases[-1], f"the newest release of {name} on this machine{f': {note}' if note else ''}")
    known = model_names(workspace, store)
    hint = suggestion(name, known) or (f" Models are {', '.join(sorted(known))}." if known else "")
    raise InvalidRequest(
        f"{name!r} is neither a release folder nor a model with a release in {workspace.releases}: train it first, "
        f"or give the path of a release folder.{hint}"
    )


def _live(name: str, store: Store) -> str | None:
    if not is_name(name):
        return None
    version = Registry(store).pointer(name)
    return None if version is None else version.pointer.stable


def _local_copy(store: Store, model: str, release: str, workspace: Workspace) -> Path:
    """The folder of a release: the training's, the store's if that is a folder, or a download."""
    registry = Registry(store)
    try:
        manifest = registry.manifest(model, release)
    except (MissingObject, InvalidManifest) as error:
        raise InvalidRequest(
            f"The live release {release} of {model} is damaged: publish or roll back to another one, or give the path "
            f"of a release folder. {error}"
        ) from error
    key = registry.file_key(model, release, MANIFEST)
    trained = workspace.releases / release
    if (trained / MANIFEST).is_file() and (trained / MANIFEST).read_bytes() == store.get(key).data:
        return trained
    local = store.local_path(key)
    if local is not None:
        return local.parent
    folder = workspace.cache / "releases" / model / release
    for name, entry in manifest.files.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != entry.bytes:
            store.download(registry.file_key(model, release, name), folder / name)
    store.download(key, folder / MANIFEST)
    return folder
