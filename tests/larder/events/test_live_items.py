"""Recommenders are extended by the items that were put, which are read only if something has changed."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from larder.errors import StoreError
from larder.events.base import LiveItem, LiveStore
from larder.events.live_items import LiveItems
from larder.recommender import Query, Recommender

OpenShop = Callable[..., Recommender]


def put(item: str, time: float) -> LiveItem:
    """An item that resembles fig."""
    return LiveItem(item, {"KIND": "fruit"}, time, (("fig", 1.0),))


@dataclass
class Puts:
    """The part of a live store that LiveItems reads; the version is the number of items."""

    put: list[LiveItem] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    fails: bool = False

    def items(self, _model: str, after: str = "") -> tuple[Sequence[LiveItem], str]:
        """As ``LiveStore.items``."""
        self.reads.append(after)
        if self.fails:
            raise StoreError("The store does not answer.")
        return self.put[int(after or 0) :], str(len(self.put))


@pytest.fixture
def puts() -> Puts:
    return Puts()


@pytest.fixture
def live(puts: Puts) -> LiveItems:
    return LiveItems(cast("LiveStore", puts))


def test_without_items_the_recommender_is_the_same(shop: Recommender, live: LiveItems, puts: Puts) -> None:
    assert live.extended("shop", shop, "") is shop
    assert puts.reads == []


def test_items_are_read_once_for_each_version_and_only_the_new_ones(
    shop: Recommender, live: LiveItems, puts: Puts
) -> None:
    # GIVEN an item that was put, and a request that has read it
    puts.put.append(put("guava", 1.0))
    first = live.extended("shop", shop, "1")
    assert "guava" in first.recommend(Query(session=["fig"])).ids()
    assert live.extended("shop", shop, "1") is first
    # WHEN another is put
    puts.put.append(put("hazel", 2.0))
    second = live.extended("shop", shop, "2")
    # THEN only that is read, and both are recommended
    assert puts.reads == ["", "1"]
    assert {"guava", "hazel"} <= set(second.recommend(Query(session=["fig"])).ids())


def test_an_item_that_a_newer_release_knows_is_not_new(open_shop: OpenShop, live: LiveItems, puts: Puts) -> None:
    newer = open_shop()
    puts.put += [put("guava", 1.0), put("egg", 2.0)]

    answer = live.extended("shop", newer, "2").recommend(Query(user="ada", n=9, include_seen=True))

    assert answer.ids().count("egg") == 1
    assert {item.id: item.because.source for item in answer.items if item.because}["egg"] == "user"


def test_a_store_that_fails_is_an_error_and_is_asked_again(shop: Recommender, live: LiveItems, puts: Puts) -> None:
    puts.put.append(put("guava", 1.0))
    puts.fails = True
    with pytest.raises(StoreError):
        live.extended("shop", shop, "1")
    puts.fails = False

    assert "guava" in live.extended("shop", shop, "1").recommend(Query(session=["fig"])).ids()


def test_a_release_that_is_dropped_frees_its_extension(open_shop: OpenShop, live: LiveItems, puts: Puts) -> None:
    puts.put.append(put("guava", 1.0))
    recommender = open_shop()
    extension = weakref.ref(live.extended("shop", recommender, "1"))

    del recommender
    gc.collect()

    assert extension() is None
