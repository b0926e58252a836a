"""The key of this machine: made at the first ``larder up`` of a folder, and used by its commands."""

import os
import re
import time
from typing import Final

from larder.auth.keys import ID, SECRET, Key, Secret, digest
from larder.auth.scopes import ADMIN, Scope
from larder_local.keys.issue import new_key
from larder_local.workspace import Workspace

VARIABLE: Final = "LARDER_KEY"
_DESCRIPTION: Final = "larder up on this machine"
_TEXT = re.compile(rf"({ID})\.({SECRET})")


def ensure(workspace: Workspace) -> str:
    """The key of this folder as one text; it is made, or put back into the store, if it is missing there.

    In place of a key that the store has and refuses (it is revoked or has expired, or its secret has ended), another
    is made: who was to lose that key does not get it back.
    """
    from larder_local.keys.key_store import KeyStore  # loads the S3 client, which reading the file does not need

    text = read(workspace)
    keys = KeyStore.open(workspace.store)
    now = int(time.time())
    if text is not None:
        key_id, _, secret = text.partition(".")
        known = keys.read().get(key_id)
        if known is None:
            entry = Secret(digest(secret), secret)
            keys.add(Key(key_id, (entry,), (Scope(ADMIN),), now, description=_DESCRIPTION))
            return text
        if not known.has_expired(now) and any(entry.matches(secret) for entry in known.valid_secrets(now)):
            return text
    key, secret = new_key((Scope(ADMIN),), now=now, description=_DESCRIPTION, signs=True)
    text = f"{key.id}.{secret}"
    keys.add(key)
    _write(workspace, text)
    return text


def read(workspace: Workspace) -> str | None:
    """The key of this folder as one text, or None if it has none yet."""
    try:
        text = workspace.key_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return text if _TEXT.fullmatch(text) else None


def _write(workspace: Workspace, text: str) -> None:
    """Write the file so that only its owner can read it, at any moment."""
    part = workspace.key_file.with_suffix(f".{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"{text}\n")
    part.replace(workspace.key_file)
