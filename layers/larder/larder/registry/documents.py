"""Models and releases as the JSON documents of the models API. Nothing here loads a model.

Pointers are read for each request; manifests never change, so they are cached.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from typing import Final, TypeVar

from larder.errors import InvalidManifest, MissingObject, NotFound
from larder.registry.download import Download, download
from larder.registry.registry import Registry, StoredFiles
from larder.registry.rollout_records import read_record
from larder.registry.search.pages import Found, read_page
from larder.registry.search.query import DEFAULT_LISTED, ReleaseQuery
from larder.release.keys import check_file, is_name
from larder.release.manifest import Manifest, dump
from larder.release.pointer import Pointer, Role
from larder.release.quality import quality
from larder.release.serving import ClassifierServing, RecommenderServing
from larder.store import Store

MAX_LISTED: Final = 100
_CONNECTIONS: Final = 8
_CACHED: Final = 256  # manifests: some KB each
_SHORT_OBJECT: Final = 24  # entries; a larger one is a table by label or item
_SHORT_LIST: Final = 4

Document = Mapping[str, object]
T = TypeVar("T")
R = TypeVar("R")


def _every(_: str) -> bool:
    return True


class ModelDocuments:
    """The models of one registry, as JSON documents. Thread-safe.

    An invalid name raises InvalidRequest; a model, release or file that does not exist, NotFound; a manifest or pointer
    that breaks its format, InvalidManifest.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._manifest = lru_cache(maxsize=_CACHED)(self._read_manifest)

    def models(
        self, visible: Callable[[str], bool] = _every, n: int | None = None, after: str = "", text: str = ""
    ) -> Document:
        """The models that are ``visible`` and have a release: ``model``, ``kind``, ``live`` and its date, ``created``.

        At most ``n`` of those whose name contains ``text`` and comes after ``after``; ``next`` is the ``after`` of the
        next page, None on the last.

        ``live`` is null if no release is, or if the manifest of the live release cannot be read. For a model without a
        live release, kind and date are those of its newest release.
        """
        names = [name for name in self._registry.models() if name > after and text in name and visible(name)]
        shown = names[:n]
        entries = [entry for entry in _map_concurrently(self._summary, shown) if entry]
        return {"models": entries, "next": shown[-1] if len(shown) < len(names) else None}

    def kinds(self) -> dict[str, object]:
        """The kind of every model that has a release; None if its manifest cannot be read."""
        entries = _map_concurrently(self._summary, self._registry.models())
        return {str(entry["model"]): entry["kind"] for entry in entries if entry}

    def describe(self, model: str) -> Document:
        """The pointer of ``model``, and its live ``release`` (or the newest if none is live): labels or items, and the
        headline of the evaluation.
        """
        pointer = self._pointer(model)
        manifest = self._manifest(model, pointer.stable if pointer else max(self._releases(model)))
        return {
            "model": model,
            "kind": manifest.kind,
            "live": pointer and pointer.stable,
            "previous": pointer and pointer.previous,
            "canary": pointer and pointer.canary,
            "canary_percent": pointer.canary_percent if pointer else 0,
            "revision": pointer.revision if pointer else 0,
            "release": manifest.release,
            "created": manifest.created,
            **_contents(manifest.serving),
            "evaluation": headline(manifest.evaluation),
        }

    def releases(self, model: str, query: ReleaseQuery = ReleaseQuery()) -> Document:  # noqa: B008  # it is frozen
        """A page of the complete releases of ``model``; ``total``, how many there are with uploads that have not ended;
        and ``next``, the ``next`` of the page after it, None on the last.

        ``state`` is live, canary, previous, rejected or damaged (for ``reason``), or stored (not in use).
        """
        pointer, names = self._pointer(model), self._registry.release_names(model)

        def read(release: str) -> Found | None:
            if not is_name(release) or not (files := self._registry.files(model, release)).complete:
                return None
            entry = self._release(model, release, pointer.role(release) if pointer else None, files)
            manifest = None if entry["kind"] is None else self._manifest(model, release)
            if not query.matches(entry["state"], manifest):
                return None
            return release, query.value(manifest) if manifest else None, entry

        entries, following = read_page(query, query.candidates(names, pointer), read)
        if not names or not (entries or following or query.next or query.is_filtered):
            raise _unknown(model)
        return {"model": model, "total": len(names), "releases": entries, "next": following}

    def document(self, model: str, release: str) -> Document:
        """The manifest of one release, as it is stored."""
        document: Document = json.loads(dump(self._manifest(model, release)))
        return document

    def structure(self, model: str, release: str) -> Document:
        """The structure of the graph or the tables, from training: inputs, outputs, operators, parameters."""
        manifest = self._manifest(model, release)
        return {"model": model, "release": release, "kind": manifest.kind, "structure": dict(manifest.structure)}

    def files(self, model: str, release: str) -> Document:
        """The files of one release, by name: length in bytes, SHA-256 in hex, and the path that downloads it."""
        listed = self._manifest(model, release).files
        folder = f"/v1/models/{model}/releases/{release}/files"
        entries = [{"name": name, **asdict(listed[name]), "path": f"{folder}/{name}"} for name in sorted(listed)]
        return {"model": model, "release": release, "files": entries}

    def rollout(self, model: str, release: str) -> Document:
        """The record of a release's last rollout; NotFound without one, as for a release of an older version."""
        self._manifest(model, release)
        record = read_record(self._registry, model, release)
        if record is None:
            raise NotFound(f"No rollout of {release} is recorded: larder publish {release} runs one.")
        return {"model": model, "release": release, **record.document()}

    def comparison(self, model: str, release: str, base: str | None = None, metric: str | None = None) -> Document:
        """A release beside ``base``, the live one by default; see ``larder.registry.release_comparison``."""
        from larder.registry.release_comparison import comparison_document  # imports the reader of tables

        if base is None:
            pointer = self._pointer(model)
            if pointer is None:
                raise NotFound(f"Model {model!r} has no live release: give the base to compare with.")
            base = pointer.stable
        new, old = self._manifest(model, release), self._manifest(model, base)
        return comparison_document(self._registry, new, old, metric)

    def history(self, model: str, n: int = DEFAULT_LISTED, before: int | None = None) -> Document:
        """The newest ``n`` changes of the pointer, newest first, of revisions ``before`` one; ``next`` is the
        ``before`` of the next page, None on the last.
        """
        entries = self._registry.history(model, n + 1, before)
        if not entries and not self._registry.release_names(model):
            raise _unknown(model)
        shown = entries[:n]
        return {"model": model, "history": shown, "next": shown[-1]["revision"] if len(entries) > n else None}

    def download(self, model: str, release: str, name: str, range_header: str | None = None) -> Download:
        """A file that the release's manifest lists, or the part of it that ``range_header`` requests."""
        check_file(name)
        entry = self._manifest(model, release).files.get(name)
        if entry is None:
            raise NotFound(f"{release} has no file {name!r}: use a name that its manifest lists.")
        key = self._registry.file_key(model, release, name)
        return download(self._registry.store, key, entry.bytes, range_header)

    def _read_manifest(self, model: str, release: str) -> Manifest:
        try:
            return self._registry.manifest(model, release)
        except MissingObject as error:
            message = f"{model!r} has no release {release!r}: use a name that GET /v1/models/{model}/releases lists."
            raise NotFound(message) from error

    def _pointer(self, model: str) -> Pointer | None:
        version = self._registry.pointer(model)
        return None if version is None else version.pointer

    def _releases(self, model: str) -> dict[str, StoredFiles]:
        """The files of each complete release."""
        releases = {name: files for name, files in self._registry.releases(model).items() if files.complete}
        if not releases:
            raise _unknown(model)
        return releases

    def _summary(self, model: str) -> Document | None:
        try:
            pointer = self._pointer(model)
            release = pointer.stable if pointer else max(self._releases(model))
        except InvalidManifest:
            return {"model": model, "kind": None, "live": None, "created": None}
        except NotFound:
            return None  # an upload that has not finished
        kind, created, damage = self._kind_and_date(model, release)
        live = pointer.stable if pointer and damage is None else None
        return {"model": model, "kind": kind, "live": live, "created": created}

    def _release(self, model: str, release: str, role: Role | None, files: StoredFiles) -> dict[str, object]:
        kind, created, reason = self._kind_and_date(model, release)
        state: str = role or "stored"
        if files.rejected and role is None:
            rejection = self._registry.rejection(model, release)
            state, reason = "rejected", None if rejection is None else rejection.reason
        elif reason := reason or files.damage(self._manifest(model, release)):
            state = "damaged"
        stated = None if kind is None else quality(self._manifest(model, release))
        return {
            "release": release,
            "state": state,
            "kind": kind,
            "created": created,
            "reason": reason,
            "quality": None if stated is None else stated.document(),
        }

    def _kind_and_date(self, model: str, release: str) -> tuple[str | None, str | None, str | None]:
        """Kind, creation date and the error if they cannot be read: one bad manifest must not hide the others."""
        try:
            manifest = self._manifest(model, release)
        except (InvalidManifest, NotFound) as error:
            return None, None, str(error)
        return manifest.kind, manifest.created, None


def _unknown(model: str) -> NotFound:
    return NotFound(f"Model {model!r} does not exist: publish a release, or use a name that GET /v1/models lists.")


@lru_cache(maxsize=1)
def documents_of(store: Store) -> ModelDocuments:
    """The documents of a store, which keep the manifests that they have read."""
    return ModelDocuments(Registry(store))


def headline(evaluation: Mapping[str, object]) -> Document:
    """The short part of an evaluation: single values, intervals, and small objects of these; no tables."""
    return {name: short for name, value in evaluation.items() if (short := _short(value)) is not None}


def _short(value: object) -> object:
    """``value`` without its tables; None if nothing is left."""
    if isinstance(value, dict):
        return (headline(value) or None) if len(value) <= _SHORT_OBJECT else None
    if isinstance(value, list):
        is_short = len(value) <= _SHORT_LIST and all(isinstance(element, str | int | float) for element in value)
        return value if is_short and value else None
    return value


def _contents(serving: ClassifierServing | RecommenderServing) -> dict[str, object]:
    if isinstance(serving, ClassifierServing):
        side = {column.name: column.type for column in serving.side}
        return {"labels": list(serving.labels), **({"side": side} if side else {})}
    users = serving.users.rows if serving.users else 0
    return {"items": serving.items, "users": users, "columns": dict(serving.columns)}


def _map_concurrently(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """``function`` of each item, in order; several at a time, since each waits for the store."""
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        return list(threads.map(function, items))
