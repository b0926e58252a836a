"""Images by bucket and key: only the store's own bucket and prefix, and in it only uploads/."""

from pathlib import Path

import pytest
from tests.conftest import S3

from larder.compat.stored_images import Bucket, read_image
from larder.errors import InvalidRequest, NotFound, TooLarge
from larder.store import open_store


@pytest.mark.parametrize("prefix", ["", "team/models"])
def test_keys_of_a_bucket_have_the_prefix_of_the_store(s3: S3, prefix: str) -> None:
    store = open_store(f"s3://{s3.bucket}/{prefix}".rstrip("/"))
    store.put("uploads/a/cat.jpg", b"an image")
    folder = f"{prefix}/" if prefix else ""
    assert Bucket.of(store) == Bucket(s3.bucket, folder)
    assert read_image(store, s3.bucket, f"{folder}uploads/a/cat.jpg") == b"an image"
    if prefix:
        with pytest.raises(InvalidRequest, match="not in the folder of this service"):
            read_image(store, s3.bucket, "uploads/a/cat.jpg")


def test_another_bucket_or_folder_is_refused_without_a_look(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    store.put("models/live.json", b"{}")
    with pytest.raises(InvalidRequest, match="not the bucket of this service"):
        read_image(store, "elsewhere", "uploads/cat.jpg")
    for key in ("models/live.json", "uploads/../models/live.json", "/uploads/cat.jpg", "uploads", ""):
        with pytest.raises(InvalidRequest, match="under uploads/"):
            read_image(store, "larder", key)
    with pytest.raises(NotFound):
        read_image(store, "larder", "uploads/none.jpg")


def test_an_image_over_20_mb_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    with (tmp_path / "uploads/huge.jpg").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(TooLarge, match="20000001"):
        read_image(open_store(tmp_path.as_uri()), "larder", "uploads/huge.jpg")
