"""Objects by key, in S3, in a folder or in memory, with the same promises from each.

A write is atomic: a reader sees the old bytes or the new ones. ``put`` with an ``etag`` is a compare-and-swap and with
``create`` a put-if-absent; of any number of writers who hold the same ETag, in any number of threads and processes,
exactly one wins. S3 promises that itself (conditional writes), and obstore's memory store does; for a folder it is
kept here, by a lock and a comparison of contents (``larder.store.folder``).

obstore and not boto3: its client is ready in about 40 ms of a cold start where boto3's needs 500 and more.
"""

from larder.store.base import Blob, Entry, Store, part_beside
from larder.store.reader import StoreReader

__all__ = ["Blob", "Entry", "Store", "StoreReader", "part_beside"]
