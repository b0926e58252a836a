"""API keys, and the document that holds all keys of a deployment.

::

    {"format": 1,
     "keys": {"LKQ2...": {"created": "2026-11-29T14:00:00Z",
                          "description": "the shop's web server",
                          "scopes": ["recommend:shop", "events:*"],
                          "secrets": [{"sha256": "9f86..."}],
                          "expires": "2027-02-27T14:00:00Z"}}}

A key is an id and a secret; as one text ``<id>.<secret>``. The document has the SHA-256 of a secret: a secret has 238
random bits, so that no slow hash is needed. Only a key that signs requests has the secret too (``"plain"``), because
verifying a signature takes it. A rotated key has two secrets, of which the older one ends (``"until"``). A revoked key
has none.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NamedTuple

from larder.auth.scopes import Scope, parse_scope
from larder.errors import InvalidKeys, InvalidRequest
from larder.release.json_fields import FieldReader, reject_constant
from larder.release.keys import check_model

DOCUMENT: Final = "keys/keys.json"
FORMAT: Final = 1
MAX_KEYS: Final = 1000
MAX_RATE: Final = 10_000.0
ID: Final = r"LK[A-Z0-9]{18}"
SECRET: Final = r"[A-Za-z0-9]{40}"  # noqa: S105  # the form of a secret
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_SUMMARY: Final = (
    f"{DOCUMENT} is not valid: upgrade Larder if a newer version wrote it, else restore an earlier version."
)


class Secret(NamedTuple):
    """A secret of a key.

    Attributes:
        sha256: Its SHA-256 in hex.
        plain: The secret itself, or None for a key that does not sign.
        until: When it ends, in seconds since the epoch; None if it does not.
    """

    sha256: str
    plain: str | None = None
    until: int | None = None

    def is_valid(self, now: float) -> bool:
        """Whether it has not ended."""
        return self.until is None or now < self.until

    def matches(self, text: str) -> bool:
        """Whether ``text`` is the secret, in a time that does not depend on where it differs."""
        return compare_digest(digest(text), self.sha256)


class Key(NamedTuple):
    """An API key.

    Attributes:
        id: Its id: ``LK`` and 18 of ``A-Z 0-9``.
        secrets: Its secrets, the newest first; empty if it is revoked.
        scopes: What it permits.
        created: When it was made, in seconds since the epoch.
        expires: When it ends, in seconds since the epoch; None if it does not.
        revoked: When it was revoked, in seconds since the epoch; None if it was not.
        description: What it is for.
        rate: The number of requests a second that it permits in the long run; None for no limit.
        burst: The number of requests that it permits at once.
        default_model: The model that answers where a protocol names none.
    """

    id: str
    secrets: tuple[Secret, ...]
    scopes: tuple[Scope, ...]
    created: int
    expires: int | None = None
    revoked: int | None = None
    description: str = ""
    rate: float | None = None
    burst: int = 1
    default_model: str | None = None

    @property
    def signs(self) -> bool:
        """Whether it can sign requests."""
        return any(secret.plain for secret in self.secrets)

    def valid_secrets(self, now: float) -> list[Secret]:
        """The secrets that have not ended."""
        return [secret for secret in self.secrets if secret.is_valid(now)]

    def has_expired(self, now: float) -> bool:
        """Whether it has ended."""
        return self.expires is not None and now >= self.expires

    def state(self, now: float) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.has_expired(now) else "active"


def is_key_id(text: str) -> bool:
    """Whether ``text`` has the form of a key's id."""
    return len(text) == 20 and text.startswith("LK") and text.isascii() and text.isalnum() and text == text.upper()


def digest(secret: str) -> str:
    """The SHA-256 of a secret, in hex."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def parse_entries(data: bytes) -> Mapping[str, Any]:
    """The entries of a document by id, not checked yet; raises InvalidKeys.

    A function reads an entry when a request names its key, so that 1,000 keys cost no more at its start than one, and a
    damaged entry harms no other key.
    """
    try:
        document = json.loads(data, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidKeys(_SUMMARY, [f"it is not JSON: {error}"]) from error
    fields = FieldReader(document)
    fields.integer("format", FORMAT, FORMAT)
    entries = fields.mapping("keys")
    fields.finish()
    if len(entries) > MAX_KEYS:
        fields.note("keys", f"has {len(entries)} keys; at most {MAX_KEYS} are possible")
    if fields.problems:
        raise InvalidKeys(_SUMMARY, fields.problems)
    return entries


def parse_entry(key_id: str, entry: object) -> Key:
    """One key; raises InvalidKeys with every problem."""
    fields = FieldReader(entry, f"keys.{key_id[:40]}")
    key = _key(key_id, fields)
    if fields.problems:
        raise InvalidKeys(_SUMMARY, fields.problems)
    return key


def parse_keys(data: bytes) -> dict[str, Key]:
    """All keys of a document by id; raises InvalidKeys with every problem."""
    keys: dict[str, Key] = {}
    problems: list[str] = []
    for key_id, entry in parse_entries(data).items():
        try:
            keys[key_id] = parse_entry(key_id, entry)
        except InvalidKeys as error:
            problems += error.problems
    if problems:
        raise InvalidKeys(_SUMMARY, problems)
    return keys


def dump_keys(keys: Mapping[str, Key]) -> bytes:
    """The document of ``keys``: the same bytes for the same keys."""
    entries = {key.id: _entry(key) for key in keys.values()}
    document = {"format": FORMAT, "keys": entries}
    return (json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()


def format_time(seconds: int) -> str:
    """A time as the document has it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _entry(key: Key) -> dict[str, object]:
    """The JSON of a key, without fields that have no value."""
    values: dict[str, object] = {
        "created": format_time(key.created),
        "description": key.description,
        "scopes": [str(scope) for scope in key.scopes],
        "secrets": [_secret_entry(secret) for secret in key.secrets],
        "expires": None if key.expires is None else format_time(key.expires),
        "revoked": None if key.revoked is None else format_time(key.revoked),
        "rate": key.rate,
        "burst": None if key.rate is None else key.burst,
        "default_model": key.default_model,
    }
    return {name: value for name, value in values.items() if value is not None}


def _secret_entry(secret: Secret) -> dict[str, object]:
    until = None if secret.until is None else format_time(secret.until)
    values = {"sha256": secret.sha256, "plain": secret.plain, "until": until}
    return {name: value for name, value in values.items() if value is not None}


def _key(key_id: str, fields: FieldReader) -> Key:
    if not is_key_id(key_id):
        fields.note("id", f"must match {ID}")
    rate = fields.number("rate", 0.0, MAX_RATE) if fields.has("rate") else None
    if rate == 0:
        fields.note("rate", "must be above 0")
    key = Key(
        id=key_id,
        secrets=_secrets(fields),
        scopes=_scopes(fields),
        created=_time(fields, "created") or 0,
        expires=_time(fields, "expires") if fields.has("expires") else None,
        revoked=_time(fields, "revoked") if fields.has("revoked") else None,
        description=fields.text("description"),
        rate=rate,
        burst=fields.integer("burst", 1, int(MAX_RATE)) if fields.has("burst") else max(1, math.ceil(rate or 1)),
        default_model=_model(fields) if fields.has("default_model") else None,
    )
    fields.finish()
    if not key.secrets and key.revoked is None:
        fields.note("secrets", "is empty, but the key is not revoked")
    return key


def _secrets(fields: FieldReader) -> tuple[Secret, ...]:
    secrets = []
    for number, entry in enumerate(fields.sequence("secrets")):
        problems: list[str] = []
        reader = FieldReader(entry, f"secrets.{number}", problems)
        secret = Secret(
            sha256=reader.text("sha256", r"[0-9a-f]{64}"),
            plain=reader.text("plain", SECRET) if reader.has("plain") else None,
            until=_time(reader, "until") if reader.has("until") else None,
        )
        reader.finish()
        if not problems and secret.plain and digest(secret.plain) != secret.sha256:
            problems.append(f"secrets.{number}: sha256 is not that of the secret")
        for problem in problems:  # a value of a secret is not repeated
            name = problem.partition(":")[0]
            fields.note(name, "is missing, unknown or has another form")
        secrets.append(secret)
    return tuple(secrets)


def _scopes(fields: FieldReader) -> tuple[Scope, ...]:
    scopes = []
    for text in fields.texts("scopes"):
        try:
            scopes.append(parse_scope(text))
        except InvalidRequest as error:
            fields.note("scopes", str(error))
    return tuple(scopes)


def _time(fields: FieldReader, name: str) -> int | None:
    text = fields.text(name, _TIME)
    try:
        return int(datetime.fromisoformat(text).timestamp()) if re.fullmatch(_TIME, text) else None
    except ValueError:
        fields.note(name, f"is {text!r}, which is not a time")
        return None


def _model(fields: FieldReader) -> str:
    name = fields.text("default_model")
    try:
        return check_model(name)
    except InvalidRequest as error:
        fields.note("default_model", str(error))
        return name
