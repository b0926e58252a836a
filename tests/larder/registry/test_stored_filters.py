"""Stored filters: written, read, refreshed and refused."""

import json

import pytest

from larder.errors import Conflict, InvalidRequest, NotFound, StoreError
from larder.registry import stored_filters
from larder.registry.stored_filters import (
    MAX_FILTERS,
    FilterCache,
    FilterExists,
    StoredFilter,
    add_filter,
    dump_filters,
    parse_filters,
    put_filter,
    read_filters,
    remove_filter,
)
from larder.release.keys import filters_key
from larder.store import Store, open_store

SHOES = 'INCLUDE ItemID WHERE Items.KIND IN ("shoes")'


@pytest.fixture
def store() -> Store:
    return open_store("memory://")


def test_a_filter_is_stored_read_and_removed(store: Store) -> None:
    assert read_filters(store, "shop") == {}
    stored = add_filter(store, "shop", "Only_shoes-1", SHOES)
    add_filter(store, "shop", "b", "EXCLUDE ItemID WHERE Items.PRICE > $MOST")
    assert stored.expression == SHOES
    assert sorted(read_filters(store, "shop")) == ["Only_shoes-1", "b"]
    assert read_filters(store, "shop")["Only_shoes-1"] == stored
    assert read_filters(store, "other") == {}
    remove_filter(store, "shop", "Only_shoes-1")
    assert sorted(read_filters(store, "shop")) == ["b"]
    with pytest.raises(NotFound, match="'shop' has no stored filter 'Only_shoes-1'"):
        remove_filter(store, "shop", "Only_shoes-1")


def test_a_second_filter_of_a_name_is_refused(store: Store) -> None:
    add_filter(store, "shop", "a", SHOES)
    with pytest.raises(FilterExists, match="already has a filter 'a'"):
        add_filter(store, "shop", "a", SHOES)


def test_a_filter_is_replaced_and_keeps_its_date(store: Store) -> None:
    first = put_filter(store, "shop", "a", SHOES)
    second = put_filter(store, "shop", "a", "EXCLUDE ItemID WHERE Items.PRICE > 1")

    assert (first.updated, second.created) == (None, first.created)
    assert second.updated is not None
    assert read_filters(store, "shop")["a"] == second
    assert parse_filters(dump_filters({"a": second}), "shop") == {"a": second}


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "ä", "a" * 64])
def test_a_name_follows_the_rule_of_personalize(store: Store, name: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a filter name"):
        add_filter(store, "shop", name, SHOES)


def test_an_invalid_expression_is_refused_with_its_position(store: Store) -> None:
    with pytest.raises(InvalidRequest, match="character 22"):
        add_filter(store, "shop", "a", "INCLUDE ItemID WHERE Item.KIND IN (1)")
    assert read_filters(store, "shop") == {}


def test_the_number_of_filters_is_limited(store: Store) -> None:
    many = {f"f{number}": StoredFilter(SHOES, "2026-01-02T03:04:05Z") for number in range(MAX_FILTERS)}
    store.put(filters_key("shop"), dump_filters(many))
    with pytest.raises(InvalidRequest, match="100 filters, which is the limit"):
        add_filter(store, "shop", "one-more", SHOES)


def test_the_second_of_two_writers_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_filter(store, "shop", "a", SHOES)
    stale = stored_filters._with_etag(store, "shop")
    add_filter(store, "shop", "b", SHOES)
    monkeypatch.setattr(stored_filters, "_with_etag", lambda *_: stale)
    with pytest.raises(Conflict):
        add_filter(store, "shop", "c", SHOES)


def test_the_document_is_canonical_and_keeps_every_character() -> None:
    stored = {"b": StoredFilter("ü", "2026-01-02T03:04:05Z"), "a": StoredFilter(SHOES, "2026-01-02T03:04:05Z")}
    data = dump_filters(stored)
    assert data == dump_filters(dict(reversed(stored.items())))
    assert parse_filters(data, "shop") == stored
    assert "ü" in data.decode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"format": 2, "filters": {}}', "another format than 1"),
        (b'{"format": 1, "filters": {"a": {"expression": "x"}}}', "filters.a.created: is missing"),
        (b'{"format": 1, "filters": {}, "more": 1}', "more: is unknown"),
        (json.dumps({"format": 1, "filters": {"a": {"expression": "x", "created": "now"}}}).encode(), "does not match"),
    ],
)
def test_a_damaged_document_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(StoreError, match=problem):
        parse_filters(data, "shop")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_cache_reads_again_after_the_refresh_seconds(store: Store) -> None:
    clock = Clock()
    cache = FilterCache(store, 30, clock)
    add_filter(store, "shop", "a", SHOES)
    assert cache.get("shop", "a").expression == SHOES
    remove_filter(store, "shop", "a")
    clock.now = 29
    assert cache.get("shop", "a").expression == SHOES
    clock.now = 30
    with pytest.raises(NotFound):
        cache.get("shop", "a")
    store.delete(filters_key("shop"))
    with pytest.raises(NotFound):
        cache.get("shop", "a")


def test_the_cache_finds_a_new_filter_at_once(store: Store) -> None:
    cache = FilterCache(store, 1e9)
    with pytest.raises(NotFound):
        cache.get("shop", "a")
    add_filter(store, "shop", "a", SHOES)
    assert cache.get("shop", "a").expression == SHOES
