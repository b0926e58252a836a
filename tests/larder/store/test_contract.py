"""The contract of all stores. To test another store, add a class of three lines at the end."""

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from larder.errors import Conflict, InvalidRequest, MissingObject, StoreError
from larder.store import Blob, Entry, Store, StoreReader, open_store

HOSTILE_KEYS = ["", "/", "/a", "a/", "a//b", "..", "../x", "a/../../x", "a/./b", "a\nb", "a\0b", "x" * 1025]


def run_together(count: int, work: Callable[[int], None]) -> None:
    barrier = threading.Barrier(count)

    def wait_and_work(number: int) -> None:
        barrier.wait()
        work(number)

    threads = [threading.Thread(target=wait_and_work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Contract:
    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    def test_put_then_get_gives_the_same_bytes_and_etag(self, store: Store) -> None:
        etag = store.put("a/b.txt", b"0123456789")
        assert store.get("a/b.txt") == Blob(b"0123456789", etag)
        assert etag
        assert store.size("a/b.txt") == 10
        assert type(store.get("a/b.txt").data) is bytes

    def test_an_object_may_be_empty(self, store: Store) -> None:
        store.put("empty", b"")
        assert store.get("empty").data == b""
        assert list(store.stream("empty")) in ([], [b""])

    def test_put_replaces(self, store: Store) -> None:
        first = store.put("k", b"1")
        assert store.put("k", b"2") != first
        assert store.get("k").data == b"2"

    def test_get_if_changed(self, store: Store) -> None:
        etag = store.put("k", b"old")
        assert store.get_if_changed("k", etag) is None
        assert store.get_if_changed("k", "") == store.get("k")
        newer = store.put("k", b"new")
        assert store.get_if_changed("k", etag) == Blob(b"new", newer)

    def test_versions_of_the_same_size_written_quickly_have_distinct_etags(self, store: Store) -> None:
        """The clock of a file system ticks more slowly than this loop writes."""
        etags = [store.put("k", f"{number:03d}".encode()) for number in range(50)]
        assert len(set(etags)) == 50
        assert store.get_if_changed("k", etags[-1]) is None
        for stale in etags[:-1]:
            assert store.get_if_changed("k", stale) is not None
            with pytest.raises(Conflict, match="read it again"):
                store.put("k", b"999", etag=stale)
        assert store.get("k").data == b"049"

    def test_compare_and_swap(self, store: Store) -> None:
        etag = store.put("live.json", b"1")
        newer = store.put("live.json", b"2", etag=etag)
        with pytest.raises(Conflict):
            store.put("live.json", b"3", etag=etag)
        assert store.get("live.json") == Blob(b"2", newer)

    def test_compare_and_swap_of_a_missing_object_is_a_conflict_and_writes_nothing(self, store: Store) -> None:
        etag = store.put("k", b"1")
        store.delete("k")
        with pytest.raises(Conflict):
            store.put("k", b"2", etag=etag)
        with pytest.raises(MissingObject):
            store.get("k")

    def test_create_never_replaces(self, store: Store) -> None:
        store.put("k", b"1", create=True)
        with pytest.raises(Conflict):
            store.put("k", b"1", create=True)

    def test_one_of_thirty_creators_wins(self, store: Store) -> None:
        winners: list[int] = []

        def create(number: int) -> None:
            try:
                store.put("race", str(number).encode(), create=True)
            except Conflict:
                return
            winners.append(number)

        run_together(30, create)
        assert len(winners) == 1
        assert store.get("race").data == str(winners[0]).encode()

    def test_a_counter_by_compare_and_swap_is_exact(self, store: Store) -> None:
        store.put("counter", b"0")

        def count(_: int) -> None:
            for _ in range(10):
                increment(store, "counter")

        run_together(6, count)
        assert store.get("counter").data == b"60"

    @pytest.mark.parametrize("key", ["nothing", "folder/nothing", "folder"])
    def test_a_missing_object(self, store: Store, tmp_path: Path, key: str) -> None:
        store.put("folder/file", b"1")
        reads: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.get_if_changed(key, '"0"'),
            lambda: store.get_ranges(key, [(0, 1)]),
            lambda: list(store.stream(key)),
            lambda: store.size(key),
            lambda: store.download(key, tmp_path / "file"),
        ]
        for read in reads:
            with pytest.raises(MissingObject, match=key) as caught:
                read()
            assert str(tmp_path) not in str(caught.value)
        assert list(tmp_path.iterdir()) in ([], [tmp_path / "store"])

    @pytest.mark.parametrize("key", HOSTILE_KEYS)
    def test_an_invalid_key_is_refused_before_any_request(self, store: Store, tmp_path: Path, key: str) -> None:
        (tmp_path / "local").write_bytes(b"1")
        calls: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.put(key, b"1"),
            lambda: store.put(key, b"1", create=True),
            lambda: store.size(key),
            lambda: store.get_ranges(key, [(0, 1)]),
            lambda: store.upload(key, tmp_path / "local"),
            lambda: store.download(key, tmp_path / "copy"),
            lambda: store.delete(key),
            lambda: store.local_path(key),
        ]
        for call in calls:
            with pytest.raises(InvalidRequest, match="is not a key"):
                call()
        assert list(store.list()) == []

    def test_ranges_are_returned_in_order_near_or_far(self, store: Store) -> None:
        data = os.urandom(3 * 2**20)
        store.put("table", data)
        ranges = [(2**21 + 7, 300), (0, 8), (8, 8), (2**20, 0), (len(data) - 5, 5)]
        assert store.get_ranges("table", ranges) == [data[start : start + length] for start, length in ranges]
        assert store.get_ranges("table", []) == []

    @pytest.mark.parametrize("start", [5, 10, 100])
    def test_a_range_past_the_end_is_an_error(self, store: Store, start: int) -> None:
        store.put("k", b"0123456789")
        with pytest.raises(StoreError, match="k"):
            store.get_ranges("k", [(0, 2), (start, 7)])

    def test_a_reader_counts_its_round_trips(self, store: Store) -> None:
        store.put("k", b"0123456789")
        reader = StoreReader(store, "k", size=10)
        assert reader.read(2, 3) == b"234"
        assert reader.read_many([(0, 1), (9, 1)]) == [b"0", b"9"]
        assert (reader.size, reader.round_trips) == (10, 2)
        unsized = StoreReader(store, "k")
        assert (unsized.size, unsized.size, unsized.round_trips) == (10, 10, 1)

    def test_upload_stream_and_download_of_a_file_with_several_parts(self, store: Store, tmp_path: Path) -> None:
        data = os.urandom(6 * 2**20 + 11)
        (tmp_path / "source").write_bytes(data)
        store.upload("models/m/table", tmp_path / "source")
        assert b"".join(store.stream("models/m/table")) == data
        assert store.sha256("models/m/table") == sha256(data).hexdigest()
        store.download("models/m/table", tmp_path / "new" / "copy")
        assert (tmp_path / "new" / "copy").read_bytes() == data
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy"]

    def test_upload_of_a_missing_file(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="nothing is not a file"):
            store.upload("k", tmp_path / "nothing")

    def test_listing(self, store: Store) -> None:
        for key in ("models/b/live.json", "models/a/releases/1/x", "models/a/releases/2/x", "models/ab/y", "top"):
            store.put(key, b"123")
        assert store.folders("models/") == store.folders("models") == ["a", "ab", "b"]
        assert store.folders("models/a/releases/") == ["1", "2"]
        assert store.folders() == ["models"]
        assert store.folders("models/nothing/") == []
        entries = sorted(store.list("models/a"), key=lambda entry: entry.key)
        assert entries == [Entry("models/a/releases/1/x", 3), Entry("models/a/releases/2/x", 3)]
        assert list(store.list("models/nothing")) == []
        assert max(entry.key for entry in store.list()) == "top"
        assert len(list(store.list())) == 5

    def test_a_folder_disappears_with_its_last_object_and_deleting_twice_is_not_an_error(self, store: Store) -> None:
        store.put("models/a/x", b"1")
        for _ in range(2):
            store.delete("models/a/x")
        assert store.folders("models") == []
        assert list(store.list()) == []


def increment(store: Store, key: str) -> None:
    while True:
        blob = store.get(key)
        try:
            store.put(key, str(int(blob.data) + 1).encode(), etag=blob.etag)
        except Conflict:
            continue
        return


class TestFolder(Contract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return open_store(f"file://{tmp_path}/store")


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> Store:
        return open_store("memory://")


class TestS3(Contract):
    @pytest.fixture
    def store(self, s3_url: str) -> Store:
        return open_store(s3_url)


class TestS3UnderAPrefix(Contract):
    @pytest.fixture
    def store(self, s3_url: str) -> Store:
        return open_store(f"{s3_url}/team/larder/")
