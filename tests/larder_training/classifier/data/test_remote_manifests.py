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
    return tmp_path / "cache" / "larder" / "images"


@pytest.fixture
def bucket(s3_url: str, own_images: Path) -> Store:
    """A store with the images of the folder under ``pets/``."""
    store = open_store(s3_url)
    for path in sorted(own_images.glob("*/*.png")):
        store.upload(f"pets/{path.relative_to(own_images).as_posix()}", path)
    return store


def identity(scan: DatasetScan) -> set[tuple[str, str, str]]:
    return {(sample.image.name, sample.image.label, sample.digest) for sample in scan.samples}


def test_a_prefix_is_read_like_a_local_folder(bucket: Store, own_images: Path) -> None:
    local = scan_images(read_dataset(own_images), QUIET)
    remote = scan_images(read_dataset(f"{bucket.url}/pets"), QUIET)
    assert identity(remote) == identity(local)
    assert remote.fingerprint() == local.fingerprint()
    assert [sample.group for sample in remote.samples] == [sample.group for sample in local.samples]
    assert identity(scan_images(read_dataset(f"{bucket.url}/pets/"), QUIET)) == identity(local)


def test_folder_markers_hidden_and_loose_objects_are_ignored(bucket: Store) -> None:
    before = read_dataset(f"{bucket.url}/pets").images
    for key in ("pets/rings", "pets/loose.png", "pets/.git/a.png", "pets/rings/.DS_Store", "petshop/cat/a.png"):
        bucket.put(key, b"")
    dataset = read_dataset(f"{bucket.url}/pets")
    assert dataset.images == before
    assert dataset.notes == ("pets: 1 file without a label lies beside the class folders: loose.png",)


def test_bad_objects_are_reported_and_the_others_stay(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("pets/rings/empty.png", b"")
    bucket.put("pets/rings/notes.txt", b"hello")
    bucket.put("pets/stripes/huge.png", bytes(200_000))
    monkeypatch.setattr(image_files, "MAX_BYTES", 100_000)
    listed = read_dataset(f"{bucket.url}/pets")
    bucket.delete("pets/checks/003.png")  # between the listing and the download
    scan = scan_images(listed, QUIET)
    reasons = {image.name: reason for image, reason in scan.bad}
    assert set(reasons) == {"rings/empty.png", "stripes/huge.png", "checks/003.png"}
    assert scan.notes == ("pets: 1 file of other kinds is not used: rings/notes.txt",)
    assert "200000 bytes; the limit is 100000" in reasons["stripes/huge.png"]
    assert "The object pets/checks/003.png does not exist" in reasons["checks/003.png"]
    assert len(scan.samples) == 35


def test_a_version_is_downloaded_once(bucket: Store, own_cache: Path) -> None:
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


def test_an_object_with_several_boxes_is_fetched_once(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["path,label,xmin,ymin,xmax,ymax", "rings/000.png,cat,0,0,9,9", "rings/000.png,dog,5,5,20,20"]
    bucket.put("pets/boxes.csv", "\n".join(rows).encode())
    listed = read_dataset(f"{bucket.url}/pets/boxes.csv", boxes="cut")
    fetch, fetched = image_files.fetch, []

    def counted(url: str) -> Path:
        fetched.append(url)
        return fetch(url)

    monkeypatch.setattr(image_files, "fetch", counted)
    scan = scan_images(listed, QUIET)
    assert [sample.image.label for sample in scan.samples] == ["cat", "dog"]
    assert fetched == [f"{bucket.url}/pets/rings/000.png"]


def test_a_store_error_ends_the_scan(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = read_dataset(f"{bucket.url}/pets")

    def fail(_url: str) -> Path:
        raise StoreError("The store failed: try again in a moment.")

    monkeypatch.setattr(image_files, "fetch", fail)
    with pytest.raises(StoreError):
        scan_images(listed, QUIET)


def test_paths_of_a_manifest_in_s3_are_relative_to_it(bucket: Store) -> None:
    rows = ["path,label,split", "../pets/rings/000.png,ring,train", f"{bucket.url}/pets/checks/001.png,check,test"]
    bucket.put("lists/images.csv", "\n".join(rows).encode())
    images = read_dataset(f"{bucket.url}/lists/images.csv")
    assert [(image.origin, image.label, image.part) for image in images] == [
        (f"{bucket.url}/pets/rings/000.png", "ring", "train"),
        (f"{bucket.url}/pets/checks/001.png", "check", "test"),
    ]
    assert not scan_images(images, QUIET).bad


def test_a_ground_truth_manifest_anywhere_may_list_images_in_s3(bucket: Store, tmp_path: Path) -> None:
    lines = [
        {"source-ref": f"{bucket.url}/pets/{label}/00{n}.png", "kind": 0, "kind-metadata": {"class-name": label}}
        for label in ("rings", "checks")
        for n in range(2)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "output.manifest").write_text(text)
    bucket.put("job/output.manifest", text.encode())
    images = read_dataset(tmp_path / "output.manifest")
    assert images == read_dataset(f"{bucket.url}/job/output.manifest")
    assert len(scan_images(images, QUIET).samples) == 4


@pytest.mark.parametrize("name", ["/etc/passwd", "../../other.png", "https://host/a.png", "s3://bucket"])
def test_a_manifest_in_s3_may_list_only_objects_in_s3(s3_url: str, name: str) -> None:
    open_store(s3_url).put("lists/images.csv", f"path,label\n{name},cat\na.png,dog".encode())
    with pytest.raises(InvalidRequest, match=r"not in S3|not of the form s3://bucket/key"):
        read_dataset(f"{s3_url}/lists/images.csv")


def test_a_missing_prefix_or_manifest_is_an_error(s3_url: str) -> None:
    with pytest.raises(InvalidRequest, match="has 0 images of 0 classes"):
        read_dataset(f"{s3_url}/nothing")
    with pytest.raises(MissingObject, match=r"The object images.csv does not exist"):
        read_dataset(f"{s3_url}/images.csv")


def test_local_images_have_no_origin(own_images: Path) -> None:
    first = read_dataset(str(own_images))[0]
    assert first == LabelledImage(own_images / first.name, first.name, "checks")


def test_commands_take_a_prefix_in_s3(bucket: Store) -> None:
    result = CliRunner().invoke(
        cli, ["audit", "classifier", f"{bucket.url}/pets", "--no-cache", "--json", "--backbone", "none"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["photos"] == 36


@pytest.mark.parametrize("name", ["ä b.png", "50%25 [1]+~'.png", "a#b?c&d=e.png", "ohne-endung"])
def test_any_object_name_is_read(bucket: Store, name: str) -> None:
    before = {image.name for image in read_dataset(f"{bucket.url}/pets")}
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.put_object(Bucket=bucket.url.removeprefix("s3://"), Key=f"pets/rings/{name}", Body=b"not an image")
    (added,) = [image for image in read_dataset(f"{bucket.url}/pets") if image.name not in before]
    assert added.name == f"rings/{name}"
    assert image_files.fetch(added.origin or "").read_bytes() == b"not an image"
