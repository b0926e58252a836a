"""The pointer: the only object of a model that ever changes, and so the only one written by compare-and-swap."""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Final

from larder.errors import InvalidManifest
from larder.release.json_fields import Fields

_RELEASE: Final = r"[a-z0-9-]+"
_REMEDY: Final = "remove it from the store, then publish the release that shall answer"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which releases of a model answer. ``revision`` counts the writes.

    ``canary`` answers ``canary_percent`` of the callers, chosen by a stable hash of their key; ``stable`` the others.
    """

    stable: str
    previous: str | None = None
    canary: str | None = None
    canary_percent: int = 0
    revision: int = 1

    def choose(self, key: str | None) -> str:
        """The release for the caller whose stable key this is; without a key, ``stable``."""
        if self.canary is None or key is None:
            return self.stable
        bucket = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % 100
        return self.canary if bucket < self.canary_percent else self.stable


def parse_pointer(data: bytes) -> Pointer:
    """Reads a pointer; raises InvalidManifest with every problem."""
    try:
        fields = Fields(json.loads(data))
    except ValueError as error:
        raise InvalidManifest(f"live.json cannot be read: {_REMEDY}.", [f"it is not JSON: {error}"]) from error
    pointer = Pointer(
        stable=fields.text("stable", _RELEASE),
        previous=fields.text("previous", _RELEASE) if fields.has("previous") else None,
        canary=fields.text("canary", _RELEASE) if fields.has("canary") else None,
        canary_percent=fields.integer("canary_percent", 0, 100),
        revision=fields.integer("revision", 1),
    )
    fields.finish()
    if fields.problems:
        raise InvalidManifest(
            f"live.json is not valid: upgrade Larder where it is newer than this, else {_REMEDY}.", fields.problems
        )
    return pointer


def dump_pointer(pointer: Pointer) -> bytes:
    """Canonical bytes, as a manifest's."""
    return (json.dumps(asdict(pointer), sort_keys=True, indent=2) + "\n").encode()
