"""Other names of models: ARNs, endpoints and campaigns as clients of other services know them.

``models/aliases.json`` maps a name to a model, for names whose last part is not the model's own name.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from threading import Lock
from types import MappingProxyType
from typing import Final

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.release.keys import check_model
from larder.store import Store

KEY: Final = "models/aliases.json"  # where every function may read
FORMAT: Final = 1
MAX_ALIASES: Final = 1000
_MAX_NAME: Final = 2048  # the longest ARN that AWS allows
_NAME: Final = re.compile(rf"[!-~]{{1,{_MAX_NAME}}}")
_NONE: Mapping[str, str] = MappingProxyType({})


def check_alias(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it has 1 to 2048 visible ASCII characters."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name[:80]!r} is not a name: use 1 to {_MAX_NAME} visible ASCII characters, no blanks.")
    return name


def parse_aliases(data: bytes) -> dict[str, str]:
    """The model of each alias; raises StoreError if the document breaks the format."""
    try:
        document = json.loads(data)
        aliases = {check_alias(name): check_model(model) for name, model in document["aliases"].items()}
        readable = document["format"] == FORMAT
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, InvalidRequest) as error:
        problem = f"{KEY} of the store is not readable ({error}): remove it and set the aliases again."
        raise StoreError(problem) from error
    if not readable:
        raise StoreError(f"{KEY} of the store has another format than {FORMAT}: use a newer version of Larder.")
    return aliases


def dump_aliases(aliases: Mapping[str, str]) -> bytes:
    """The document: the same bytes for the same aliases."""
    document = {"format": FORMAT, "aliases": dict(sorted(aliases.items()))}
    return (json.dumps(document, indent=2) + "\n").encode()


def read_aliases(store: Store) -> tuple[dict[str, str], str | None]:
    """The aliases and the ETag of their document, which is None if there is none yet."""
    try:
        blob = store.get(KEY)
    except MissingObject:
        return {}, None
    return parse_aliases(blob.data), blob.etag


def set_alias(store: Store, name: str, model: str) -> None:
    """Let ``name`` mean ``model``. Raises Conflict if another writer came first."""
    aliases, etag = read_aliases(store)
    aliases[check_alias(name)] = check_model(model)
    if len(aliases) > MAX_ALIASES:
        raise InvalidRequest(f"The store has {MAX_ALIASES} aliases, which is the limit: remove some.")
    store.put(KEY, dump_aliases(aliases), etag=etag, create=etag is None)


def remove_alias(store: Store, name: str) -> bool:
    """Remove an alias; returns whether there was one. Raises Conflict if another writer came first."""
    aliases, etag = read_aliases(store)
    if name not in aliases:
        return False
    del aliases[name]
    store.put(KEY, dump_aliases(aliases), etag=etag)
    return True


class Aliases:
    """The aliases of a store, read again at most every ``refresh_seconds``. Thread-safe."""

    def __init__(self, store: Store, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = Lock()
        self._models: Mapping[str, str] = _NONE
        self._etag = ""
        self._fresh_until = -1.0

    def model(self, name: str, part: str | None = None) -> str:
        """The model that ``name`` means: its alias, else the alias of its last part ``part``, else that part itself.

        Raises StoreError if the aliases cannot be read.
        """
        models = self._current()
        part = part or name
        return models.get(name) or models.get(part) or part

    def _current(self) -> Mapping[str, str]:
        if self._clock() >= self._fresh_until:
            with self._lock:
                if self._clock() >= self._fresh_until:
                    self._refresh()
        return self._models

    def _refresh(self) -> None:
        try:
            blob = self._store.get_if_changed(KEY, self._etag)
            if blob is not None:
                self._models, self._etag = parse_aliases(blob.data), blob.etag
        except MissingObject:
            self._models, self._etag = _NONE, ""
        self._fresh_until = self._clock() + self._refresh_seconds
