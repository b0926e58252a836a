"""The pointer: which releases of a model are live."""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Final, Literal, TypeAlias

from larder.errors import InvalidManifest
from larder.release.json_fields import FieldReader

Arm: TypeAlias = Literal["canary", "stable"]
Role: TypeAlias = Literal["live", "canary", "previous"]
_RELEASE: Final = r"[a-z0-9-]+"
_REMEDY: Final = "delete it from the store, then publish a release"


@dataclass(frozen=True, slots=True)
class Pointer:
    """The live releases of a model.

    Attributes:
        stable: The release that answers all callers except those of the canary.
        previous: The release that was stable before, or None.
        canary: The release that answers ``canary_percent`` of the callers, or None.
        canary_percent: The percentage, 0 to 100; a stable hash of the caller's key decides.
        revision: Counts the writes of the pointer.
    """

    stable: str
    previous: str | None = None
    canary: str | None = None
    canary_percent: int = 0
    revision: int = 1

    def choose(self, key: str | None) -> str:
        """The release for a caller with the stable key ``key``; ``stable`` without a key."""
        if self.canary is None or key is None:
            return self.stable
        bucket = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % 100
        return self.canary if bucket < self.canary_percent else self.stable

    def arm(self, key: str | None) -> Arm | None:
        """As what ``choose`` chooses the release; None without a canary or a key, since then nothing is chosen."""
        if self.canary is None or key is None:
            return None
        return "canary" if self.choose(key) == self.canary else "stable"

    def role(self, release: str) -> Role | None:
        """As what the pointer names the release; None if it does not."""
        roles: dict[str | None, Role] = {self.previous: "previous", self.canary: "canary", self.stable: "live"}
        return roles.get(release)


def parse_pointer(data: bytes) -> Pointer:
    """Read a pointer; raises InvalidManifest with every problem."""
    try:
        fields = FieldReader(json.loads(data))
    except ValueError as error:
        raise InvalidManifest(f"live.json cannot be read: {_REMEDY}.", [f"it is not JSON: {error}"]) from error
    pointer = read_pointer(fields)
    fields.finish()
    if fields.problems:
        raise InvalidManifest(
            f"live.json is not valid: upgrade Larder if a newer version wrote it, else {_REMEDY}.", fields.problems
        )
    return pointer


def read_pointer(fields: FieldReader) -> Pointer:
    """Read the fields of a pointer; the reader notes what is wrong."""
    return Pointer(
        stable=fields.text("stable", _RELEASE),
        previous=fields.text("previous", _RELEASE) if fields.has("previous") else None,
        canary=fields.text("canary", _RELEASE) if fields.has("canary") else None,
        canary_percent=fields.integer("canary_percent", 0, 100),
        revision=fields.integer("revision", 1),
    )


def dump_pointer(pointer: Pointer) -> bytes:
    """Canonical JSON, as for a manifest."""
    return (json.dumps(asdict(pointer), sort_keys=True, indent=2) + "\n").encode()
