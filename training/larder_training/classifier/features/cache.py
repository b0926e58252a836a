"""Feature cache: rows of features on disk, looked up by what they were computed from.

The cache has one sub-folder per source (graph, image specification, package versions; ``describe_source``). It holds
shards, which processes share (``shards``). The key of a row is a SHA-256 over image and view.
"""

import json
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder.release.serving import ImageSpec
from larder_training.classifier.config.options import CACHE_BYTES, CACHE_FOLDER, ClassifierOptions
from larder_training.classifier.features.shards import KEY, KEY_BYTES, Shard, ShardWriter, open_shards
from larder_training.numerics.arrays import Floats

FORMAT: Final = 2  # increase when rows of the same source change: decoding, views or this layout

_PACKAGES: Final = ("onnxruntime", "numpy", "pi-heif", "pillow")


def describe_source(graph: bytes, output: str, image: ImageSpec, *, optimised: bool) -> dict[str, object]:
    """Everything except image and view that determines a row; processors differ in their rounding."""
    return {
        "format": FORMAT,
        "graph": sha256(graph).hexdigest(),
        "output": output,
        "optimised": optimised,
        "image": asdict(image),
        "versions": {name: version(name) for name in _PACKAGES},
        "processor": _processor(),
    }


def cache_key(*parts: str) -> bytes:
    """The key of a row, from the digest of the image and the parameters of the view."""
    return sha256("\n".join(parts).encode()).digest()[:KEY_BYTES]


@lru_cache(maxsize=1)
def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                return f"{platform.machine()} {sha256(line.encode()).hexdigest()[:16]}"
    return f"{platform.machine()} {platform.processor()}"


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """A cache of features on disk; the least recently used shards are evicted.

    If rows cannot be written (a full disk), they are not cached; a cache never stops a training.

    Attributes:
        folder: Folder of the cache.
        max_bytes: Maximum size.
    """

    folder: Path = CACHE_FOLDER
    max_bytes: int = CACHE_BYTES

    @contextmanager
    def rows(self, about: Mapping[str, object], width: int) -> Iterator["CachedFeatures"]:
        """Opens the rows ``[width]`` of one source; any number of threads may use them."""
        text = json.dumps({**about, "width": width}, sort_keys=True, indent=1)
        folder = self.folder / sha256(text.encode()).hexdigest()[:32]
        writable = _prepare(folder, text)
        opened = CachedFeatures(folder, width, writable, self.evict)
        try:
            yield opened
        finally:
            opened.close()
            self.evict()

    def evict(self) -> None:
        """Deletes the least recently used shards until the others fit."""
        shards = []
        for keys in self.folder.glob("*/*.keys"):
            with suppress(OSError):
                size = keys.stat().st_size + keys.with_suffix(".rows").stat().st_size
                shards.append((keys.stat().st_mtime_ns, size, keys))
        total = sum(size for _, size, _ in shards)
        for _, size, keys in sorted(shards):
            if total <= self.max_bytes:
                break
            total -= size
            for path in (keys, keys.with_suffix(".rows")):
                path.unlink(missing_ok=True)


def feature_cache(options: ClassifierOptions) -> FeatureCache | None:
    """The feature cache of the options, or None."""
    return None if options.cache is None else FeatureCache(options.cache, options.cache_bytes)


def _prepare(folder: Path, text: str) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        about = folder / "about.json"
        if not about.exists():
            about.write_text(text)
    except OSError:
        return False
    return True


@dataclass(slots=True)
class CachedFeatures:
    """The cached rows of one source at the time of opening; ``append`` writes to the disk only."""

    folder: Path
    width: int
    writable: bool
    make_room: Callable[[], None]
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _shards: list[Shard] = field(init=False)
    _keys: NDArray[np.bytes_] = field(init=False)
    _places: NDArray[np.int64] = field(init=False)  # shard * 2^32 + row, in the order of _keys
    _writer: ShardWriter | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._shards = list(open_shards(self.folder, 4 * self.width))
        keys = [shard.entries["key"] for shard in self._shards]
        places = [(number << 32) + np.arange(len(shard.entries)) for number, shard in enumerate(self._shards)]
        all_keys = np.concatenate([np.empty(0, KEY), *keys])
        order = np.argsort(all_keys, kind="stable")
        self._keys = all_keys[order]
        self._places = np.concatenate([np.empty(0, np.int64), *places])[order]

    def read(self, keys: Sequence[bytes]) -> list[Floats | None]:
        """The row of each key; None if it is missing or damaged."""
        if not len(self._keys):
            return [None] * len(keys)
        positions = np.searchsorted(self._keys, np.array(keys, KEY))
        return [self._at(int(position), wanted) for position, wanted in zip(positions, keys, strict=True)]

    def _at(self, position: int, wanted: bytes) -> Floats | None:
        # numpy removes trailing zeros of "S" values
        if position == len(self._keys) or self._keys[position].ljust(KEY_BYTES, b"\0") != wanted:
            return None
        number, row = divmod(int(self._places[position]), 2**32)
        data = self._shards[number].read(row)
        return None if data is None else np.frombuffer(data, np.float32)

    def append(self, keys: Iterable[bytes], rows: Iterable[Floats]) -> None:
        """Writes rows ``[width]`` to the disk, for those who open the source later."""
        with self._lock:
            if self.writable:
                self._append(keys, rows)

    def _append(self, keys: Iterable[bytes], rows: Iterable[Floats]) -> None:
        try:
            for key, row in zip(keys, rows, strict=True):
                if self._writer is None or self._writer.full:
                    self._end_writing()
                    self.make_room()
                    self._writer = ShardWriter.begin(self.folder, 4 * self.width)
                self._writer.write(key, np.ascontiguousarray(row, np.float32).tobytes())
        except OSError:
            self.writable = False

    def close(self) -> None:
        """Closes the shards, and marks those that were used."""
        self._end_writing()
        for shard in self._shards:
            shard.close()
        self._shards = []

    def _end_writing(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
