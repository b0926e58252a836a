"""The store of S3 and memory, on obstore. ``larder.store.folder`` overrides what is different for a folder."""

import builtins
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import obstore
from obstore.exceptions import NotModifiedError
from obstore.store import S3Store

from larder.errors import StoreError
from larder.store.errors import check_key, translated

if TYPE_CHECKING:  # names in obstore's stubs that do not exist at run time
    from obstore import GetOptions, PutMode
    from obstore.store import ObjectStore

CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Blob:
    """An object.

    Attributes:
        data: Its bytes.
        etag: The ETag of this version, for conditional reads and writes.
    """

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in a listing.

    Attributes:
        key: Its key.
        size: Its length in bytes.
    """

    key: str
    size: int


class Store:
    """A bucket, a folder or memory. Thread-safe.

    Keys are ``/``-separated, without empty, ``.`` or ``..`` segments; any other key raises InvalidRequest. A missing
    object (or one that this role may not read, which S3 does not distinguish) raises MissingObject, and any other
    failure StoreError.

    Attributes:
        url: The URL of the store.
    """

    def __init__(self, url: str, backend: "ObjectStore", connect: "Callable[[], ObjectStore] | None" = None) -> None:
        self.url: Final = url
        self._backend = backend
        self._connect = connect

    def reconnect(self) -> None:
        """Drop connections and credentials, for a process restored from a snapshot; folder and memory have none."""
        if self._connect is not None:
            self._backend = self._connect()

    def get(self, key: str) -> Blob:
        """The whole object."""
        with translated(key):
            result = obstore.get(self._backend, check_key(key))
            return Blob(bytes(result.bytes()), result.meta["e_tag"] or "")

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        """The object, or None if its ETag is still ``etag``; no object has an empty one."""
        with translated(key):
            try:
                condition: GetOptions | None = {"if_none_match": etag} if etag else None
                result = obstore.get(self._backend, check_key(key), options=condition)
            except NotModifiedError:
                return None
            return Blob(bytes(result.bytes()), result.meta["e_tag"] or "")

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> builtins.list[bytes]:
        """The bytes of each ``(start, length)``, in order, in one round trip: near ranges are joined, others are
        requested concurrently. Raises StoreError if the object ends before a range does.
        """
        nonempty = [(start, length) for start, length in ranges if length]
        starts, lengths = [start for start, _ in nonempty], [length for _, length in nonempty]
        with translated(key):
            parts = iter(obstore.get_ranges(self._backend, check_key(key), starts=starts, lengths=lengths))
        result = [bytes(next(parts)) if length else b"" for _, length in ranges]
        for part, (start, length) in zip(result, ranges, strict=True):
            if len(part) != length:
                raise StoreError(f"{key} ends before byte {start + length}: check that its upload was complete.")
        return result

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in chunks of about 1 MiB, so that memory does not grow with its size."""
        with translated(key):
            yield from obstore.get(self._backend, check_key(key)).stream(min_chunk_size=CHUNK_BYTES)

    def sha256(self, key: str) -> str:
        """The SHA-256 of the object in lower-case hex; reads it in chunks."""
        digest = hashlib.sha256()
        for chunk in self.stream(key):
            digest.update(chunk)
        return digest.hexdigest()

    def size(self, key: str) -> int:
        """The object's length in bytes."""
        with translated(key):
            return obstore.head(self._backend, check_key(key))["size"]

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        """Write the object and return its new ETag.

        Raises Conflict if the object no longer has ``etag``, or if it exists already and ``create`` is set.
        """
        mode: PutMode | None = "create" if create else {"e_tag": etag} if etag is not None else None
        with translated(key):
            return obstore.put(self._backend, check_key(key), data, mode=mode)["e_tag"] or ""

    def upload(self, key: str, path: Path) -> None:
        """Upload the file at ``path``, in parts if it is large; unconditional, for files that never change."""
        if not path.is_file():
            raise StoreError(f"{path.name} is not a file: give the path of an existing file.")
        with translated(key):
            obstore.put(self._backend, check_key(key), path)

    def download(self, key: str, path: Path) -> None:
        """Download the object to ``path``, which appears complete or not at all; its folder is created if missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_beside(path)
        try:
            with part.open("xb") as file:
                file.writelines(self.stream(key))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """The names of the folders one level below ``prefix``, sorted; empty if the folder does not exist."""
        with translated(prefix):
            paths = obstore.list_with_delimiter(self._backend, _folder(prefix))["common_prefixes"]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """All objects below the folder ``prefix`` (with or without a final slash), at any depth, in any order."""
        with translated(prefix):
            for batch in obstore.list(self._backend, _folder(prefix)):
                yield from (Entry(meta["path"], meta["size"]) for meta in batch)

    def delete(self, key: str) -> None:
        """Delete the object; no error if it does not exist."""
        with translated(key):
            try:
                obstore.delete(self._backend, check_key(key))
            except FileNotFoundError:
                return

    def presign(self, key: str, seconds: int, method: Literal["GET", "PUT"] = "GET") -> str | None:
        """A URL with which anyone can GET or PUT the object for ``seconds``; None for a folder and memory."""
        if not isinstance(self._backend, S3Store):
            return None
        with translated(key):
            return obstore.sign(self._backend, method, check_key(key), timedelta(seconds=seconds))

    def local_path(self, key: str) -> Path | None:
        """The path of the object as a local file, for reading only; None if it is not a local file."""
        check_key(key)
        return None


def part_beside(path: Path) -> Path:
    """A unique name in the same folder, for a file that is not complete yet."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")


def _folder(prefix: str) -> str | None:
    return check_key(prefix.removesuffix("/")) if prefix else None
