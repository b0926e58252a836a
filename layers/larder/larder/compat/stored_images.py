"""Images that a request names by bucket and key. Only the bundle's own bucket is read, and in it only ``uploads/``."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from larder.classifier.request import ClassificationRequest
from larder.errors import InvalidRequest
from larder.store import Store

LOCAL_BUCKET: Final = "larder"  # the name of a store that is a folder
_S3_HOST = re.compile(r"(?P<bucket>[a-z0-9.-]+)\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a store is in S3.

    Attributes:
        name: The bucket; ``larder`` for a folder.
        prefix: The prefix of all keys of the store, with a final slash, or empty.
    """

    name: str
    prefix: str

    @classmethod
    def of(cls, store: Store) -> "Bucket":
        """The bucket of a store."""
        scheme, _, rest = store.url.partition("://")
        if scheme != "s3":
            return cls(LOCAL_BUCKET, "")
        name, _, prefix = rest.partition("/")
        return cls(name, f"{prefix}/" if prefix else "")


def read_image(store: Store, bucket: str, key: str) -> bytes:
    """The bytes of an image in the store's bucket.

    Raises InvalidRequest for another bucket or another folder than ``uploads/``, NotFound or TooLarge.
    """
    own = Bucket.of(store)
    if bucket != own.name:
        raise InvalidRequest(f"{bucket[:80]!r} is not the bucket of this service: use an image in its own bucket.")
    if not key.startswith(own.prefix):
        raise InvalidRequest(f"{key[:80]!r} is not in the folder of this service: use a key under uploads/.")
    document = {"object": key.removeprefix(own.prefix)}
    return ClassificationRequest.from_json(document, {}).image(store)


def read_address(store: Store, address: str) -> bytes:
    """The bytes of an image in the store's bucket by its address: ``gs://``, ``s3://`` or that of S3 over HTTPS.

    Raises InvalidRequest for any other address, since this service fetches nothing, and as ``read_image``.
    """
    scheme, _, rest = address.partition("://")
    host, _, key = rest.partition("/")
    if scheme in ("gs", "s3"):
        return read_image(store, host, key)
    virtual = _S3_HOST.fullmatch(host)
    if scheme == "https" and virtual:
        return read_image(store, virtual["bucket"], unquote(key.partition("?")[0]))
    raise InvalidRequest(
        f"{address[:80]!r} is not in the bucket of this service, and nothing else is fetched: upload the image to it, "
        "and name it as s3://BUCKET/uploads/NAME."
    )
