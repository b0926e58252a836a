"""The store itself: what S3 and memory do as obstore does it. ``larder.store.folder`` differs where a folder must."""

import builtins
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import NotModifiedError
from obstore.store import S3Store

from larder.errors import StoreError
from larder.store.errors import check_key, translated

if TYPE_CHECKING:  # names of obstore's stubs, which do not exist at run time
    from obstore import PutMode
    from obstore.store import ObjectStore

CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes, and the ETag that stands for this version of it in a later conditional call."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in a listing; ``size`` is in bytes."""

    key: str
    size: int


class Store:
    """One bucket, folder or memory. Thread-safe.

    A key is ``/``-separated, without an empty, ``.`` or ``..`` segment; another raises InvalidRequest. An object that
    is missing (or that this role may not read: S3 answers both alike) raises MissingObject, any other failure
    StoreError.
    """

    def __init__(self, url: str, backend: "ObjectStore", connect: "Callable[[], ObjectStore] | None" = None) -> None:
        self.url: Final = url
        self._backend = backend
        self._connect = connect

    def reconnect(self) -> None:
        """Forgets connections and credentials, for a process that was copied; a folder and memory have none."""
        if self._connect is not None:
            self._backend = self._connect()

    def get(self, key: str) -> Blob:
        """The whole object."""
        with translated(key):
            result = obstore.get(self._backend, check_key(key))
            return Blob(bytes(result.bytes()), result.meta["e_tag"] or "")

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        """The object, or None where its ETag still is ``etag``."""
        with translated(key):
            try:
                result = obstore.get(self._backend, check_key(key), options={"if_none_match": etag})
            except NotModifiedError:
                return None
            return Blob(bytes(result.bytes()), result.meta["e_tag"] or "")

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> builtins.list[bytes]:
        """The bytes of each ``(start, length)``, in order and in one round trip: near ones are joined, others are asked
        for at the same time. Raises StoreError where the object ends before a range does.
        """
        wanted = [(start, length) for start, length in ranges if length]
        starts, lengths = [start for start, _ in wanted], [length for _, length in wanted]
        with translated(key):
            parts = iter(obstore.get_ranges(self._backend, check_key(key), starts=starts, lengths=lengths))
        answer = [bytes(next(parts)) if length else b"" for _, length in ranges]
        for part, (start, length) in zip(answer, ranges, strict=True):
            if len(part) != length:
                raise StoreError(f"{key} ends before byte {start + length}: check that it was uploaded whole.")
        return answer

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in chunks of about 1 MiB, so that its size does not matter."""
        with translated(key):
            yield from obstore.get(self._backend, check_key(key)).stream(min_chunk_size=CHUNK_BYTES)

    def size(self, key: str) -> int:
        """The object's length in bytes."""
        with translated(key):
            return obstore.head(self._backend, check_key(key))["size"]

    def put(self, key: str, data: bytes, *, etag: str | None = None, create: bool = False) -> str:
        """Writes the object and returns its new ETag.

        Raises Conflict where ``etag`` is given and is the object's no more, or ``create`` and the object exists.
        """
        mode: PutMode | None = "create" if create else {"e_tag": etag} if etag is not None else None
        with translated(key):
            return obstore.put(self._backend, check_key(key), data, mode=mode)["e_tag"] or ""

    def upload(self, key: str, path: Path) -> None:
        """Writes the file at ``path``, in parts where it is large. For files that never change: nothing is compared."""
        if not path.is_file():
            raise StoreError(f"{path.name} is no file that can be uploaded: give the path of one that exists.")
        with translated(key):
            obstore.put(self._backend, check_key(key), path)

    def download(self, key: str, path: Path) -> None:
        """Writes the object to ``path``, which appears whole or not at all; its folder is made where absent."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_beside(path)
        try:
            with part.open("xb") as file:
                file.writelines(self.stream(key))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """The names of the folders one level below ``prefix``, sorted; none where there is no such folder."""
        with translated(prefix):
            found = obstore.list_with_delimiter(self._backend, _folder(prefix))["common_prefixes"]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every object below the folder ``prefix`` (with or without its closing slash), at any depth, in no order."""
        with translated(prefix):
            for batch in obstore.list(self._backend, _folder(prefix)):
                yield from (Entry(meta["path"], meta["size"]) for meta in batch)

    def delete(self, key: str) -> None:
        """Removes the object; that it is gone already is no error."""
        with translated(key):
            try:
                obstore.delete(self._backend, check_key(key))
            except FileNotFoundError:
                return

    def presign(self, key: str, seconds: int) -> str | None:
        """A URL that lets anyone GET the object for this long; None where the store cannot (a folder, memory)."""
        if not isinstance(self._backend, S3Store):
            return None
        with translated(key):
            return obstore.sign(self._backend, "GET", check_key(key), timedelta(seconds=seconds))

    def local_path(self, key: str) -> Path | None:
        """Where the object lies as a local file, to be read and never written; None where it is no local file."""
        check_key(key)
        return None


def part_beside(path: Path) -> Path:
    """A name in the same folder that no other thread or process takes, for a file that is not whole yet."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")


def _folder(prefix: str) -> str | None:
    return check_key(prefix.removesuffix("/")) if prefix else None
