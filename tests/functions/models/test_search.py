"""Releases by their time, state, quality and training, page by page."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.functions.models.test_handler import Service, body, empty, refusal

from larder.release.keys import file_key
from larder.release.manifest import Manifest
from larder.release.pointer import Pointer

__all__ = ["empty"]  # a fixture

NAMES = [f"202601{day:02d}t000000z-{day:08d}" for day in range(1, 13)]


@pytest.fixture
def pets(empty: Service, classifier_manifest: Manifest) -> Service:
    """Twelve releases, one a day, of growing accuracy; the last two are live and previous, the third is rejected."""
    for day, name in enumerate(NAMES, 1):
        test = {"accuracy": 0.5 + day / 100, "photos": 10}
        data = {"parts": {"test": {"cat": 5, "dog": 5}}}
        training: dict[str, object] = {"head": {"l2": 0.5 if day % 2 else 2}, "data": data}
        training["parent"] = {"release": NAMES[0]} if day == 5 else None
        empty.publish(replace(classifier_manifest, release=name, evaluation={"test": test}, training=training))
    empty.store.put(file_key("pets", NAMES[2], "rejected.json"), b'{"reason": "Worse."}')
    empty.point("pets", Pointer(NAMES[11], previous=NAMES[10], revision=2))
    return empty


def pages(pets: Service, **query: str) -> list[list[int]]:
    """The days of the releases of each page."""
    found: list[list[int]] = []
    following: Mapping[str, str] = {}
    while True:
        page: dict[str, Any] = body(pets.ask("releases", query={**query, **following}))
        found.append([NAMES.index(entry["release"]) + 1 for entry in page["releases"]])
        if page["next"] is None:
            return found
        following = {"next": page["next"]}


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1]]),
        ({"order": "oldest"}, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12]]),
        ({"from": "2026-01-02", "to": "2026-01-04T00:00:00Z"}, [[4, 3, 2]]),
        ({"state": "live"}, [[12]]),
        ({"state": "previous"}, [[11]]),
        ({"text": "0000001"}, [[12, 11, 10, 1]]),
        ({"from": "2027-01-01"}, [[]]),
        ({"order": "best"}, [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1]]),
        ({"order": "worst", "above": "0.6"}, [[10, 11, 12]]),
    ],
)
def test_pages(pets: Service, query: dict[str, str], days: list[list[int]]) -> None:
    assert pages(pets, n="5", **query) == days


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"state": "rejected"}, [3]),
        ({"state": "stored"}, [10, 9, 8, 7, 6, 5, 4, 2, 1]),
        ({"above": "0.59", "below": "0.6"}, [10, 9]),
        ({"metric": "ndcg@20", "above": "0"}, []),
        ({"parent": NAMES[0]}, [5]),
        ({"training": "head.l2=0.50", "from": "2026-01-08"}, [11, 9]),
        ({"training": "head=x"}, []),
    ],
)
@pytest.mark.parametrize("n", ["1", "25"])
def test_conditions_find_the_same_releases_whatever_the_page(
    pets: Service, query: dict[str, str], days: list[int], n: str
) -> None:
    assert [day for page in pages(pets, n=n, **query) for day in page] == days


def test_a_page_stays_where_it_is_while_releases_come(pets: Service, classifier_manifest: Manifest) -> None:
    first = body(pets.ask("releases", query={"n": "5"}))
    pets.publish(replace(classifier_manifest, release="20260113t000000z-00000013"))
    second = body(pets.ask("releases", query={"n": "5", "next": first["next"]}))
    assert [entry["release"] for entry in second["releases"]] == NAMES[6:1:-1]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"order": "random"}, "newest, oldest, best, worst"),
        ({"state": "candidate"}, "send one of canary"),
        ({"from": "yesterday"}, "a date or a time"),
        ({"above": "much"}, "send a number"),
        ({"below": "nan"}, "send a number"),
        ({"training": "head.l2"}, "a path and a value"),
        ({"next": "../x"}, "not a release name"),
        ({"order": "best", "next": "gone"}, "begin at the first page"),
    ],
)
def test_a_condition_that_makes_no_sense_is_a_400(pets: Service, query: dict[str, str], problem: str) -> None:
    assert problem in refusal(pets.ask("releases", query=query), 400, "invalid_request")


def test_models_and_history_have_pages(pets: Service, recommender_manifest: Manifest) -> None:
    pets.publish(recommender_manifest)
    first = body(pets.ask("list", query={"n": "1"}))
    second = body(pets.ask("list", query={"n": "1", "next": first["next"]}))
    assert [entry["model"] for page in (first, second) for entry in page["models"]] == ["pets", "shop"]
    assert second["next"] is None
    assert [entry["model"] for entry in body(pets.ask("list", query={"text": "ho"}))["models"]] == ["shop"]
