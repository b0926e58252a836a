import json
import os
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from larder.errors import InvalidRequest, MissingObject, StoreError
from larder.store import Store, open_store
from larder_local.cli import cli
from larder_training.classifier.data.manifests import LabelledImage, read_dataset
from larder_training.classifier.data.scan import DatasetScan, scan_images
from larder_training.io import image_files
from larder_training.reporting.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "larder" / "photos"


@pytest.fixture
def bucket(s3_url: str, own_photos: Path) -> Store:
    """The photos of the folder under ``pets/``, as they would be after an upload."""
    store = open_store(s3_url)
    for path in sorted(own_photos.glob("*/*.png")):
        store.upload(f"pets/{path.relative_to(own_photos).as_posix()}", path)
    return store


def seen(found: DatasetScan) -> set[tuple[str, str, str]]:
    return {(checked.image.name, checked.image.label, checked.digest) for checked in found.samples}


def test_a_prefix_reads_as_the_same_folder_does(bucket: Store, own_photos: Path) -> None:
    here = scan_images(read_dataset(own_photos), QUIET)
    there = scan_images(read_dataset(f"{bucket.url}/pets"), QUIET)
    assert seen(there) == seen(here)
    assert there.fingerprint() == here.fingerprint()
    assert [checked.group for checked in there.samples] == [checked.group for checked in here.samples]
    assert seen(scan_images(read_dataset(f"{bucket.url}/pets/"), QUIET)) == seen(here)


def test_markers_of_folders_hidden_and_loose_objects_are_not_seen(bucket: Store) -> None:
    before = read_dataset(f"{bucket.url}/pets")
    for key in ("pets/rings", "pets/loose.png", "pets/.git/a.png", "pets/rings/.DS_Store", "petshop/cat/a.png"):
        bucket.put(key, b"")
    assert read_dataset(f"{bucket.url}/pets") == before


def test_bad_objects_are_listed_and_the_others_stay(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("pets/rings/empty.png", b"")
    bucket.put("pets/rings/notes.txt", b"hello")
    bucket.put("pets/stripes/huge.png", bytes(200_000))
    monkeypatch.setattr(image_files, "MAX_BYTES", 100_000)
    listed = read_dataset(f"{bucket.url}/pets")
    bucket.delete("pets/checks/003.png")  # between the listing and the fetch
    found = scan_images(listed, QUIET)
    reasons = {photo.name: reason for photo, reason in found.bad}
    assert set(reasons) == {"rings/empty.png", "rings/notes.txt", "stripes/huge.png", "checks/003.png"}
    assert "200000 bytes; the limit is 100000" in reasons["stripes/huge.png"]
    assert "The object pets/checks/003.png does not exist" in reasons["checks/003.png"]
    assert len(found.samples) == 35


def test_what_is_here_already_is_not_sent_again_and_a_new_version_is(bucket: Store, own_cache: Path) -> None:
    url = f"{bucket.url}/pets/rings/000.png"
    first = image_files.fetch(url)
    written = first.stat().st_mtime_ns
    assert first.is_relative_to(own_cache)
    assert image_files.fetch(url) == first
    assert first.stat().st_mtime_ns == written
    bucket.put("pets/rings/000.png", b"another version")
    second = image_files.fetch(url)
    assert second.read_bytes() == b"another version"
    assert list(second.parent.iterdir()) == [second]


def test_a_store_that_fails_ends_the_scan_in_place_of_losing_photos(
    bucket: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = read_dataset(f"{bucket.url}/pets")

    def fail(_url: str) -> Path:
        raise StoreError("The store failed: try again in a moment.")

    monkeypatch.setattr(image_files, "fetch", fail)
    with pytest.raises(StoreError):
        scan_images(listed, QUIET)


def test_a_manifest_in_s3_names_photos_from_where_it_lies(bucket: Store) -> None:
    rows = ["path,label,split", "../pets/rings/000.png,ring,train", f"{bucket.url}/pets/checks/001.png,check,test"]
    bucket.put("lists/photos.csv", "\n".join(rows).encode())
    found = read_dataset(f"{bucket.url}/lists/photos.csv")
    assert [(photo.origin, photo.label, photo.part) for photo in found] == [
        (f"{bucket.url}/pets/rings/000.png", "ring", "train"),
        (f"{bucket.url}/pets/checks/001.png", "check", "test"),
    ]
    assert not scan_images(found, QUIET).bad


def test_ground_truth_names_photos_in_s3_wherever_it_lies(bucket: Store, tmp_path: Path) -> None:
    lines = [
        {"source-ref": f"{bucket.url}/pets/{label}/00{n}.png", "kind": 0, "kind-metadata": {"class-name": label}}
        for label in ("rings", "checks")
        for n in range(2)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "output.manifest").write_text(text)
    bucket.put("job/output.manifest", text.encode())
    here = read_dataset(tmp_path / "output.manifest")
    assert here == read_dataset(f"{bucket.url}/job/output.manifest")
    assert len(scan_images(here, QUIET).samples) == 4


@pytest.mark.parametrize("name", ["/etc/passwd", "../../other.png", "https://host/a.png", "s3://bucket"])
def test_a_manifest_in_s3_cannot_name_what_is_not_in_s3(s3_url: str, name: str) -> None:
    open_store(s3_url).put("lists/photos.csv", f"path,label\n{name},cat\na.png,dog".encode())
    with pytest.raises(InvalidRequest, match=r"not in S3|not of the form s3://bucket/key"):
        read_dataset(f"{s3_url}/lists/photos.csv")


def test_a_prefix_or_manifest_that_is_not_there_is_told(s3_url: str) -> None:
    with pytest.raises(InvalidRequest, match="holds 0 photos of 0 classes"):
        read_dataset(f"{s3_url}/nothing")
    with pytest.raises(MissingObject, match=r"The object photos.csv does not exist"):
        read_dataset(f"{s3_url}/photos.csv")


def test_local_photos_stay_as_they_are(own_photos: Path) -> None:
    found = read_dataset(str(own_photos))
    assert found[0] == LabelledImage(own_photos / found[0].name, found[0].name, "checks")


def test_commands_take_a_prefix_in_s3(bucket: Store) -> None:
    result = CliRunner().invoke(cli, ["audit", "classifier", f"{bucket.url}/pets", "--no-cache", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["photos"] == 36


@pytest.mark.parametrize("name", ["ä b.png", "50%25 [1]+~'.png", "a#b?c&d=e.png", "ohne-endung"])
def test_names_of_any_kind_are_found_again(bucket: Store, name: str) -> None:
    before = {photo.name for photo in read_dataset(f"{bucket.url}/pets")}
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.put_object(Bucket=bucket.url.removeprefix("s3://"), Key=f"pets/rings/{name}", Body=b"no photo")
    (fresh,) = [photo for photo in read_dataset(f"{bucket.url}/pets") if photo.name not in before]
    assert fresh.name == f"rings/{name}"
    assert image_files.fetch(fresh.origin or "").read_bytes() == b"no photo"
