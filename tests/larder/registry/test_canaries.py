"""A canary starts and ends by compare-and-swap, and each change is safe to repeat."""

import pytest

from larder.errors import Conflict
from larder.registry import PointerVersion, Registry, Rejection
from larder.registry.canaries import end_canary, reject_canary, start_canary
from larder.release.pointer import Pointer
from larder.store import Store, open_store

OLD, NEW, NEWER = (f"2026010{day}t000000z-0000000{day}" for day in (1, 2, 3))


def always(_: Pointer) -> bool:
    return False


@pytest.fixture
def registry() -> Registry:
    registry = Registry(open_store("memory://"))
    registry.write_pointer("pets", Pointer(OLD), replaces=None)
    return registry


def pointer(registry: Registry) -> Pointer:
    version = registry.pointer("pets")
    assert version is not None
    return version.pointer


def test_a_canary_starts_once_gets_another_share_and_is_replaced(registry: Registry) -> None:
    for _ in range(2):
        assert start_canary(registry, "pets", NEW, 5, always) == Pointer(OLD, None, NEW, 5, revision=2)
    assert start_canary(registry, "pets", NEW, 20, always) == Pointer(OLD, None, NEW, 20, revision=3)
    assert start_canary(registry, "pets", NEWER, 5, always) == Pointer(OLD, None, NEWER, 5, revision=4)
    assert [entry["canary"] for entry in registry.history("pets", 2)] == [NEWER, NEW]


def test_the_live_release_or_one_to_skip_does_not_become_the_canary(registry: Registry) -> None:
    assert start_canary(registry, "pets", OLD, 5, always) == Pointer(OLD)
    assert start_canary(registry, "pets", NEW, 5, lambda old: old.stable == OLD) == Pointer(OLD)


def test_without_a_live_release_there_is_no_canary() -> None:
    registry = Registry(open_store("memory://"))
    with pytest.raises(Conflict, match="no live release"):
        start_canary(registry, "pets", NEW, 5, always)
    assert end_canary(registry, "pets", NEW) is None


def test_only_the_canary_that_is_meant_ends(registry: Registry) -> None:
    start_canary(registry, "pets", NEWER, 5, always)
    assert end_canary(registry, "pets", NEW) == Pointer(OLD, None, NEWER, 5, revision=2)
    for _ in range(2):
        assert end_canary(registry, "pets", NEWER, by="a person") == Pointer(OLD, revision=3)
    assert registry.history("pets", 1)[0]["by"] == "a person"


def test_a_rejection_that_was_interrupted_is_completed_by_the_next(registry: Registry) -> None:
    start_canary(registry, "pets", NEW, 5, always)
    # GIVEN a process that wrote the rejection and died before it changed the pointer
    registry.reject("pets", NEW, Rejection("Slow."))
    # WHEN the canary is rejected again THEN it has ended, and the reason is there
    assert reject_canary(registry, "pets", NEW, Rejection("Slow.")) == Pointer(OLD, revision=3)
    assert registry.rejection("pets", NEW) == Rejection("Slow.")
    assert reject_canary(registry, "pets", NEW, Rejection("Slow.")) == Pointer(OLD, revision=3)


def test_a_release_that_was_promoted_meanwhile_is_not_rejected(registry: Registry) -> None:
    start_canary(registry, "pets", NEW, 5, always)
    registry.write_pointer("pets", Pointer(NEW, OLD, revision=3), replaces=registry.pointer("pets"))
    assert reject_canary(registry, "pets", NEW, Rejection("Slow.")) == Pointer(NEW, OLD, revision=3)
    assert registry.rejection("pets", NEW) is None
    assert reject_canary(Registry(open_store("memory://")), "pets", NEW, Rejection("Slow.")) is None


def test_a_lost_swap_is_tried_again_on_the_new_pointer() -> None:
    class Contended(Registry):
        lost = False

        def write_pointer(
            self, model: str, pointer: Pointer, *, replaces: PointerVersion | None, by: str | None = None
        ) -> None:
            if pointer.canary is not None and not self.lost:
                self.lost = True  # GIVEN another writer that comes first
                super().write_pointer(model, Pointer(NEWER, OLD, revision=2), replaces=replaces)
            super().write_pointer(model, pointer, replaces=replaces, by=by)

    store: Store = open_store("memory://")
    registry = Contended(store)
    registry.write_pointer("pets", Pointer(OLD), replaces=None)
    assert start_canary(registry, "pets", NEW, 5, always) == Pointer(NEWER, OLD, NEW, 5, revision=3)
