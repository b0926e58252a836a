"""Models and releases as JSON documents, made of pointers (read each time) and manifests (immutable, so kept).

Nothing here opens a model.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from typing import Final, TypeVar

from larder.errors import InvalidManifest, InvalidRequest, MissingObject, NotFound
from larder.registry.download import Download, download
from larder.release.keys import (
    MANIFEST,
    REJECTED,
    check_file,
    check_model,
    check_release,
    file_key,
    models_prefix,
    pointer_key,
    releases_prefix,
)
from larder.release.manifest import Manifest, dump, parse
from larder.release.pointer import Pointer, parse_pointer
from larder.release.serving import ClassifierServing, RecommenderServing
from larder.store import Store

MAX_LISTED: Final = 100
_CONNECTIONS: Final = 8
_KEPT: Final = 128  # manifests: some KB each
_SHORT_OBJECT: Final = 24  # entries; a larger one is a table by label or item
_SHORT_LIST: Final = 4

Document = Mapping[str, object]
T = TypeVar("T")
R = TypeVar("R")


class Repository:
    """The models of one store. Thread-safe.

    A name that cannot be one raises InvalidRequest; a model, release or file that does not exist, NotFound; a
    document that breaks its format, InvalidManifest.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._manifest = lru_cache(maxsize=_KEPT)(self._read_manifest)

    def models(self) -> Document:
        """Every model that has a release: ``model``, ``kind``, ``live`` (null: nothing is) and its date, ``created``.

        A model without a live release tells the kind and date of its newest.
        """
        names = [name for name in self._store.folders(models_prefix()) if _is_name(check_model, name)]
        return {"models": [entry for entry in _at_once(self._summary, names) if entry]}

    def describe(self, model: str) -> Document:
        """The pointer of ``model``, and its live ``release`` (or its newest, where nothing is live): labels or items,
        and the headline of the evaluation.
        """
        pointer = self._pointer(model)
        found = self._manifest(model, pointer.stable if pointer else max(self._releases(model)))
        return {
            "model": model,
            "kind": found.kind,
            "live": pointer and pointer.stable,
            "previous": pointer and pointer.previous,
            "canary": pointer and pointer.canary,
            "canary_percent": pointer.canary_percent if pointer else 0,
            "revision": pointer.revision if pointer else 0,
            "release": found.release,
            "created": found.created,
            **_offered(found.serving),
            "evaluation": headline(found.evaluation),
        }

    def releases(self, model: str, n: str = "25") -> Document:
        """The newest ``n`` (a number as text, 1 to 100) whole releases of ``model``, newest first, and their ``total``.

        ``state`` is live, canary, previous, rejected (``reason`` says why) or stored: there, but not answering.
        """
        if not (n.isascii() and n.isdigit() and 1 <= int(n) <= MAX_LISTED):
            raise InvalidRequest(f"n is {n[:20]!r}: send a whole number from 1 to {MAX_LISTED}.")
        pointer, stored = self._pointer(model), self._releases(model)
        newest = sorted(stored, reverse=True)[: int(n)]

        def entry(release: str) -> Document:
            return self._release(model, release, _state(pointer, release), stored[release])

        return {"model": model, "total": len(stored), "releases": _at_once(entry, newest)}

    def document(self, model: str, release: str) -> Document:
        """The manifest of one release, as it is stored."""
        document: Document = json.loads(dump(self._manifest(model, release)))
        return document

    def structure(self, model: str, release: str) -> Document:
        """What training wrote down about the graph or the tables: inputs, outputs, operators, parameters."""
        found = self._manifest(model, release)
        return {"model": model, "release": release, "kind": found.kind, "structure": dict(found.structure)}

    def files(self, model: str, release: str) -> Document:
        """The files of one release, by name: length in bytes, SHA-256 in hex, and the path that downloads it."""
        listed = self._manifest(model, release).files
        folder = f"/v1/models/{model}/releases/{release}/files"
        entries = [{"name": name, **asdict(listed[name]), "path": f"{folder}/{name}"} for name in sorted(listed)]
        return {"model": model, "release": release, "files": entries}

    def download(self, model: str, release: str, name: str, wanted: str | None = None) -> Download:
        """A file that the release's manifest lists, or the part of it that the Range header ``wanted`` asks for."""
        check_file(name)
        entry = self._manifest(model, release).files.get(name)
        if entry is None:
            raise NotFound(f"{release} has no file {name!r}: use a name that its manifest lists.")
        return download(self._store, file_key(model, release, name), entry.bytes, wanted)

    def _read_manifest(self, model: str, release: str) -> Manifest:
        try:
            return parse(self._store.get(file_key(model, release, MANIFEST)).data)
        except MissingObject as error:
            message = f"{model!r} has no release {release!r}: use a name that GET /v1/models/{model}/releases lists."
            raise NotFound(message) from error

    def _pointer(self, model: str) -> Pointer | None:
        try:
            return parse_pointer(self._store.get(pointer_key(model)).data)
        except MissingObject:
            return None

    def _releases(self, model: str) -> dict[str, bool]:
        """Each whole release, and whether it was rejected, by one listing."""
        prefix = releases_prefix(model)
        paths = {tuple(entry.key.removeprefix(prefix).split("/")) for entry in self._store.list(prefix)}
        whole = {
            path[0]: (path[0], REJECTED) in paths
            for path in paths
            if path[1:] == (MANIFEST,) and _is_name(check_release, path[0])
        }
        if not whole:
            raise NotFound(f"There is no model {model!r}: publish a release, or use a name that GET /v1/models lists.")
        return whole

    def _summary(self, model: str) -> Document | None:
        try:
            pointer = self._pointer(model)
            told = pointer.stable if pointer else max(self._releases(model))
        except InvalidManifest:
            return {"model": model, "kind": None, "live": None, "created": None}
        except NotFound:
            return None  # an upload that was never finished
        kind, created, _ = self._told(model, told)
        return {"model": model, "kind": kind, "live": pointer and pointer.stable, "created": created}

    def _release(self, model: str, release: str, state: str, rejected: bool) -> Document:
        kind, created, reason = self._told(model, release)
        if rejected and state == "stored":
            state, reason = "rejected", self._reason(model, release)
        return {"release": release, "state": state, "kind": kind, "created": created, "reason": reason}

    def _told(self, model: str, release: str) -> tuple[str | None, str | None, str | None]:
        """Kind, creation and, where these cannot be read, why: one bad manifest must not hide the other releases."""
        try:
            found = self._manifest(model, release)
        except (InvalidManifest, NotFound) as error:
            return None, None, str(error)
        return found.kind, found.created, None

    def _reason(self, model: str, release: str) -> str:
        try:
            reason = json.loads(self._store.get(file_key(model, release, REJECTED)).data)["reason"]
        except (MissingObject, ValueError, KeyError, TypeError):
            return "The rollout left no reason that can be read; publish the release again to see it."
        return str(reason)


def _is_name(check: Callable[[str], str], name: str) -> bool:
    try:
        check(name)
    except InvalidRequest:
        return False
    return True


def headline(evaluation: Mapping[str, object]) -> Document:
    """What fits a glance at an evaluation: single values, intervals, and small objects of these; no tables."""
    return {name: short for name, value in evaluation.items() if (short := _short(value)) is not None}


def _short(value: object) -> object:
    """``value`` without its tables; None where nothing is left."""
    if isinstance(value, dict):
        return (headline(value) or None) if len(value) <= _SHORT_OBJECT else None
    if isinstance(value, list):
        single = len(value) <= _SHORT_LIST and all(isinstance(each, str | int | float) for each in value)
        return value if single and value else None
    return value


def _offered(serving: ClassifierServing | RecommenderServing) -> dict[str, object]:
    if isinstance(serving, ClassifierServing):
        side = {column.name: column.type for column in serving.side}
        return {"labels": list(serving.labels), **({"side": side} if side else {})}
    users = serving.users.rows if serving.users else 0
    return {"items": serving.items, "users": users, "columns": dict(serving.columns)}


def _state(pointer: Pointer | None, release: str) -> str:
    if pointer is None:
        return "stored"
    named = {pointer.previous: "previous", pointer.canary: "canary", pointer.stable: "live"}
    return named.get(release, "stored")


def _at_once(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """``function`` of each item, in order, several at a time: each waits for the store."""
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        return list(threads.map(function, items))
