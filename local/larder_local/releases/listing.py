"""Lists models and releases of a store and of this machine, with their states, qualities and sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from larder.errors import InvalidManifest, MissingObject
from larder.registry import Registry, StoredFiles
from larder.release.keys import MANIFEST
from larder.release.manifest import Manifest
from larder.release.pointer import Role
from larder.release.quality import Quality, quality
from larder.store import Store
from larder_local.workspace import Workspace

State: TypeAlias = Role | Literal["rejected", "damaged", "uploaded", "local only"]
_Local: TypeAlias = tuple[Path, Manifest]
_ABSENT: Final = "live.json names it, but the store does not have it: roll back, or publish another release."
_UNFINISHED: Final = "its upload has not ended: it has no manifest."


@dataclass(frozen=True, slots=True)
class ListedRelease:
    """One release of a model.

    Attributes:
        model: The model's name.
        release: The release's name.
        state: ``live``, ``canary``, ``previous``, ``rejected``, ``damaged``, ``uploaded`` (in the store, and none of
            these), or ``local only``.
        role: As what the pointer names it, intact or not; None if it does not.
        reason: Why it is rejected or damaged; None otherwise.
        kind: ``classifier`` or ``recommender``; None if its manifest cannot be read.
        created: Its date; None if its manifest cannot be read.
        quality: The headline of its evaluation; None if its manifest has none.
        stored_bytes: Its size in the store; 0 if it is not there.
        local_bytes: Its size among the trained releases of this machine; 0 if it is not there.
        path: Its folder on this machine, or None.
    """

    model: str
    release: str
    state: State
    role: Role | None = None
    reason: str | None = None
    kind: str | None = None
    created: str | None = None
    quality: Quality | None = None
    stored_bytes: int = 0
    local_bytes: int = 0
    path: Path | None = None

    @property
    def is_live(self) -> bool:
        """Whether the pointer names it as the live release, intact or not."""
        return self.role == "live"

    @property
    def answers(self) -> bool:
        """Whether the pointer sends callers to it: as the live release or the canary, intact or not."""
        return self.role in ("live", "canary")

    @property
    def total_bytes(self) -> int:
        """Its size in the store and on this machine."""
        return self.stored_bytes + self.local_bytes

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "model": self.model,
            "release": self.release,
            "state": self.state,
            "reason": self.reason,
            "kind": self.kind,
            "created": self.created,
            "quality": self.quality and self.quality.document(),
            "stored_bytes": self.stored_bytes,
            "local_bytes": self.local_bytes,
            "path": None if self.path is None else str(self.path),
        }


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model.

    Attributes:
        model: The model's name.
        releases: Its releases, newest first.
        problem: Why its pointer cannot be read; None otherwise.
    """

    model: str
    releases: tuple[ListedRelease, ...]
    problem: str | None = None

    @property
    def live(self) -> ListedRelease | None:
        """The live release, if it is intact."""
        return next((release for release in self.releases if release.state == "live"), None)

    @property
    def state(self) -> str:
        """``live``; ``damaged``, if the live release or the pointer is; or ``not live``."""
        if self.live:
            return "live"
        return "damaged" if self.problems else "not live"

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the model from answering as it should."""
        pointer = (f"live.json cannot be read: {self.problem}",) if self.problem else ()
        damaged = [entry for entry in self.releases if entry.state == "damaged" and entry.is_live]
        return (*pointer, *(f"the live release {entry.release} is damaged: {entry.reason}" for entry in damaged))

    @property
    def shown(self) -> ListedRelease | None:
        """The release that stands for the model: the live one, else the newest."""
        return self.live or next(iter(self.releases), None)

    @property
    def total_bytes(self) -> int:
        """The size of all releases, in the store and on this machine."""
        return sum(entry.total_bytes for entry in self.releases)

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        shown = self.shown
        return {
            "model": self.model,
            "kind": shown and shown.kind,
            "state": self.state,
            "live": self.live and self.live.release,
            "created": shown and shown.created,
            "quality": shown.quality.document() if shown and shown.quality else None,
            "releases": len(self.releases),
            "bytes": self.total_bytes,
            "problems": list(self.problems),
        }


def list_models(workspace: Workspace, store: Store | None, *, digests: bool = False) -> list[ListedModel]:
    """All models of the store (None: it does not exist yet) and of this machine, by name; see ``list_releases``."""
    local = _local_releases(workspace)
    stored = Registry(store).models() if store is not None else []
    return [_listed(name, local.get(name, {}), store, digests=digests) for name in sorted({*stored, *local})]


def list_releases(workspace: Workspace, store: Store | None, model: str, *, digests: bool = False) -> ListedModel:
    """All releases of ``model``, newest first; none if there is no such model.

    Every file's presence and length are compared with the manifest. The SHA-256 of each file of the live release is
    compared too if the store is a folder, and with ``digests`` that of every file.
    """
    return _listed(model, _local_releases(workspace).get(model, {}), store, digests=digests)


def _local_releases(workspace: Workspace) -> dict[str, dict[str, _Local]]:
    """The folders of the releases of this machine and their manifests, by model and release."""
    found: dict[str, dict[str, _Local]] = {}
    for path, manifest in workspace.manifests():
        found.setdefault(manifest.model, {})[path.name] = (path, manifest)
    return found


def _listed(model: str, local: Mapping[str, _Local], store: Store | None, *, digests: bool) -> ListedModel:
    registry = Registry(store) if store is not None else None
    pointer, problem = None, None
    stored: Mapping[str, StoredFiles] = {}
    if registry is not None:
        try:
            version = registry.pointer(model)
            pointer = None if version is None else version.pointer
        except InvalidManifest as error:
            problem = " ".join(str(error).split())
        stored = registry.releases(model)
    live = {pointer.stable} if pointer else set()
    entries = []
    for release in sorted({*local, *stored, *live}, reverse=True):
        entry = ListedRelease(model, release, "local only", role=pointer.role(release) if pointer else None)
        if registry is not None and (release in stored or release in live):
            entry = _stored(registry, entry, stored.get(release, StoredFiles({})), digests=digests)
        if release in local:
            path, manifest = local[release]
            entry = _described(replace(entry, path=path, local_bytes=_bytes(path)), manifest)
        entries.append(entry)
    return ListedModel(model, tuple(entries), problem)


def _stored(registry: Registry, entry: ListedRelease, files: StoredFiles, *, digests: bool) -> ListedRelease:
    """The entry with what the store knows of it."""
    entry = replace(entry, state=entry.role or "uploaded", stored_bytes=files.total_bytes)
    manifest, damage = _check(registry, entry, files, digests=digests)
    if manifest is not None:
        entry = _described(entry, manifest)
    if files.rejected and entry.role is None:
        rejection = registry.rejection(entry.model, entry.release)
        return replace(entry, state="rejected", reason=None if rejection is None else rejection.reason)
    return entry if damage is None else replace(entry, state="damaged", reason=damage)


def _check(
    registry: Registry, entry: ListedRelease, files: StoredFiles, *, digests: bool
) -> tuple[Manifest | None, str | None]:
    """The manifest if it can be read, and what is damaged."""
    if not files.complete:
        return None, _ABSENT if entry.is_live and not files.sizes else _UNFINISHED
    try:
        manifest = registry.manifest(entry.model, entry.release)
    except (InvalidManifest, MissingObject) as error:
        return None, " ".join(str(error).split())
    damage = files.damage(manifest)
    is_folder = registry.store.local_path(registry.file_key(entry.model, entry.release, MANIFEST)) is not None
    if damage is None and (digests or (entry.is_live and is_folder)):
        damage = _other_digest(registry, manifest)
    return manifest, damage


def _other_digest(registry: Registry, manifest: Manifest) -> str | None:
    for name, expected in sorted(manifest.files.items()):
        if registry.store.sha256(registry.file_key(manifest.model, manifest.release, name)) != expected.sha256:
            return f"the SHA-256 of {name} is not that of the manifest: publish the release again."
    return None


def _described(entry: ListedRelease, manifest: Manifest) -> ListedRelease:
    return replace(entry, kind=manifest.kind, created=manifest.created, quality=quality(manifest))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
