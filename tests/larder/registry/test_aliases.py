"""Other names of models: written, read, refreshed and refused."""

import pytest

from larder.errors import InvalidRequest, StoreError
from larder.registry.aliases import (
    KEY,
    MAX_ALIASES,
    Aliases,
    dump_aliases,
    parse_aliases,
    read_aliases,
    remove_alias,
    set_alias,
)
from larder.store import Store, open_store

ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/Cats/version/v1/1600000000000"


@pytest.fixture
def store() -> Store:
    return open_store("memory://")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_name_means_its_alias_then_the_alias_of_its_part_then_the_part(store: Store) -> None:
    aliases = Aliases(store, 0)
    assert aliases.model(ARN, "cats") == "cats"
    set_alias(store, "cats", "pets")
    assert aliases.model(ARN, "cats") == "pets"
    set_alias(store, ARN, "lions")
    assert aliases.model(ARN, "cats") == "lions"
    assert aliases.model("shop") == "shop"
    assert remove_alias(store, ARN)
    assert not remove_alias(store, ARN)
    assert aliases.model(ARN, "cats") == "pets"


def test_aliases_are_read_again_after_the_refresh_seconds(store: Store) -> None:
    clock = Clock()
    aliases = Aliases(store, 30, clock)
    assert aliases.model("a") == "a"
    set_alias(store, "a", "pets")
    clock.now = 29
    assert aliases.model("a") == "a"
    clock.now = 30
    assert aliases.model("a") == "pets"
    store.delete(KEY)
    clock.now = 60
    assert aliases.model("a") == "a"


def test_the_document_is_the_same_for_the_same_aliases(store: Store) -> None:
    set_alias(store, "b", "pets")
    set_alias(store, "a", "pets")
    data = store.get(KEY).data
    assert data == b'{\n  "format": 1,\n  "aliases": {\n    "a": "pets",\n    "b": "pets"\n  }\n}\n'
    assert dump_aliases(parse_aliases(data)) == data
    assert read_aliases(store)[0] == {"a": "pets", "b": "pets"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b'{"format": 2, "aliases": {}}',
        b'{"format": 1, "aliases": []}',
        b'{"format": 1, "aliases": {"a": "Not A Model"}}',
        b'{"format": 1, "aliases": {"a": 5}}',
        b'{"format": 1, "aliases": {"a b": "pets"}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_document_of_another_form_is_an_error_of_the_store(data: bytes, store: Store) -> None:
    store.put(KEY, data)
    with pytest.raises(StoreError, match=KEY):
        read_aliases(store)


@pytest.mark.parametrize(
    ("name", "model"), [("", "pets"), ("a b", "pets"), ("ä", "pets"), ("x" * 2049, "pets"), ("a", "B")]
)
def test_invalid_names_are_refused(name: str, model: str, store: Store) -> None:
    with pytest.raises(InvalidRequest):
        set_alias(store, name, model)
    assert read_aliases(store) == ({}, None)


def test_there_is_a_limit(store: Store) -> None:
    store.put(KEY, dump_aliases({f"a{number}": "pets" for number in range(MAX_ALIASES)}))
    set_alias(store, "a0", "shop")
    with pytest.raises(InvalidRequest, match="the limit"):
        set_alias(store, "one-more", "pets")
