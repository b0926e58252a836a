"""Whether the bytes in the store are the release that its manifest describes, and safe to open."""

import hashlib
from typing import Final

from larder.errors import InvalidManifest, InvalidModel, InvalidRequest, InvalidTable, MissingObject, ReleaseError
from larder.filters import compile_filter, parse
from larder.release import manifest
from larder.release.keys import MANIFEST, file_key
from larder.release.manifest import MAX_BYTES, PROBES, FileEntry, Manifest
from larder.release.serving import ClassifierServing, RecommenderServing, TableSpec
from larder.rollout.read_ahead import ReadAhead
from larder.store import Store, StoreReader
from larder.tables import MAX_HEADER_BYTES, DenseTable, Header, KeyedTable, MappedFile, Reader, parse_header
from larder.tables.vocabulary import Vocabulary

_MAX_GRAPH_BYTES: Final = 512 * 2**20  # a graph is parsed in memory; protobuf itself ends at 2 GiB


def verify(store: Store, model: str, release: str) -> Manifest:
    """Reads every byte of a release and returns its manifest.

    Checked are the manifest's format and names; each file's presence, length and SHA-256; that tables, vocabulary and
    rules open, agree with the manifest and hold only what serving can read; that the graph is safe and has the inputs
    and outputs of ARCHITECTURE.md. Tables are streamed: memory does not grow with their rows.

    Raises:
        InvalidRequest: a name cannot be one.
        MissingObject: there is no manifest.
        ReleaseError: whatever is wrong with the release.
        StoreError: the store failed; nothing is said about the release.
    """
    found = read_manifest(store, model, release)
    if PROBES not in found.files:
        raise InvalidManifest("This manifest is not valid.", [f"files: {PROBES} is missing; train the release again"])
    for name, entry in found.files.items():
        _check_size(store, found, name, entry)
    for name, entry in found.files.items():
        _check_digest(store, found, name, entry)
    if isinstance(found.serving, ClassifierServing):
        _check_classifier(store, found, found.serving)
    else:
        _check_recommender(store, found, found.serving)
    return found


def read_manifest(store: Store, model: str, release: str) -> Manifest:
    """The manifest; raises InvalidManifest where it breaks the format or is another release's."""
    key = file_key(model, release, MANIFEST)
    size = store.size(key)
    if size > MAX_BYTES:
        raise InvalidManifest("This manifest cannot be read.", [f"it has {size} bytes; the limit is {MAX_BYTES}"])
    found = manifest.parse(store.get(key).data)
    wanted = {"model": model, "release": release}
    problems = [
        f"{name}: is {getattr(found, name)!r}, but the folder is {value!r}; upload it where it belongs"
        for name, value in wanted.items()
        if getattr(found, name) != value
    ]
    if problems:
        raise InvalidManifest("This manifest belongs to another folder.", problems)
    return found


def _check_size(store: Store, found: Manifest, name: str, entry: FileEntry) -> None:
    try:
        size = store.size(_key(found, name))
    except MissingObject as error:
        raise ReleaseError(f"{name} is missing, but the manifest lists it: upload it, then roll out again.") from error
    if size != entry.bytes:
        raise ReleaseError(f"{name} has {size} bytes, but the manifest states {entry.bytes}: train and publish anew.")


def _check_digest(store: Store, found: Manifest, name: str, entry: FileEntry) -> None:
    digest = hashlib.sha256()
    for chunk in store.stream(_key(found, name)):
        digest.update(chunk)
    if digest.hexdigest() != entry.sha256:
        raise ReleaseError(
            f"{name} is damaged: its SHA-256 is {digest.hexdigest()}, but the manifest states {entry.sha256}. "
            "Train and publish anew."
        )


def _check_classifier(store: Store, found: Manifest, serving: ClassifierServing) -> None:
    from larder.rollout.onnx_checks import check_graph

    size = found.files[serving.file].bytes
    if size > _MAX_GRAPH_BYTES:
        raise InvalidModel(f"{serving.file} has {size} bytes; the limit is {_MAX_GRAPH_BYTES}: quantise or shrink it.")
    check_graph(store.get(_key(found, serving.file)).data, serving)
    header = _check_probes(store, found)
    header.tensor("probabilities", "F32", (_probes(header), len(serving.labels)))


def _check_recommender(store: Store, found: Manifest, serving: RecommenderServing) -> None:
    _check_headers(store, found)
    items = Vocabulary.open(_reader(store, found, serving.items_file))
    if len(items) != serving.items or dict(items.columns) != dict(serving.columns):
        raise InvalidTable(
            f"{serving.items_file} has {len(items)} items with columns {dict(items.columns)}, but the manifest states "
            f"{serving.items} with {dict(serving.columns)}: train and publish anew."
        )
    items.check()
    for spec in (serving.neighbours, serving.transitions):
        if spec is not None:
            _check_dense(store, found, spec, serving.items)
    segments = KeyedTable.open(_reader(store, found, serving.segments.file), serving.segments)
    segments.check(serving.items)
    if segments.lookup("") is None:
        raise InvalidTable(f"{serving.segments.file} has no segment of all users (the empty key): train anew.")
    if serving.users is not None:
        KeyedTable.open(_reader(store, found, serving.users.file), serving.users).check(serving.items)
    for rule in serving.rules:
        try:
            compile_filter(parse(rule), items)
        except InvalidRequest as error:
            raise InvalidManifest("This manifest is not valid.", [f"serving.rules: {error}"]) from error
    header = _check_probes(store, found)
    header.tensor("answer.offsets", "U64", (_probes(header) + 1,))
    header.tensor("answer.bytes", "U8", (None,))


def _check_dense(store: Store, found: Manifest, spec: TableSpec, items: int) -> None:
    table = DenseTable.open(_reader(store, found, spec.file), spec)
    if len(table) != items:
        raise InvalidTable(f"{spec.file} has {len(table)} rows for {items} items: train anew.")
    table.check(items)


def _check_headers(store: Store, found: Manifest) -> None:
    """Every table that the manifest lists, whether serving names it or not."""
    for name in found.files:
        if name.endswith(".safetensors"):
            _header(store, found, name)


def _check_probes(store: Store, found: Manifest) -> Header:
    header = _header(store, found, PROBES)
    header.require("probes")
    header.tensor("request.offsets", "U64", (None,))
    header.tensor("request.bytes", "U8", (None,))
    if _probes(header) < 1:
        raise InvalidTable(f"{PROBES} holds no request: train and publish anew.")
    return header


def _probes(header: Header) -> int:
    return header.tensors["request.offsets"].shape[0] - 1


def _header(store: Store, found: Manifest, name: str) -> Header:
    reader = _reader(store, found, name)
    return parse_header(reader.read(0, min(reader.size, 8 + MAX_HEADER_BYTES)), reader.size, name)


def _reader(store: Store, found: Manifest, name: str) -> Reader:
    local = store.local_path(_key(found, name))
    if local is not None:
        return MappedFile(local)
    return ReadAhead(StoreReader(store, _key(found, name), found.files[name].bytes))


def _key(found: Manifest, name: str) -> str:
    return file_key(found.model, found.release, name)
