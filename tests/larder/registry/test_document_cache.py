"""The cache of a document of each model, which filters, settings and statistics share."""

from collections.abc import Callable
from threading import Thread

import pytest

from larder.errors import StoreError
from larder.registry.document_cache import MAX_MODELS, DocumentCache
from larder.store import Blob, Store, open_store

Cache = DocumentCache[str]


def key(model: str) -> str:
    return f"models/{model}/text"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class CountingStore(Store):
    """A store that counts its reads, and calls ``asked`` within each."""

    def __init__(self) -> None:
        inner = open_store("memory://")
        super().__init__(inner.url, inner._backend)
        self.reads = 0
        self.asked: Callable[[], object] = str

    def get_if_changed(self, key: str, etag: str) -> Blob | None:
        self.reads += 1
        self.asked()
        return super().get_if_changed(key, etag)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(store: CountingStore, clock: Clock) -> Cache:
    return DocumentCache(
        store, 30, key, lambda data, model: f"{model}: {data.decode()}", lambda: "none", renew=str.upper, clock=clock
    )


def test_a_document_is_read_again_after_the_refresh_seconds_only(
    store: CountingStore, clock: Clock, cache: Cache
) -> None:
    assert cache.get("shop") == "none"
    store.put(key("shop"), b"tea")
    clock.now = 29
    assert (cache.get("shop"), store.reads) == ("none", 1)
    clock.now = 30
    assert (cache.get("shop"), store.reads) == ("shop: tea", 2)
    clock.now = 60
    assert (cache.get("shop"), store.reads) == ("SHOP: TEA", 3)  # it has not changed: it is renewed
    store.delete(key("shop"))
    clock.now = 90
    assert cache.get("shop") == "none"


def test_a_value_that_is_not_usable_is_read_again_at_once(store: CountingStore, cache: Cache) -> None:
    assert cache.get("shop", lambda text: "tea" in text) == "none"
    store.put(key("shop"), b"tea")
    assert cache.get("shop", lambda text: "tea" in text) == "shop: tea"
    assert (cache.get("shop", lambda text: "tea" in text), store.reads) == ("shop: tea", 2)


def test_while_one_thread_reads_again_the_others_get_what_was_read(
    store: CountingStore, clock: Clock, cache: Cache
) -> None:
    cache.get("shop")
    store.put(key("shop"), b"tea")
    clock.now = 30
    answers: list[str] = []

    def ask_in_another_thread() -> None:
        thread = Thread(target=lambda: answers.append(cache.get("shop")))
        thread.start()
        thread.join(10)

    store.asked = ask_in_another_thread
    assert cache.get("shop") == "shop: tea"
    assert answers == ["none"]


def test_a_failed_read_leaves_what_was_read_and_the_next_one_tries_again(
    store: CountingStore, clock: Clock, cache: Cache
) -> None:
    store.put(key("shop"), b"tea")
    cache.get("shop")
    clock.now = 30

    def fail() -> None:
        raise StoreError("The store failed: try again.")

    store.asked = fail
    with pytest.raises(StoreError, match="try again"):
        cache.get("shop")
    store.asked = str
    assert cache.get("shop") == "SHOP: TEA"


def test_only_so_many_models_are_kept(store: CountingStore, cache: Cache) -> None:
    for number in range(MAX_MODELS + 1):
        cache.get(f"m{number}")
    reads = store.reads
    cache.get(f"m{MAX_MODELS}")
    assert store.reads == reads
    cache.get("m0")  # the oldest was dropped
    assert store.reads == reads + 1
