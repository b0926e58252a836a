"""A release folder is complete or absent, and its content decides the name."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from larder.errors import InvalidManifest
from larder.release import manifest as manifests
from larder.release.manifest import Manifest
from larder.release.serving import ClassifierServing
from larder_training.release.writer import Content, provenance, write_release

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(parent: Path, manifest: Manifest, content: bytes, files: Mapping[str, Content] | None = None) -> Path:
    return write_release(
        parent,
        model=manifest.model,
        kind=manifest.kind,
        serving=manifest.serving,
        files={"model.onnx": content} if files is None else files,
        evaluation={"accuracy": 0.5},
        training=provenance(7),
        structure={},
        created=WHEN,
    )


def test_the_manifest_describes_the_files(tmp_path: Path, classifier_manifest: Manifest) -> None:
    (tmp_path / "big").write_bytes(b"12345")
    folder = write(tmp_path / "out", classifier_manifest, b"", {"model.onnx": b"abc", "report.html": tmp_path / "big"})
    read = manifests.parse((folder / "manifest.json").read_bytes())
    assert folder.name == read.release
    assert read.release.startswith("20260102t030405z-")
    assert read.created == "2026-01-02T03:04:05Z"
    assert {name: entry.bytes for name, entry in read.files.items()} == {"model.onnx": 3, "report.html": 5}
    assert read.files["model.onnx"].sha256 == sha256(b"abc").hexdigest()
    assert read.training["seed"] == 7
    assert (folder / "report.html").read_bytes() == b"12345"


def test_the_name_depends_on_the_content(tmp_path: Path, classifier_manifest: Manifest) -> None:
    one, same, other = (
        write(tmp_path / str(n), classifier_manifest, data) for n, data in enumerate((b"a", b"a", b"b"))
    )
    assert one.name == same.name != other.name


def test_the_same_content_in_the_same_second_is_one_release(tmp_path: Path, classifier_manifest: Manifest) -> None:
    first, second = (write(tmp_path, classifier_manifest, b"a") for _ in range(2))
    assert first == second
    assert list(tmp_path.iterdir()) == [first]


def test_the_name_depends_on_the_serving_section_too(tmp_path: Path, classifier_manifest: Manifest) -> None:
    serving = classifier_manifest.serving
    assert isinstance(serving, ClassifierServing)
    stricter = replace(classifier_manifest, serving=replace(serving, thresholds=(0.9, 0.9)))
    assert write(tmp_path, classifier_manifest, b"a").name != write(tmp_path, stricter, b"a").name


def test_a_file_can_be_made_from_the_manifest_and_does_not_change_the_name(
    tmp_path: Path, classifier_manifest: Manifest
) -> None:
    def report(manifest: Manifest) -> bytes:
        return f"{manifest.release} of {sorted(manifest.files)}".encode()

    files: dict[str, Content] = {"model.onnx": b"a", "report.html": report}
    folder = write(tmp_path / "with", classifier_manifest, b"", files)
    assert (folder / "report.html").read_text() == f"{folder.name} of ['model.onnx']"
    assert set(manifests.parse((folder / "manifest.json").read_bytes()).files) == {"model.onnx", "report.html"}
    assert write(tmp_path / "without", classifier_manifest, b"a").name == folder.name


def test_an_invalid_release_leaves_no_files(tmp_path: Path, classifier_manifest: Manifest) -> None:
    with pytest.raises(InvalidManifest):
        write(tmp_path, replace(classifier_manifest, model="../x"), b"a")
    with pytest.raises(FileNotFoundError):
        write(tmp_path, classifier_manifest, b"", {"model.onnx": tmp_path / "missing"})
    assert list(tmp_path.iterdir()) == []
