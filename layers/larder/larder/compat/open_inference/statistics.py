"""How often the models of this process answered, and how long they took: Triton's statistics extension."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True)
class _Counts:
    """Of one release: requests, their rows and their time in nanoseconds."""

    succeeded: int = 0
    failed: int = 0
    rows: int = 0
    succeeded_ns: int = 0
    failed_ns: int = 0
    last_ms: int = 0


class Statistics:
    """Counters of this process, by model and release. Thread-safe.

    Each process of a function has its own, so they show what one worker did, not a model's whole traffic.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], _Counts] = {}

    def add(self, model: str, release: str, nanoseconds: int, rows: int) -> None:
        """Count an inference; one of no rows failed."""
        with self._lock:
            counts = self._counts.setdefault((model, release), _Counts())
            if rows:
                counts.succeeded += 1
                counts.succeeded_ns += nanoseconds
                counts.rows += rows
                counts.last_ms = time.time_ns() // 1_000_000
            else:
                counts.failed += 1
                counts.failed_ns += nanoseconds

    def document(self, models: Sequence[tuple[str, str]]) -> Mapping[str, object]:
        """The statistics of these models and releases."""
        with self._lock:
            return {"model_stats": [self._entry(model, release) for model, release in models]}

    def _entry(self, model: str, release: str) -> Mapping[str, object]:
        counts = self._counts.get((model, release), _Counts())
        computed = {"count": counts.succeeded, "ns": counts.succeeded_ns}
        nothing = {"count": counts.succeeded, "ns": 0}
        return {
            "name": model,
            "version": release,
            "last_inference": counts.last_ms,
            "inference_count": counts.rows,
            "execution_count": counts.succeeded,
            "inference_stats": {
                "success": computed,
                "fail": {"count": counts.failed, "ns": counts.failed_ns},
                "queue": nothing,
                "compute_input": nothing,
                "compute_infer": computed,
                "compute_output": nothing,
            },
            "batch_stats": [],
        }
