"""Which places a channel of a training job may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from larder.errors import InvalidRequest
from larder.jobs.channels import S3Place, StorePlace, check_channels, place


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/", S3Place("bucket", "")),
        ("s3://my.bucket-1/a b/ü.csv", S3Place("my.bucket-1", "a b/ü.csv")),
        ("training-data/pets/", StorePlace("training-data/pets/")),
        ("training-data/pets/new/cat/1.jpg", StorePlace("training-data/pets/new/cat/1.jpg")),
        ("logs/pets/events/", StorePlace("logs/pets/events/")),
    ],
)
def test_data_of_the_model_and_buckets_are_places(uri: str, expected: S3Place | StorePlace) -> None:
    assert place("pets", uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/etc/passwd",
        "images",
        "file:///etc",
        "https://host/x",
        "s3://b",
        "s3://UPPER/x",
        "keys/keys.json",
        "training-data/shop/",
        "training-data/pets",
        "training-data/pets/../shop/",
        "training-data/pets/./x",
        "training-data/pets//x",
        "logs/pets-2/",
        "models/pets/releases/",
        "training-data/pets/\n",
    ],
)
def test_other_places_are_refused(uri: str) -> None:
    with pytest.raises(InvalidRequest, match="give s3://bucket/prefix/, training-data/pets/ or logs/pets/"):
        place("pets", uri)


@given(uri=st.text())
def test_a_place_of_the_store_never_leaves_the_data_of_its_model(uri: str) -> None:
    for text in (uri, f"training-data/pets/{uri}"):
        try:
            found = place("pets", text)
        except InvalidRequest:
            continue
        if isinstance(found, StorePlace):
            assert found.key.startswith(("training-data/pets/", "logs/pets/"))
            assert ".." not in found.key.split("/")


def test_every_problem_of_the_channels_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_channels("pets", "classifier", {"training": "/a", "train": "s3://bucket/x/", "items": "s3://bucket/y/"})
    message = str(caught.value)
    assert "Channel 'training': '/a' is not a place" in message
    assert "Channel 'items' is unknown: a classifier reads train, validation, test, backbone, model." in message
    assert "there is both of them" in message
    with pytest.raises(InvalidRequest, match="there is none of them"):
        check_channels("shop", "recommender", {})
    check_channels("shop", "recommender", {"interactions": "logs/shop/events/", "users": "s3://bucket/users/"})
