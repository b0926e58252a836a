"""Who asked to be removed, and what is done about it: ``logs/deletions.json``.

A deletion has the user's id only until the log is free of it. Then salted hashes stay: they find the receipt, and the
rows that a queue delivers late. Who has the document and a list of ids can test which of them were removed.
"""

import hmac
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from larder.errors import Conflict, MissingObject, StoreError
from larder.events.log.parts import LOGS
from larder.store import Store

KEY: Final = f"{LOGS}/deletions.json"
_FORMAT: Final = 1
_ATTEMPTS: Final = 20
_SALT_BYTES: Final = 16
_HEX: Final = 32


@dataclass(frozen=True, slots=True)
class Deletion:
    """One user's deletion. Times are epoch seconds.

    Attributes:
        receipt: The salted hash of the user's id.
        models: The models whose data it removes.
        asked: When it was asked for; events after that are kept, since the user came back.
        live: When the live store was free of the user; None if it was not asked.
        log: When the log was free of the user; None until then.
        user: The id; None once the log is free of it.
        subjects: The salted hashes of the user and of the sessions that were tied to them.
    """

    receipt: str
    models: tuple[str, ...]
    asked: float
    live: float | None
    log: float | None
    user: str | None
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deletions:
    """All deletions of a store.

    Attributes:
        salt: The salt of the hashes, in hex; random for each store.
        entries: The deletions, one for each user.
    """

    salt: str
    entries: tuple[Deletion, ...]

    def digest(self, text: str) -> str:
        """The salted hash of an id, in hex."""
        return hmac.new(bytes.fromhex(self.salt), text.encode(errors="replace"), "sha256").hexdigest()[:_HEX]

    def of(self, user: str) -> Deletion | None:
        """The deletion of a user; None if it was never asked for."""
        return self.with_receipt(self.digest(user))

    def with_receipt(self, receipt: str) -> Deletion | None:
        """The deletion with a receipt; None if there is none."""
        return next((entry for entry in self.entries if entry.receipt == receipt), None)

    def with_entries(self, changed: Iterable[Deletion]) -> "Deletions":
        """These deletions with ``changed`` in place of those with the same receipt."""
        entries = {entry.receipt: entry for entry in self.entries} | {entry.receipt: entry for entry in changed}
        return replace(self, entries=tuple(entries.values()))


def read_deletions(store: Store) -> Deletions:
    """The deletions; none, with a new salt, if there is no document. Raises StoreError."""
    return _read(store)[0]


def request_deletion(
    store: Store, user: str, models: Sequence[str], *, live: float | None, now: float | None = None
) -> Deletion:
    """Ask for the removal of a user from the logs of models; returns the receipt. Raises StoreError.

    Args:
        store: The store.
        user: The user's id.
        models: The models; those of an earlier request of this user are added.
        live: When the live store was freed of the user.
        now: Epoch seconds.
    """
    asked = time.time() if now is None else now

    def change(deletions: Deletions) -> Deletions:
        old, receipt = deletions.of(user), deletions.digest(user)
        known, subjects = (old.models, old.subjects) if old else ((), ())
        entry = Deletion(
            receipt=receipt,
            models=tuple(sorted({*models, *known})),
            asked=asked,
            live=live,
            log=None,
            user=user,
            subjects=tuple(sorted({receipt, *subjects})),
        )
        return deletions.with_entries([entry])

    entry = change_deletions(store, change).of(user)
    if entry is None:
        raise StoreError(f"{KEY} lost a deletion: ask for it again.")
    return entry


def change_deletions(store: Store, change: Callable[[Deletions], Deletions]) -> Deletions:
    """Replace the document by compare-and-swap, with ``change`` called again after a lost one. Raises StoreError."""
    for _ in range(_ATTEMPTS):
        old, etag = _read(store)
        new = change(old)
        try:
            store.put(KEY, _dump(new), etag=etag, create=etag is None)
        except Conflict:
            continue
        return new
    raise StoreError(f"{KEY} changed {_ATTEMPTS} times meanwhile: try again.")


def _read(store: Store) -> tuple[Deletions, str | None]:
    try:
        blob = store.get(KEY)
    except MissingObject:
        return Deletions(os.urandom(_SALT_BYTES).hex(), ()), None
    try:
        document = json.loads(blob.data)
        if document["format"] != _FORMAT:
            raise StoreError(f"{KEY} has another format than {_FORMAT}: use a newer version of Larder.")
        bytes.fromhex(document["salt"])
        entries = [
            Deletion(**{**entry, "models": tuple(entry["models"]), "subjects": tuple(entry["subjects"])})
            for entry in document["deletions"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{KEY} is not valid: restore an earlier version of the object.") from error
    return Deletions(document["salt"], tuple(entries)), blob.etag


def _dump(deletions: Deletions) -> bytes:
    document = {
        "format": _FORMAT,
        "salt": deletions.salt,
        "deletions": [asdict(entry) for entry in deletions.entries],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode(errors="replace")
