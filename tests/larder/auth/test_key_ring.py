"""The keys in a process's memory: renewed, looked up, and kept for a while if the store fails."""

import pytest
from tests.larder.auth.requests import KEY_ID, NOW, make_key

from larder.auth import KeyRing
from larder.auth.key_ring import KEEP_SECONDS, REFRESH_SECONDS
from larder.auth.keys import DOCUMENT, Key, dump_keys
from larder.errors import InvalidKeys, StoreError
from larder.store import Blob, Store, open_store

NEW = "LKTEST00000000000002"


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting(Store):
    """A store in memory that counts its reads and fails on demand."""

    def __init__(self) -> None:
        super().__init__("memory://", open_store("memory://")._backend)
        self.reads = 0
        self.fails = False

    def get(self, key: str) -> Blob:
        self.count()
        return super().get(key)

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        self.count()
        return super().get_if_changed(key, etag)

    def count(self) -> None:
        self.reads += 1
        if self.fails:
            raise StoreError("The store failed.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Counting:
    store = Counting()
    write(store, make_key())
    return store


@pytest.fixture
def ring(store: Counting, clock: Clock) -> KeyRing:
    return KeyRing(store, clock=clock)


def write(store: Store, *keys: Key) -> None:
    store.put(DOCUMENT, dump_keys({key.id: key for key in keys}))


def test_a_known_key_costs_one_read_every_15_seconds(ring: KeyRing, store: Counting, clock: Clock) -> None:
    assert ring.get(KEY_ID) == make_key()
    for _ in range(3):
        clock.now += REFRESH_SECONDS - 1
        ring.get(KEY_ID)
        ring.get(KEY_ID)
    assert store.reads == 2  # at 0 s, and at 28 s


def test_a_revoked_key_is_gone_after_15_seconds(ring: KeyRing, store: Counting, clock: Clock) -> None:
    ring.get(KEY_ID)
    write(store, make_key(secrets=(), revoked=NOW))
    clock.now += REFRESH_SECONDS
    key = ring.get(KEY_ID)
    assert key is not None
    assert key.secrets == ()


def test_an_unknown_id_is_looked_for_once_a_second(ring: KeyRing, store: Counting, clock: Clock) -> None:
    ring.get(KEY_ID)
    for _ in range(50):
        clock.now += 0.1
        assert ring.get(NEW) is None
    assert store.reads <= 6
    write(store, make_key(), make_key(key_id=NEW))
    clock.now += 1
    assert ring.get(NEW) is not None


def test_the_last_keys_stay_in_use_for_a_while_if_the_store_fails(ring: KeyRing, store: Counting, clock: Clock) -> None:
    ring.get(KEY_ID)
    store.fails = True
    clock.now += KEEP_SECONDS
    assert ring.get(KEY_ID) is not None
    clock.now += REFRESH_SECONDS
    with pytest.raises(StoreError):
        ring.get(KEY_ID)
    store.fails = False
    clock.now += REFRESH_SECONDS
    assert ring.get(KEY_ID) is not None


def test_without_keys_and_without_a_store_there_is_no_answer(ring: KeyRing, store: Counting) -> None:
    store.fails = True
    ring.preload()
    with pytest.raises(StoreError):
        ring.get(KEY_ID)


def test_a_document_that_breaks_its_format_replaces_none(ring: KeyRing, store: Counting, clock: Clock) -> None:
    ring.get(KEY_ID)
    store.put(DOCUMENT, b"{")
    clock.now += REFRESH_SECONDS
    assert ring.get(KEY_ID) is not None
    with pytest.raises(InvalidKeys):
        KeyRing(store).get(KEY_ID)


def test_a_deleted_document_revokes_every_key(ring: KeyRing, store: Counting, clock: Clock) -> None:
    ring.get(KEY_ID)
    store.delete(DOCUMENT)
    clock.now += REFRESH_SECONDS
    assert ring.get(KEY_ID) is None
    write(store, make_key())
    clock.now += 1
    assert ring.get(KEY_ID) is not None


def test_after_a_restore_from_a_snapshot_the_keys_are_read_again(ring: KeyRing, store: Counting) -> None:
    ring.get(KEY_ID)
    store.fails = True
    ring.renew()
    with pytest.raises(StoreError):
        ring.get(KEY_ID)
