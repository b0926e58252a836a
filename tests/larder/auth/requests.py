"""A request without a front door, and keys, for the tests of this folder."""

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest

from larder.auth.keys import Key, Secret, digest
from larder.auth.scopes import parse_scope

NOW = 1_790_000_000
SECRET = "s3cretS3cretS3cretS3cretS3cretS3cretS3cr"
KEY_ID = "LKTEST00000000000001"


@dataclass(frozen=True)
class ToyRequest:
    """What ``larder.auth.request.SignedRequest`` names."""

    method: str = "GET"
    path: str = "/"
    raw_query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    def raw_body(self) -> bytes:
        return self.content

    def having(self, **changes: object) -> "ToyRequest":
        return replace(self, **changes)  # type: ignore[arg-type]  # the fields above


def as_sent(aws: AWSRequest) -> ToyRequest:
    """A request of botocore as it arrives."""
    prepared: Any = aws.prepare()
    parts = urlsplit(prepared.url)
    headers = {name.lower(): v if isinstance(v, str) else v.decode() for name, v in prepared.headers.items()}
    return ToyRequest(prepared.method, parts.path, parts.query, {"host": parts.netloc, **headers}, prepared.body or b"")


def make_key(*, key_id: str = KEY_ID, secret: str = SECRET, signs: bool = False, **changes: object) -> Key:
    """A key that may do everything."""
    key = Key(
        id=key_id,
        secrets=(Secret(digest(secret), secret if signs else None),),
        scopes=(parse_scope("admin"),),
        created=NOW - 1000,
    )
    return key._replace(**changes)  # type: ignore[arg-type]  # the fields of a key
