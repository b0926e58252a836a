"""``model.tar.gz``: the output of a training job, and archives that would do harm."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from larder.errors import InvalidRequest
from larder.release import archive as archives
from larder.release.archive import unpack
from larder.release.keys import MANIFEST

Add = Callable[[tarfile.TarFile], None]


def add(name: str, content: bytes = b"{}", kind: bytes = tarfile.REGTYPE, link: str = "") -> Add:
    """Adds a member with this name, content and kind."""

    def to(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.linkname = len(content), kind, link
        tar.addfile(member, io.BytesIO(content))

    return to


def pack(path: Path, *members: Add) -> Path:
    with tarfile.open(path / "model.tar.gz", "w:gz") as tar:
        for member in members:
            member(tar)
    return path / "model.tar.gz"


def test_files_are_unpacked_also_below_a_dot(tmp_path: Path) -> None:
    for number, prefix in enumerate(("", "./")):
        dot = [add("./", b"", tarfile.DIRTYPE)] if prefix else []
        archive = pack(tmp_path, *dot, add(f"{prefix}{MANIFEST}"), add(f"{prefix}model.onnx", b"graph"))
        folder = unpack(archive, tmp_path / str(number))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {MANIFEST: b"{}", "model.onnx": b"graph"}


@pytest.mark.parametrize(
    "member",
    [
        add("../escaped"),
        add("/tmp/escaped"),  # noqa: S108  # the name of a member
        add(".."),
        add("nested/model.onnx"),
        add("nested", b"", tarfile.DIRTYPE),
        add("link", b"", tarfile.SYMTYPE, "/etc/passwd"),
        add("link", b"", tarfile.LNKTYPE, MANIFEST),
        add("pipe", b"", tarfile.FIFOTYPE),
        add("device", b"", tarfile.CHRTYPE),
    ],
    ids=["parent", "absolute", "two dots", "in a folder", "folder", "symbolic link", "hard link", "pipe", "device"],
)
def test_anything_but_files_at_the_top_is_refused(member: Add, tmp_path: Path) -> None:
    archive = pack(tmp_path, add(MANIFEST), member)
    with pytest.raises(InvalidRequest, match=r"is not a file at its top\. Give the output of a training"):
        unpack(archive, tmp_path / "deep/er")
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == [MANIFEST]
    assert {path.name for path in tmp_path.iterdir()} == {"model.tar.gz", "deep"}


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = tarfile.TarInfo("bomb")
    header.size = archives.MOST_BYTES + 1
    with gzip.open(tmp_path / "model.tar.gz", "wb") as file:
        file.write(header.tobuf())  # its content is never read
    with pytest.raises(InvalidRequest, match=f"more than {archives.MOST_BYTES} bytes"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "out")
    archive = pack(tmp_path, *(add(f"{number}") for number in range(101)))
    with pytest.raises(InvalidRequest, match="or 100 files"):
        unpack(archive, tmp_path / "many")


def test_a_damaged_archive_and_one_without_a_release_are_named(tmp_path: Path) -> None:
    archive = pack(tmp_path, add(MANIFEST), add("model.onnx", bytes(range(256)) * 99))
    content = archive.read_bytes()
    for damaged in (b"", b"no archive", content[:-40], content[:60] + b"\xff" * 20 + content[80:]):
        archive.write_bytes(damaged)
        with pytest.raises(InvalidRequest, match=r"model\.tar\.gz cannot be unpacked .*: copy it again"):
            unpack(archive, tmp_path / "out")
    with pytest.raises(InvalidRequest, match=r"has no manifest\.json: give the output of a training"):
        unpack(pack(tmp_path, add("model.onnx")), tmp_path / "other")
