"""Check that the bytes in the store are the release that its manifest describes, and that they are safe to load."""

from typing import Final

from larder.errors import DamagedRelease, InvalidManifest, InvalidModel, InvalidRequest, InvalidTable, MissingObject
from larder.filters import compile_rule
from larder.registry import Registry
from larder.release.keys import file_key
from larder.release.manifest import PROBES, FileEntry, Manifest
from larder.release.serving import ClassifierServing, RecommenderServing, TableSpec
from larder.rollout.read_ahead import ReadAhead
from larder.store import Store, StoreReader
from larder.tables import MAX_HEADER_BYTES, DenseTable, Header, KeyedTable, MappedFile, Reader, parse_header
from larder.tables.vocabulary import Vocabulary

_MAX_GRAPH_BYTES: Final = 512 * 2**20  # a graph is parsed in memory; the limit of protobuf itself is 2 GiB


def verify(store: Store, model: str, release: str) -> Manifest:
    """Read every byte of a release and return its manifest.

    Checks the manifest's format and names; the presence, length and SHA-256 of each file; that tables, vocabulary and
    rules load, agree with the manifest and hold only values that serving can read; and that the graph is safe and has
    the inputs and outputs of ARCHITECTURE.md. Tables are streamed, so memory does not grow with their rows.

    Raises:
        InvalidRequest: a name is invalid.
        MissingObject: the manifest does not exist.
        ReleaseError: the release fails a check.
        StoreError: the store failed; this does not depend on the release.
    """
    manifest = Registry(store).uploaded_manifest(model, release)
    if PROBES not in manifest.files:
        raise InvalidManifest("This manifest is not valid.", [f"files: {PROBES} is missing; train the release again"])
    for name, entry in manifest.files.items():
        _check_size(store, manifest, name, entry)
    for name, entry in manifest.files.items():
        _check_digest(store, manifest, name, entry)
    if isinstance(manifest.serving, ClassifierServing):
        _check_classifier(store, manifest, manifest.serving)
    else:
        _check_recommender(store, manifest, manifest.serving)
    return manifest


def _check_size(store: Store, manifest: Manifest, name: str, entry: FileEntry) -> None:
    try:
        size = store.size(_key(manifest, name))
    except MissingObject as error:
        raise DamagedRelease(
            f"{name} is missing, but the manifest lists it: upload it, then roll out again."
        ) from error
    if size != entry.bytes:
        raise DamagedRelease(
            f"{name} has {size} bytes, but the manifest states {entry.bytes}: upload it again, or train a new release."
        )


def _check_digest(store: Store, manifest: Manifest, name: str, entry: FileEntry) -> None:
    digest = store.sha256(_key(manifest, name))
    if digest != entry.sha256:
        raise DamagedRelease(
            f"{name} is damaged: its SHA-256 is {digest}, but the manifest states {entry.sha256}. "
            "Upload it again, or train a new release."
        )


def _check_classifier(store: Store, manifest: Manifest, serving: ClassifierServing) -> None:
    from larder.rollout.onnx_checks import check_graph

    size = manifest.files[serving.file].bytes
    if size > _MAX_GRAPH_BYTES:
        raise InvalidModel(f"{serving.file} has {size} bytes; the limit is {_MAX_GRAPH_BYTES}: quantise or shrink it.")
    check_graph(store.get(_key(manifest, serving.file)).data, serving)
    header = _check_probes(store, manifest)
    header.tensor("probabilities", "F32", (_probes(header), len(serving.labels)))


def _check_recommender(store: Store, manifest: Manifest, serving: RecommenderServing) -> None:
    _check_headers(store, manifest)
    items = Vocabulary.open(_reader(store, manifest, serving.items_file))
    if len(items) != serving.items or dict(items.columns) != dict(serving.columns):
        raise InvalidTable(
            f"{serving.items_file} has {len(items)} items with columns {dict(items.columns)}, but the manifest states "
            f"{serving.items} with {dict(serving.columns)}: train and publish a new release."
        )
    items.check()
    for spec in (serving.neighbours, serving.transitions):
        if spec is not None:
            _check_dense(store, manifest, spec, serving.items)
    segments = KeyedTable.open(_reader(store, manifest, serving.segments.file), serving.segments)
    segments.check(serving.items)
    if segments.lookup("") is None:
        raise InvalidTable(f"{serving.segments.file} has no segment of all users (the empty key): train a new release.")
    if serving.users is not None:
        KeyedTable.open(_reader(store, manifest, serving.users.file), serving.users).check(serving.items)
    _check_user_data(store, manifest, serving)
    for rule in serving.rules:
        try:
            compile_rule(rule, items)
        except InvalidRequest as error:
            raise InvalidManifest("This manifest is not valid.", [f"serving.rules: {error}"]) from error
    header = _check_probes(store, manifest)
    header.tensor("answer.offsets", "U64", (_probes(header) + 1,))
    header.tensor("answer.bytes", "U8", (None,))


def _check_user_data(store: Store, manifest: Manifest, serving: RecommenderServing) -> None:
    """Check what only filters read: what users did, and their profiles."""
    if serving.interactions is not None:
        spec, events = serving.interactions.table, serving.interactions.events
        KeyedTable.open(_reader(store, manifest, spec.file), spec).check(serving.items, score_codes=len(events))
    if serving.profiles is not None:
        stated = serving.profiles
        profiles = Vocabulary.open(_reader(store, manifest, stated.file), stated.file)
        if len(profiles) != stated.profiles or dict(profiles.columns) != dict(stated.columns):
            raise InvalidTable(
                f"{stated.file} has {len(profiles)} profiles with columns {dict(profiles.columns)}, but the manifest "
                f"states {stated.profiles} with {dict(stated.columns)}: train and publish a new release."
            )
        profiles.check()
        users = KeyedTable.open(_reader(store, manifest, stated.users.file), stated.users)
        users.check(stated.profiles)


def _check_dense(store: Store, manifest: Manifest, spec: TableSpec, items: int) -> None:
    table = DenseTable.open(_reader(store, manifest, spec.file), spec)
    if len(table) != items:
        raise InvalidTable(f"{spec.file} has {len(table)} rows for {items} items: train a new release.")
    table.check(items)


def _check_headers(store: Store, manifest: Manifest) -> None:
    """Check every table that the manifest lists, used by serving or not."""
    for name in manifest.files:
        if name.endswith(".safetensors"):
            _header(store, manifest, name)


def _check_probes(store: Store, manifest: Manifest) -> Header:
    header = _header(store, manifest, PROBES)
    header.require("probes")
    header.tensor("request.offsets", "U64", (None,))
    header.tensor("request.bytes", "U8", (None,))
    if _probes(header) < 1:
        raise InvalidTable(f"{PROBES} has no request: train and publish a new release.")
    return header


def _probes(header: Header) -> int:
    return header.tensors["request.offsets"].shape[0] - 1


def _header(store: Store, manifest: Manifest, name: str) -> Header:
    reader = _reader(store, manifest, name)
    return parse_header(reader.read(0, min(reader.size, 8 + MAX_HEADER_BYTES)), reader.size, name)


def _reader(store: Store, manifest: Manifest, name: str) -> Reader:
    local = store.local_path(_key(manifest, name))
    if local is not None:
        return MappedFile(local)
    return ReadAhead(StoreReader(store, _key(manifest, name), manifest.files[name].bytes))


def _key(manifest: Manifest, name: str) -> str:
    return file_key(manifest.model, manifest.release, name)
