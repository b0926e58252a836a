"""ReleaseFiles and the disk cache: correct bytes or an error, shared by processes, up to a limit."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from larder.errors import ReleaseError
from larder.host import DiskCache, ReleaseFiles
from larder.release import manifest
from larder.release.keys import MANIFEST, file_key
from larder.release.manifest import FileEntry, Manifest
from larder.store import Store, StoreReader, open_store
from larder.tables import MappedFile

DATA = bytes(range(256)) * 8192  # 2 MiB: several chunks
NAME = "model.onnx"

Release = Callable[..., Manifest]

OPEN = """
import pathlib, sys
from larder.release import manifest
from larder.host import DiskCache, ReleaseFiles
from larder.release.keys import MANIFEST, file_key
from larder.store import open_store
store, cache = open_store(sys.argv[1]), DiskCache(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
release_manifest = manifest.parse(store.get(file_key("pets", sys.argv[4], MANIFEST)).data)
files = ReleaseFiles(store, release_manifest, cache)
sys.stdin.readline()
path = files.path("model.onnx")
print(len(path.read_bytes()), flush=True)
sys.stdin.readline()
print(len(path.read_bytes()), flush=True)
"""


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", 10 * len(DATA))


@pytest.fixture
def add(classifier_manifest: Manifest) -> Release:
    """Writes a release with one file, ``data``, to a store; its manifest states ``stated``."""

    def put(store: Store, release: str = "r1", data: bytes = DATA, stated: bytes = DATA) -> Manifest:
        entry = FileEntry(len(stated), hashlib.sha256(stated).hexdigest())
        release_manifest = replace(classifier_manifest, release=release, files={NAME: entry})
        store.put(file_key("pets", release, NAME), data)
        store.put(file_key("pets", release, MANIFEST), manifest.dump(release_manifest))
        return release_manifest

    return put


def cached(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.glob("cache/*/*/*") if path.name != ".hold")


def test_a_remote_file_is_downloaded_once(s3_url: str, add: Release, cache: DiskCache, tmp_path: Path) -> None:
    store = open_store(s3_url)
    files = ReleaseFiles(store, add(store), cache)
    path = files.path(NAME)
    assert path == tmp_path / "cache" / "pets" / "r1" / NAME
    assert path.read_bytes() == DATA
    store.delete(file_key("pets", "r1", NAME))
    assert files.path(NAME) == path
    assert ReleaseFiles(store, files.manifest, cache).path(NAME) == path
    assert cached(tmp_path) == [f"cache/pets/r1/{NAME}"]


def test_a_file_of_a_folder_is_read_in_place(add: Release, cache: DiskCache, tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    files = ReleaseFiles(store, add(store), cache)
    assert files.path(NAME) == tmp_path / "store" / "models" / "pets" / "releases" / "r1" / NAME
    assert isinstance(files.reader(NAME), MappedFile)
    files.close()
    assert not (tmp_path / "cache").exists()


def test_a_reader_reads_from_the_store_until_the_file_is_downloaded(add: Release, cache: DiskCache) -> None:
    store = open_store("memory://")
    files = ReleaseFiles(store, add(store), cache)
    reader = files.reader(NAME)
    assert isinstance(reader, StoreReader)
    assert (bytes(reader.read(5, 3)), reader.size, reader.round_trips) == (DATA[5:8], len(DATA), 1)
    files.path(NAME)
    mapped = files.reader(NAME)
    assert isinstance(mapped, MappedFile)
    assert bytes(mapped.read(5, 3)) == DATA[5:8]


@pytest.mark.parametrize(
    "data",
    [DATA[:-1] + b"!", DATA[:-1], DATA + b"!", b"", DATA * 2],
    ids=["flipped", "truncated", "longer", "empty", "twice"],
)
@pytest.mark.parametrize("url", ["memory://", "file://{}/store"])
def test_bytes_that_differ_from_the_manifest_are_refused(
    url: str, data: bytes, add: Release, cache: DiskCache, tmp_path: Path
) -> None:
    store = open_store(url.format(tmp_path))
    files = ReleaseFiles(store, add(store, data=data), cache)
    for _ in range(2):
        with pytest.raises(ReleaseError, match=r"model\.onnx of release r1 differs from its manifest"):
            files.path(NAME)
    assert cached(tmp_path) == []


def test_a_damaged_cached_file_is_replaced(add: Release, cache: DiskCache) -> None:
    store = open_store("memory://")
    release_manifest = add(store)
    path = ReleaseFiles(store, release_manifest, cache).path(NAME)
    for bad in (DATA[:-1] + b"!", DATA[:100]):
        path.write_bytes(bad)
        assert ReleaseFiles(store, release_manifest, cache).path(NAME).read_bytes() == DATA


def test_a_file_that_the_manifest_does_not_list(add: Release, cache: DiskCache) -> None:
    store = open_store("memory://")
    files = ReleaseFiles(store, add(store), cache)
    for name in ("probes.safetensors", "../r2/model.onnx", ""):
        with pytest.raises(ReleaseError, match="has no file"):
            files.path(name)
        with pytest.raises(ReleaseError, match="has no file"):
            files.reader(name)


def test_the_least_recently_used_release_is_evicted(add: Release, tmp_path: Path) -> None:
    store, cache = open_store("memory://"), DiskCache(tmp_path / "cache", 2 * len(DATA) + 100)
    for number, release in enumerate(("r1", "r2")):
        files = ReleaseFiles(store, add(store, release), cache)
        hold = files.path(NAME).with_name(".hold")
        files.close()
        os.utime(hold, (number, number))
    ReleaseFiles(store, add(store, "r3"), cache).path(NAME)
    assert cached(tmp_path) == [f"cache/pets/r2/{NAME}", f"cache/pets/r3/{NAME}"]


def test_a_release_in_use_is_not_evicted_and_a_freed_one_is(add: Release, tmp_path: Path) -> None:
    store, cache = open_store("memory://"), DiskCache(tmp_path / "cache", len(DATA) + 100)
    first = ReleaseFiles(store, add(store, "r1"), cache)
    first.path(NAME)
    mapped = first.reader(NAME)
    second = ReleaseFiles(store, add(store, "r2"), cache)
    second.path(NAME)
    assert len(cached(tmp_path)) == 2  # over the limit, since both are in use
    del first  # without close
    ReleaseFiles(store, add(store, "r3"), cache).path(NAME)
    assert cached(tmp_path) == [f"cache/pets/r2/{NAME}", f"cache/pets/r3/{NAME}"]
    assert bytes(mapped.read(0, len(DATA))) == DATA  # the map stays readable


def in_processes(count: int, arguments: list[str]) -> list["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", OPEN, *arguments]
    return [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # our script
        for _ in range(count)
    ]


def step(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_processes_share_a_cache(add: Release, s3_url: str, tmp_path: Path) -> None:
    """GIVEN processes that use one release WHEN another does not fit into the cache THEN all continue."""
    store = open_store(s3_url)
    add(store, "r1")
    release_manifest = add(store, "r2")
    limit = len(DATA) + 100
    processes = in_processes(3, [s3_url, str(tmp_path / "cache"), str(limit), "r1"])
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(step, processes)) == [b"%d\n" % len(DATA)] * 3
    assert cached(tmp_path) == [f"cache/pets/r1/{NAME}"]
    ReleaseFiles(store, release_manifest, DiskCache(tmp_path / "cache", limit)).path(NAME)
    assert [step(process) for process in processes] == [b"%d\n" % len(DATA)] * 3  # held, so not evicted
    for process in processes:
        process.communicate(timeout=30)
        assert process.returncode == 0
    ReleaseFiles(store, release_manifest, DiskCache(tmp_path / "cache", limit)).path(NAME)
    DiskCache(tmp_path / "cache", limit).make_room(1)
    assert f"cache/pets/r1/{NAME}" not in cached(tmp_path)  # their holds ended with them


def test_concurrent_eviction_never_removes_a_held_folder(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 0)

    def use(number: int) -> None:
        for _ in range(100):
            hold = cache.hold("pets", "r1")
            file = hold.folder / f"file-{number}"
            if not file.exists():
                file.write_bytes(b"1")
            assert file.read_bytes() == b"1"
            hold.close()

    def evict(_: int) -> None:
        for _ in range(300):
            cache.make_room(1)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(use, number) for number in range(3)] + [pool.submit(evict, 3)]:
            done.result(60)


def test_a_folder_that_is_evicted_while_it_is_created_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, folder = DiskCache(tmp_path / "cache", 0), tmp_path / "cache" / "pets" / "r1"
    folder.mkdir(parents=True)
    mkdir = os.mkdir

    def late(path: Path, mode: int = 0o777) -> None:
        try:
            mkdir(path, mode)
        except FileExistsError:
            folder.rmdir()
            raise

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", late)
        hold = cache.hold("pets", "r1")
    assert hold.folder.is_dir()
    hold.close()

    (tmp_path / "cache" / "pets" / "r2").write_bytes(b"")
    with pytest.raises(FileExistsError):
        cache.hold("pets", "r2")
