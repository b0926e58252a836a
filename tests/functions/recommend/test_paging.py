"""Pages of a list over HTTP: the next of each response asks for the page behind it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.functions.recommend.test_stored_filters import ask, store
from tests.toys.live_store import publish

from larder.registry.stored_filters import add_filter
from larder.store import Store

__all__ = ["store"]  # a fixture
RECOMMEND = "/v1/models/shop/recommend"


def walk(path: str, first: dict[str, Any], *, by_body: bool = False) -> list[list[str]]:
    """The ids of all pages of a list."""
    pages, text = [], ""
    for _ in range(20):
        sent = {**first, "next": text}
        status, document = ask("POST", path, body=sent) if by_body else ask("GET", path, sent)
        assert status == 200, document
        pages.append([item["id"] for item in document["items"]])
        text = document["next"]
        if text is None:
            return pages
    raise AssertionError("the list has no end")


@pytest.mark.usefixtures("store")
def test_a_list_is_walked_to_its_end() -> None:
    _, whole = ask("GET", RECOMMEND, {"user": "ada"})
    expected = [item["id"] for item in whole["items"]]
    assert "next" not in whole

    pages = walk(RECOMMEND, {"user": "ada", "n": "2"})

    assert [len(page) for page in pages] == [2] * (len(expected) // 2) + [1] * (len(expected) % 2)
    assert [item for page in pages for item in page] == expected
    assert walk(RECOMMEND, {"user": "ada", "n": 2}, by_body=True) == pages
    similar = walk("/v1/models/shop/similar/apple", {"n": "2"})
    assert similar == [["bread", "cherry"], ["dill, fresh"]]


@pytest.mark.usefixtures("store")
def test_next_is_of_one_request_but_pages_may_differ_in_length() -> None:
    _, first = ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": ""})

    status, second = ask("GET", RECOMMEND, {"user": "ada", "n": "1", "next": first["next"]})
    assert (status, len(second["items"])) == (200, 1)
    for other in ({"user": "bob"}, {"user": "ada", "exclude": "egg"}, {}):
        status, document = ask("GET", RECOMMEND, {**other, "next": first["next"]})
        assert (status, "belongs to another request" in document["error"]["message"]) == (400, True)


def test_all_pages_are_of_the_release_that_began_the_list(store: Store, write_shop: Callable[..., Path]) -> None:
    _, first = ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": ""})
    newer = write_shop(created=datetime(2030, 1, 2, tzinfo=UTC), users={"ada": [(0, 1.0)]})
    publish(store, "shop", newer, revision=2)
    assert ask("GET", RECOMMEND, {"user": "ada"})[1]["release"] == newer.name

    _, second = ask("GET", RECOMMEND, {"user": "ada", "n": "2", "next": first["next"]})

    assert second["release"] == first["release"]


@pytest.mark.usefixtures("store")
def test_a_release_that_is_gone_ends_a_list_with_the_reason() -> None:
    from larder.recommender import Page, next_page
    from larder.recommender.paging import request_digest

    digest = request_digest({"user": "ada"}, None)
    text = next_page(Page(request=digest), 2, "20200101t000000z-00000000")

    status, document = ask("GET", RECOMMEND, {"user": "ada", "next": text})

    assert status == 400
    assert "20200101t000000z-00000000, is not there any more: begin again" in document["error"]["message"]


def test_boosts_take_stored_filters_and_adjustments_are_in_the_answer(store: Store) -> None:
    add_filter(store, "shop", "fruit", 'INCLUDE ItemID WHERE Items.KIND IN ("fruit")')
    body = {
        "user": "ada",
        "n": 3,
        "boosts": [{"filter": "@fruit", "factor": 4}],
        "pins": [{"place": 1, "item": "dill, fresh"}],
        "max_per": {"KIND": 1},
    }

    status, document = ask("POST", RECOMMEND, body=body)

    assert status == 200
    assert [(item["id"], item["because"]) for item in document["items"]] == [
        ("dill, fresh", {"source": "pin", "place": 1}),
        ("fig", {"source": "user", "items": [], "boost": 4}),
        ("egg", {"source": "user", "items": ["bread"]}),
    ]
