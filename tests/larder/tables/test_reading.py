"""Readers: a local file and its end, S3 and its round trips, an interpreter without packages."""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import larder
from larder.errors import InvalidTable
from larder.store import StoreReader, open_store
from larder.tables import DenseTable, KeyedTable, MappedFile
from larder.tables.reader import COPIED_BYTES
from larder_training.release.tables import write_dense, write_keyed


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that is large enough to be mapped."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (COPIED_BYTES // 128))
    return path


def test_small_reads_copy_and_large_ones_are_views(large: Path) -> None:
    with MappedFile(large) as file:
        assert file.size == 2 * COPIED_BYTES
        assert file.read(3, 4) == b"\3\4\5\6"
        assert file.read_many([(255, 2), (0, 0)]) == [b"\xff\0", b""]
        whole = file.read(0, file.size)
        assert isinstance(whole, memoryview)
        assert whole == large.read_bytes()


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, -1), (2**17, 1), (0, 2**17 + 1)])
def test_a_read_outside_the_file_is_refused(large: Path, start: int, length: int) -> None:
    with (
        MappedFile(large) as file,
        pytest.raises(InvalidTable, match=f"were requested, but it has {2**17}; train and publish"),
    ):
        file.read(start, length)


def test_a_closed_file_is_released_after_its_last_view(large: Path) -> None:
    file = MappedFile(large)
    view = file.read(0, file.size)
    assert descriptors_of(large) > 0
    file.close()
    with pytest.raises(ValueError, match="large is closed: open it again"):
        file.read(0, 1)
    assert view[:3] == b"\0\1\2"
    del view
    assert descriptors_of(large) == 0


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MappedFile(tmp_path / "none")


def descriptors_of(path: Path) -> int:
    """How many of this process's descriptors are open on ``path``."""
    count = 0
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the descriptor of the listing is closed by now
            count += os.path.samestat(os.fstat(number), path.stat())
    return count


def test_a_user_in_s3_costs_two_round_trips(
    s3_url: str, tmp_path: Path, toy: Callable[..., Any], as_dict: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    users = toy(2000, 20)
    spec = write_keyed(tmp_path / "users.safetensors", *users)
    path = tmp_path / spec.file
    store = open_store(s3_url)
    store.upload(spec.file, path)
    with caplog.at_level(logging.INFO, logger="werkzeug"):

        def requests() -> int:
            """The number of GET requests that moto's server has logged since the last call."""
            count = sum("GET" in record.getMessage() for record in caplog.records)
            caplog.clear()
            return count

        reader = StoreReader(store, spec.file, path.stat().st_size)
        table = KeyedTable.open(reader, spec)
        assert (reader.round_trips, requests()) == (1, 1)
        for user, row in list(as_dict(users).items())[:10]:
            reader.round_trips = 0
            assert table.lookup(user) == row
            assert (reader.round_trips, requests()) == (2, 2)
            assert table.lookup(user) == row
            assert (reader.round_trips, requests()) == (2, 0)
        reader.round_trips = 0
        assert table.lookup("unknown") is None
        assert (reader.round_trips, requests()) == (1, 1)


def test_many_rows_in_s3_cost_one_round_trip(s3_url: str, tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_dense(tmp_path / "neighbours.safetensors", *toy(5000, 20)[1:])
    path = tmp_path / spec.file
    store = open_store(s3_url)
    store.upload(spec.file, path)
    reader = StoreReader(store, spec.file, path.stat().st_size)
    table = DenseTable.open(reader, spec)
    with MappedFile(path) as local:
        expected = DenseTable.open(local, spec).rows([4999, 0, 2500])
    reader.round_trips = 0
    assert table.rows([4999, 0, 2500]) == expected
    assert reader.round_trips == 1


def test_a_truncated_object_is_refused(tmp_path: Path, toy: Callable[..., Any]) -> None:
    spec = write_keyed(tmp_path / "users.safetensors", *toy(300))
    data = (tmp_path / spec.file).read_bytes()
    store = open_store("memory://")
    store.put("users", data[:-1])
    with pytest.raises(InvalidTable, match="it is truncated"):
        KeyedTable.open(StoreReader(store, "users"), spec)


def test_reading_needs_only_the_standard_library() -> None:
    # -S: no site-packages, so an import of numpy or safetensors would fail.
    code = "import sys; sys.path.insert(0, sys.argv[1]); import larder.tables.vocabulary; print(*sys.modules)"
    folder = str(Path(larder.__file__).parent.parent)
    run = subprocess.run(  # noqa: S603 - this interpreter, with the code above
        [sys.executable, "-I", "-S", "-c", code, folder], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert loaded <= {*sys.stdlib_module_names, "larder", "__main__"}
    assert {"larder", "mmap"} <= loaded
    assert "asyncio" not in loaded
