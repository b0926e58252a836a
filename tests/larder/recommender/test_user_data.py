"""Filters on what the user did and on their stored profile."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.toys.shop import APPLE, BREAD, CHERRY, EGG, FIG, KALE, Slots

from larder.errors import InvalidRequest, InvalidTable
from larder.recommender import RECOMMEND, SIMILAR, Query, Recommender, read_query
from larder.release.manifest import FORMAT, USER_DATA_FORMAT
from larder_training.release.loader import open_tables, read_manifest

OpenShop = Callable[..., Recommender]
ALL = ["egg", "fig", "Grünkohl 🥬", "apple", "bread", "cherry", "dill, fresh"]
# Types: 0 view, 1 Buy. ada has three rows, the last of which is not full; bob has one that is exactly full.
EVENTS: Mapping[str, Slots] = {
    "ada": [(EGG, 0), (FIG, 0)],
    "ada\n1": [(EGG, 1), (APPLE, 1)],
    "ada\n2": [(BREAD, 0)],
    "bob": [(CHERRY, 1), (KALE, 0)],
}
PROFILES: Mapping[str, Mapping[str, object]] = {"ada": {"AGE": 30.0, "CITY": "Bonn|Ulm"}, "bob": {"CITY": "Ulm"}}


@pytest.fixture(scope="module")
def shop(open_shop: OpenShop) -> Recommender:
    return open_shop(events=EVENTS, profiles=PROFILES)


def passing(shop: Recommender, condition: str, **fields: object) -> set[str]:
    text = f"INCLUDE ItemID WHERE {condition}"
    return set(shop.recommend(Query(n=500, filter=text, **fields)).ids())  # type: ignore[arg-type]  # of any type


def test_all_rows_of_a_user_are_read(shop: Recommender) -> None:
    every = set(shop.recommend(Query(user="ada", n=500)).ids())

    assert passing(shop, 'Interactions.EVENT_TYPE IN ("*")', user="ada") == {"egg", "fig", "apple", "bread"} & every
    assert passing(shop, 'Interactions.EVENT_TYPE IN ("buy")', user="ada") == {"egg", "apple"}
    assert passing(shop, 'Interactions.EVENT_TYPE IN ("VIEW")', user="ada") == {"egg", "fig", "bread"}
    assert passing(shop, 'Interactions.EVENT_TYPE NOT IN ("view")', user="ada") == every - {"egg", "fig", "bread"}
    assert passing(shop, 'Interactions.EVENT_TYPE IN ("buy")', user="bob") == {"cherry"}


@pytest.mark.parametrize("user", ["unknown", "ada\n1"])
def test_an_unknown_user_did_nothing(shop: Recommender, user: str) -> None:
    assert passing(shop, 'Interactions.EVENT_TYPE IN ("*")', user=user) == set()


def test_without_a_user_interactions_match_nothing_and_the_answer_says_so(shop: Recommender) -> None:
    answer = shop.recommend(Query(filter='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'))

    assert answer.items
    assert answer.warnings == ("Interactions matches no item: the request has no user. Send one.",)


def test_a_stored_profile_decides_unless_the_request_sends_a_value(shop: Recommender) -> None:
    condition = "Items.PRICE < 2 IF CurrentUser.AGE > 20"
    cheap = {"egg", "apple", "Grünkohl 🥬"}

    assert passing(shop, condition, user="ada") == cheap
    assert passing(shop, condition, user="ada", profile={"AGE": 20}) > cheap
    assert passing(shop, condition, profile={"AGE": "21"}) <= cheap
    assert passing(shop, 'Items.PRICE < 2 IF CurrentUser.CITY IN ("Ulm")', user="ada") == cheap


def test_a_missing_value_of_a_stored_profile_is_reported(shop: Recommender) -> None:
    answer = shop.recommend(Query(user="bob", filter="INCLUDE ItemID WHERE Items.PRICE < 2 IF CurrentUser.AGE > 20"))

    assert answer.warnings == ("The user has no value in CurrentUser.AGE: send it as profile.AGE.",)


def test_a_release_without_the_tables_refuses_what_it_cannot_know(open_shop: OpenShop) -> None:
    old = open_shop()

    with pytest.raises(
        InvalidRequest, match=r"at character 22.*does not state what its users did; train the model again"
    ):
        passing(old, "Interactions.EVENT_TYPE IN (*)", user="ada")
    with pytest.raises(InvalidRequest, match=r"no value for CurrentUser\.AGE; send it as profile\.AGE"):
        passing(old, "Items.PRICE < 2 IF CurrentUser.AGE > 20", user="ada")
    assert passing(old, "Items.PRICE < 2 IF CurrentUser.AGE > 20", user="ada", profile={"AGE": 30})


def test_a_promotion_and_similar_items_know_the_user_too(shop: Recommender) -> None:
    bought = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")'
    promotion = {"name": "again", "percent": 50, "filter": bought}
    answer = shop.recommend(read_query({"user": "ada", "n": 2, "promotions": [promotion]}, RECOMMEND))
    assert [item.because.source for item in answer.items if item.because] == ["user", "promotion"]
    assert answer.ids()[1] == "egg"

    similar = shop.similar(read_query({"user": "ada", "filter": bought}, SIMILAR, item="bread"))
    assert similar.ids() == ["apple", "egg"]


def test_the_item_in_view_is_compared(shop: Recommender) -> None:
    kind = "INCLUDE ItemID WHERE Items.KIND IN CurrentItem.KIND"

    assert shop.similar(Query(item="cherry", filter=kind)).ids() == ["apple", "fig"]
    answer = shop.recommend(Query(item="no such", filter=kind))
    assert (answer.ids(), answer.warnings) == ([], ("The item in view has no value in CurrentItem.KIND.",))


def test_only_releases_with_such_tables_have_the_new_format(write_shop: Callable[..., Path]) -> None:
    assert read_manifest(write_shop()).format == FORMAT
    for changes in ({"events": EVENTS}, {"profiles": PROFILES}):
        manifest = read_manifest(write_shop(**changes))
        assert manifest.format == USER_DATA_FORMAT
        assert manifest.serving == read_manifest(write_shop(**changes)).serving


def test_the_tables_are_opened_only_for_a_filter_that_asks(write_shop: Callable[..., Path]) -> None:
    folder = write_shop(events=EVENTS, profiles=PROFILES)
    manifest = read_manifest(folder)
    for name in ("interactions", "user-profiles", "profiles"):
        (folder / f"{name}.safetensors").unlink()

    shop = open_tables(folder, manifest.serving)  # type: ignore[arg-type]  # a recommender's

    assert shop.recommend(Query(user="ada", filter="INCLUDE ItemID WHERE Items.PRICE < 2")).items
    for condition in ("Interactions.EVENT_TYPE IN (*)", "Items.PRICE < 2 IF CurrentUser.AGE > 20"):
        with pytest.raises(FileNotFoundError):
            passing(shop, condition, user="ada")


@pytest.mark.parametrize("score", [2.0, 0.5, -1.0])
def test_an_event_type_out_of_range_is_an_error_of_the_table(open_shop: OpenShop, score: float) -> None:
    shop = open_shop(events={"ada": [(EGG, score)]})

    with pytest.raises(InvalidTable, match=r"interactions\.safetensors: a row has the event type"):
        passing(shop, "Interactions.EVENT_TYPE IN (*)", user="ada")
