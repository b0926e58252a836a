"""Objects by key, in S3, in a folder or in memory, with the same guarantees.

Writes are atomic: a reader sees the old bytes or the new ones. ``put`` with ``etag`` is a compare-and-swap, with
``create`` a put-if-absent: of all writers with the same ETag, in any number of threads and processes, exactly one
succeeds. S3 (conditional writes) and obstore's memory store guarantee that; ``larder.store.folder`` guarantees it for a
folder by a lock and a comparison of contents.

The S3 client is obstore, not boto3: it is ready in about 40 ms of a cold start, while boto3 needs 500 ms and more.
"""

from larder.store.base import Blob, Entry, Store, part_beside
from larder.store.reader import StoreReader

__all__ = ["Blob", "Entry", "Store", "StoreReader", "open_store", "part_beside"]


def open_store(url: str, *, private: bool = False, kms_key: str | None = None) -> Store:
    """Open the store at ``s3://bucket[/prefix]``, ``file:///folder`` (created if missing) or ``memory://[name]``.

    Each ``memory://`` is a new, empty store; ``memory://name`` is one store for the whole process. For S3, the
    endpoint, region and credentials come from the usual variables (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``,
    ``AWS_REGION``, ...). Nothing is read yet.

    Args:
        url: The URL.
        private: Whether only their owner may read what is written: S3 encrypts it with KMS, and files have mode 0600.
        kms_key: The ARN of the KMS key for that; None for the key of S3 (``aws/s3``).

    Raises:
        StoreError: the URL has another form, or the store cannot be opened.
    """
    from larder.store.opening import open_url  # loads the S3 client: code that needs only the types does not load it

    return open_url(url, private=private, kms_key=kms_key)
