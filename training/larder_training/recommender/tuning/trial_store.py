"""Keeps what an interrupted search has evaluated, so that the same command goes on where it stopped.

The folder of a search is named by a digest of the data, the options that the values depend on, and the versions. It has
``trials.jsonl``, a line per evaluated candidate, and the metric of each user as ``<candidate>.npy``. A search repeats
its decisions from these values without fitting anything, so that it ends as it would have without the interruption.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from larder_training.recommender.config.options import RecommenderOptions
from larder_training.release.writer import provenance

_TRIALS: Final = "trials.jsonl"
_KEPT_SEARCHES: Final = 8  # of other data or options; the oldest are removed
# Options that do not change the value of a candidate. Inputs count by their digests, as schemas do.
_IRRELEVANT: Final = frozenset(
    {"interactions", "items", "users", "model", "out", "minutes", "trials", "compare_with", "created", "cache"}
)


@dataclass(slots=True)
class TrialStore:
    """The values of the candidates that a search has evaluated.

    Attributes:
        folder: The folder of this search; None keeps nothing.
        seconds: The time of the search at which each candidate was evaluated, by its digest.
    """

    folder: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, options: RecommenderOptions, inputs: Mapping[str, object]) -> "TrialStore":
        """The store of a search with these options on these inputs, with what an interrupted one has left."""
        if options.cache is None:
            return cls()
        stated = {
            entry.name: getattr(options, entry.name) for entry in fields(options) if entry.name not in _IRRELEVANT
        }
        stated["schema"] = [sha256(path.read_bytes()).hexdigest() for path in options.schema_files]
        document = {"inputs": inputs, "options": stated, **provenance(options.seed)}
        folder = options.cache / sha256(json.dumps(document, sort_keys=True, default=_plain).encode()).hexdigest()[:16]
        _remove_old(options.cache, folder)
        return cls(folder, _read(folder))

    def values(
        self, candidate: str, compute: Callable[[], NDArray[np.float64]], elapsed: Callable[[], float]
    ) -> tuple[NDArray[np.float64], float]:
        """The metric of each user for a candidate, and the time of the search at which it was evaluated.

        Args:
            candidate: What determines the values, as text.
            compute: Evaluates the candidate, if its values are not kept.
            elapsed: The time of the search in seconds.
        """
        digest = sha256(candidate.encode()).hexdigest()[:32]
        if self.folder is None:
            return compute(), elapsed()
        path = self.folder / f"{digest}.npy"
        if digest in self.seconds:
            values: NDArray[np.float64] = np.load(path)
            return values, self.seconds[digest]
        values = compute()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, values)
        part.replace(path)
        self.seconds[digest] = elapsed()
        line = {"candidate": digest, "seconds": round(self.seconds[digest], 3), "users": len(values)}
        with (self.folder / _TRIALS).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        return values, self.seconds[digest]

    def remove(self) -> None:
        """Removes what is kept: the search has ended, and its release is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _read(folder: Path) -> dict[str, float]:
    """The candidates in ``trials.jsonl`` whose values are there; a line that was cut off is left out."""
    seconds = {}
    try:
        lines = (folder / _TRIALS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            entry = json.loads(line)
            digest, time = str(entry["candidate"]), float(entry["seconds"])
        except (ValueError, KeyError, TypeError):
            continue
        if (folder / f"{digest}.npy").is_file():
            seconds[digest] = time
    return seconds


def _remove_old(parent: Path, current: Path) -> None:
    others = [path for path in parent.glob("*") if path.is_dir() and path != current]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[: -_KEPT_SEARCHES or None]:
        shutil.rmtree(path, ignore_errors=True)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
