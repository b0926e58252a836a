"""The filters that are stored beside a model, so that a request can name one: ``models/<model>/filters.json``.

They belong to the model, not to a release: a release goes live without a change of its clients' filters.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from larder.errors import InvalidRequest, MissingObject, NotFound, StoreError
from larder.registry.document_cache import DocumentCache
from larder.registry.registry import Registry, now
from larder.release.json_fields import FieldReader
from larder.release.keys import filters_key
from larder.release.serving import RecommenderServing
from larder.store import Store

FORMAT: Final = 1
MAX_FILTERS: Final = 100
MAX_NAME: Final = 63
_NAME: Final = re.compile(rf"[a-zA-Z0-9][a-zA-Z0-9_-]{{0,{MAX_NAME - 1}}}")
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@dataclass(frozen=True, slots=True)
class StoredFilter:
    """A filter of a model.

    Attributes:
        expression: Its text.
        created: When it was stored, in UTC, ISO 8601 with seconds and Z.
        updated: When it was last replaced; None if it never was.
    """

    expression: str
    created: str
    updated: str | None = None

    def document(self) -> dict[str, str]:
        """It as JSON; ``updated`` is missing if the filter never was."""
        return {name: value for name, value in asdict(self).items() if value is not None}


StoredFilters = Mapping[str, StoredFilter]
"""The filters of a model, by name."""
_NONE: Final[StoredFilters] = MappingProxyType({})


class TooManyFilters(InvalidRequest):
    """A model has as many filters as it may have."""


class FilterExists(InvalidRequest):
    """A model already has a filter of this name."""


def check_filter_name(name: str) -> str:
    """Return ``name``; raises InvalidRequest unless it is a name of a filter, as Personalize has them."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name[:80]!r} is not a filter name: use 1 to {MAX_NAME} letters, digits, '-' and '_', with a letter or "
            "digit first."
        )
    return name


def parse_filters(data: bytes, model: str) -> StoredFilters:
    """The filters of a document; raises StoreError if it breaks the format."""
    key = filters_key(model)
    try:
        fields = FieldReader(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{key} is not JSON ({error}): remove it and store the filters again.") from error
    number = fields.integer("format", low=FORMAT)
    filters = {name: _read(entry) for name, entry in fields.children("filters").items()}
    fields.finish()
    if number != FORMAT:
        raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
    if fields.problems:
        raise StoreError(f"{key} is not valid ({'; '.join(fields.problems)}): remove it and store the filters again.")
    return filters


def _read(fields: FieldReader) -> StoredFilter:
    updated = fields.text("updated", _TIME) if fields.has("updated") else None
    stored = StoredFilter(fields.text("expression"), fields.text("created", _TIME), updated)
    fields.finish()
    return stored


def dump_filters(filters: StoredFilters) -> bytes:
    """The document: the same bytes for the same filters."""
    document = {"format": FORMAT, "filters": {name: stored.document() for name, stored in sorted(filters.items())}}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def read_filters(store: Store, model: str) -> StoredFilters:
    """The filters of a model."""
    return _with_etag(store, model)[0]


def stored_filter(filters: StoredFilters, model: str, name: str) -> StoredFilter:
    """One of the filters of a model; raises NotFound."""
    if name not in filters:
        raise NotFound(f"Model {model!r} has no stored filter {name[:80]!r}: store it first, or send its expression.")
    return filters[name]


def add_filter(store: Store, model: str, name: str, expression: str) -> StoredFilter:
    """Store a filter under a new name; ``check_expression`` has passed it.

    Raises InvalidRequest, with the position, if it is not a filter; FilterExists if the name is in use;
    TooManyFilters; Conflict if another writer came first.
    """
    return _put(store, model, name, expression, replace=False)


def put_filter(store: Store, model: str, name: str, expression: str) -> StoredFilter:
    """Store a filter, in place of one of this name; otherwise like ``add_filter``."""
    return _put(store, model, name, expression, replace=True)


def _put(store: Store, model: str, name: str, expression: str, *, replace: bool) -> StoredFilter:
    from larder.filters import parse  # reading stored filters needs no parser

    check_filter_name(name)
    parse(expression)
    filters, etag = _with_etag(store, model)
    old = filters.get(name)
    if old is not None and not replace:
        raise FilterExists(f"Model {model!r} already has a filter {name!r}: delete it first, or use another name.")
    if old is None and len(filters) >= MAX_FILTERS:
        raise TooManyFilters(f"Model {model!r} has {len(filters)} filters, which is the limit: delete some.")
    written = now()
    stored = StoredFilter(expression, written) if old is None else StoredFilter(expression, old.created, written)
    store.put(filters_key(model), dump_filters({**filters, name: stored}), etag=etag, create=etag is None)
    return stored


def check_expression(registry: Registry, model: str, expression: str) -> None:
    """Check that the release of ``model`` that is live can answer a filter; without one, only that it is a filter.

    Raises NotFound if there is no such model; InvalidRequest, with the position, if the filter is invalid or names what
    the release does not have, or if the model is a classifier.
    """
    from larder.filters import check_columns, parse

    rule = parse(expression)
    version = registry.pointer(model)
    if version is None:
        if not registry.has_files(model):
            raise NotFound(f"Model {model!r} does not exist: publish a release of it first.")
        return
    serving = registry.manifest(model, version.pointer.stable).serving
    if not isinstance(serving, RecommenderServing):
        raise InvalidRequest(f"Model {model!r} is a classifier, which has no filters: use the name of a recommender.")
    knows = serving.interactions is not None
    check_columns(rule, serving.columns, serving.user_columns, knows_interactions=knows)


def remove_filter(store: Store, model: str, name: str) -> StoredFilter:
    """Remove a filter, and return it. Raises NotFound, or Conflict if another writer came first."""
    filters, etag = _with_etag(store, model)
    removed = stored_filter(filters, model, name)
    left = {other: stored for other, stored in filters.items() if other != name}
    store.put(filters_key(model), dump_filters(left), etag=etag)
    return removed


def _with_etag(store: Store, model: str) -> tuple[StoredFilters, str | None]:
    """The filters of a model and the ETag of their document, which is None if there is none yet."""
    try:
        blob = store.get(filters_key(model))
    except MissingObject:
        return _NONE, None
    return parse_filters(blob.data, model), blob.etag


class FilterCache:
    """The filters of the models of a store, read again at most every ``refresh_seconds``. Thread-safe."""

    def __init__(self, store: Store, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache: Final = DocumentCache(
            store, refresh_seconds, filters_key, parse_filters, lambda: _NONE, clock=clock
        )

    def get(self, model: str, name: str) -> StoredFilter:
        """One of the filters of a model; raises NotFound, or StoreError if they cannot be read.

        A name that is not among them is looked up again, so that a filter can be used as soon as it is stored.
        """
        return stored_filter(self._cache.get(model, lambda filters: name in filters), model, name)
