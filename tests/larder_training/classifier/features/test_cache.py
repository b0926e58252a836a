import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from larder.release.serving import ImageSpec
from larder_training.classifier.features import shards as shards_module
from larder_training.classifier.features.cache import FeatureCache, cache_key, describe_source
from larder_training.numerics.arrays import Floats

WIDTH = 6
ABOUT = {"graph": "g"}


def row(number: int) -> Floats:
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def keep(cache: FeatureCache, numbers: range, about: dict[str, str] = ABOUT) -> None:
    with cache.rows(about, WIDTH) as rows:
        rows.append([cache_key(str(n)) for n in numbers], [row(n) for n in numbers])


def found(cache: FeatureCache, numbers: range, about: dict[str, str] = ABOUT) -> list[bool]:
    """Which rows are there; each that is must be the right one."""
    with cache.rows(about, WIDTH) as rows:
        read = rows.read([cache_key(str(n)) for n in numbers])
    for number, got in zip(numbers, read, strict=True):
        if got is not None:
            np.testing.assert_array_equal(got, row(number))
    return [got is not None for got in read]


def shards(cache: FeatureCache, suffix: str = "keys") -> list[Path]:
    return sorted(cache.folder.glob(f"*/*.{suffix}"))


def test_rows_come_back_under_their_origin_alone(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features")
    assert found(cache, range(3)) == [False] * 3
    keep(cache, range(100))
    assert found(cache, range(103)) == [True] * 100 + [False] * 3
    assert not any(found(cache, range(100), {"graph": "another"}))


def test_a_later_writer_goes_on_in_the_same_shard(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    for start in range(0, 30, 10):
        keep(cache, range(start, start + 10))
    assert all(found(cache, range(30)))
    assert len(shards(cache)) == 1


@pytest.mark.parametrize("cut", [1, 4 * WIDTH - 1, 4 * WIDTH + 1])
@pytest.mark.parametrize("suffix", ["rows", "keys"])
def test_a_torn_tail_is_ignored_then_cut(tmp_path: Path, suffix: str, cut: int) -> None:
    cache = FeatureCache(tmp_path)
    keep(cache, range(10))
    (torn,) = shards(cache, suffix)
    os.truncate(torn, torn.stat().st_size - cut)
    left = sum(found(cache, range(10)))
    assert 7 <= left < 10
    keep(cache, range(left, 20))
    assert all(found(cache, range(20)))
    (rows,), (keys,) = shards(cache, "rows"), shards(cache)
    assert rows.stat().st_size == 20 * 4 * WIDTH
    assert keys.stat().st_size == 20 * 20


def test_a_damaged_row_is_no_row(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    keep(cache, range(10))
    (rows,) = shards(cache, "rows")
    data = bytearray(rows.read_bytes())
    data[3 * 4 * WIDTH] ^= 1
    rows.write_bytes(data)
    assert [n for n, there in enumerate(found(cache, range(10))) if not there] == [3]


def test_two_writers_at_once_keep_all(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    with cache.rows(ABOUT, WIDTH) as one, cache.rows(ABOUT, WIDTH) as other:
        for start in range(0, 40, 2):
            one.append([cache_key(str(start))], [row(start)])
            other.append([cache_key(str(start + 1))], [row(start + 1)])
    assert all(found(cache, range(40)))
    assert len(shards(cache)) == 2


def test_a_killed_process_leaves_what_it_had_computed(tmp_path: Path) -> None:
    program = f"""
        import itertools, sys, numpy as np
        from pathlib import Path
        from larder_training.classifier.features.cache import FeatureCache, cache_key
        with FeatureCache(Path(sys.argv[1])).rows({ABOUT!r}, {WIDTH}) as rows:
            for n in itertools.count():
                row = np.random.default_rng(n).normal(size={WIDTH}).astype(np.float32)
                rows.append([cache_key(str(n))], [row])
                if n == 50:
                    print("there", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own interpreter
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert all(found(FeatureCache(tmp_path), range(50)))
    keep(FeatureCache(tmp_path), range(51))  # and its lock is gone
    assert len(shards(FeatureCache(tmp_path))) == 1


def test_the_shards_used_last_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 10 * 4 * WIDTH)
    wide = FeatureCache(tmp_path)
    keep(wide, range(40))
    assert len(shards(wide)) == 4
    for age, path in enumerate(sorted(shards(wide), key=lambda path: path.stat().st_mtime_ns)):
        os.utime(path, (age, age))
    assert found(wide, range(1)) == [True]  # touches the shard of row 0, the oldest
    each = 10 * (4 * WIDTH + 20)
    FeatureCache(tmp_path, 2 * each).evict()
    there = found(wide, range(40))
    assert sum(there) == 20
    assert there[0]
    assert all(there[30:])


def test_one_run_keeps_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 10 * 4 * WIDTH)
    limit = 5 * 10 * (4 * WIDTH + 20)
    cache = FeatureCache(tmp_path, limit)
    keep(cache, range(200))
    assert 0 < sum(path.stat().st_size for path in tmp_path.glob("*/*s")) <= limit


def test_a_full_disk_ends_no_training(tmp_path: Path) -> None:
    with suppress(FileNotFoundError):
        cache = FeatureCache(tmp_path)
        with cache.rows(ABOUT, WIDTH) as rows:
            for path in tmp_path.iterdir():
                for file in path.iterdir():
                    file.unlink()
                path.rmdir()
            rows.append([cache_key("1")], [row(1)])  # its folder is gone
            assert not rows.writable


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = FeatureCache(tmp_path / "file" / "features")
    keep(cache, range(3))
    assert found(cache, range(3)) == [False] * 3


def test_an_origin_tells_graph_image_output_and_optimisation_apart() -> None:
    image = ImageSpec(32, 32)
    origins = [
        describe_source(b"graph", "features", image, optimised=True),
        describe_source(b"another", "features", image, optimised=True),
        describe_source(b"graph", "embedding", image, optimised=True),
        describe_source(b"graph", "features", ImageSpec(32, 32, crop=0.5), optimised=True),
        describe_source(b"graph", "features", image, optimised=False),
    ]
    assert len({str(one) for one in origins}) == 5
    assert set(origins[0]["versions"]) == {"onnxruntime", "numpy", "pillow", "pi-heif"}  # type: ignore[call-overload]  # a dict
