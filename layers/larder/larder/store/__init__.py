"""Objects by key, in S3, in a folder or in memory, with the same promises from each.

A write is atomic: a reader sees the old bytes or the new ones. ``put`` with an ``etag`` is a compare-and-swap and with
``create`` a put-if-absent; of any number of writers who hold the same ETag, in any number of threads and processes,
exactly one wins. S3 promises that itself (conditional writes), and obstore's memory store does; for a folder it is
kept here, by a lock and a comparison of contents (``larder.store.folder``).

obstore and not boto3: its client is ready in about 40 ms of a cold start where boto3's needs 500 and more.
"""

from larder.store.base import Blob, Entry, Store, part_beside
from larder.store.reader import StoreReader

__all__ = ["Blob", "Entry", "Store", "StoreReader", "open_store", "part_beside"]


def open_store(url: str) -> Store:
    """Open the store at ``s3://bucket[/prefix]``, ``file:///folder`` (created if missing) or ``memory://[name]``.

    Each ``memory://`` is a new, empty store; ``memory://name`` is one store for the whole process. For S3, the
    endpoint, region and credentials come from the usual variables (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``,
    ``AWS_REGION``, ...). Nothing is read yet.

    Raises:
        StoreError: the URL has another form, or the store cannot be opened.
    """
    from larder.store.opening import open_url  # loads the S3 client: code that only names the types does not need it

    return open_url(url)
