"""What the requests of a canary and of the live release add up to, line by line of the functions' log."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

from larder.release.pointer import Arm
from larder.rollout.canary.sequential_test import Aggregate

UNANSWERED: Final = timedelta(minutes=2)
"""A request without an answer after this time has failed: its function crashed or took too long. An HTTP API gives up
after 30 seconds."""
ARMS: Final[tuple[Arm, ...]] = ("canary", "stable")


@dataclass(slots=True)
class ArmTally:
    """The requests that one release answered. Sums of instances and of minutes add.

    Attributes:
        errors: 1 for each request that failed by Larder's fault (5xx, or no answer), 0 for each that was answered.
        latency: The natural logarithm of the milliseconds of each answered request.
        unknown: 1 for each image that was unlike the training images, 0 for each other that was classified.
        labels: How many images got each label as their first; the empty name counts those without any.
    """

    errors: Aggregate = field(default_factory=Aggregate)
    latency: Aggregate = field(default_factory=Aggregate)
    unknown: Aggregate = field(default_factory=Aggregate)
    labels: dict[str, int] = field(default_factory=dict)

    def fail(self) -> None:
        """Count a request that failed."""
        self.errors += Aggregate(1, 1.0, 1.0)

    def answer(self, milliseconds: float, unknown: object, label: object) -> None:
        """Count a request that was answered; ``unknown`` is a boolean if it classified an image."""
        self.errors += Aggregate(1)
        logarithm = math.log(max(milliseconds, 1e-3))
        self.latency += Aggregate(1, logarithm, logarithm * logarithm)
        if isinstance(unknown, bool):
            self.unknown += Aggregate(1, float(unknown), float(unknown))
            name = label if isinstance(label, str) else ""
            self.labels[name] = self.labels.get(name, 0) + 1

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        sums = {name: _sums(getattr(self, name)) for name in ("errors", "latency", "unknown")}
        return {**sums, "labels": dict(sorted(self.labels.items()))}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "ArmTally":
        """Of ``document``; raises ValueError, TypeError or KeyError for another one."""
        errors, latency, unknown = (_aggregate(document[name]) for name in ("errors", "latency", "unknown"))
        return cls(errors, latency, unknown, {str(name): int(count) for name, count in document["labels"].items()})


@dataclass(slots=True)
class Tally:
    """The requests of a canary and of the live release.

    Attributes:
        arms: Those of each release.
        unanswered: Requests whose answer has not been read yet, by their id: the release, and when it began to answer
            in milliseconds since 1970.
    """

    arms: dict[Arm, ArmTally] = field(default_factory=lambda: {arm: ArmTally() for arm in ARMS})
    unanswered: dict[str, tuple[Arm, int]] = field(default_factory=dict)

    def add(self, lines: Iterable[str], model: str, releases: Mapping[Arm, str], since: datetime) -> None:
        """Count the lines of the model's requests whose key chose one of the two releases; others are left out.

        The others never get the canary, so they may differ. Lines from before ``since`` are of an earlier canary.
        """
        begin = 1000 * since.timestamp()
        for line in lines:
            record = _record(line)
            arm = cast("Arm | None", record.get("arm"))
            if arm not in ARMS or record.get("model") != model or record.get("release") != releases[arm]:
                continue
            written = record.get("time")
            if not isinstance(written, int) or written >= begin:
                self._count(arm, record)

    def expire(self, until: datetime) -> None:
        """Count the requests as failed that began long before ``until``, up to which the log has been read."""
        limit = 1000 * (until - UNANSWERED).timestamp()
        for request in [request for request, (_, begun) in self.unanswered.items() if begun < limit]:
            arm, _ = self.unanswered.pop(request)
            self.arms[arm].fail()

    def _count(self, arm: Arm, record: Mapping[str, object]) -> None:
        request, status, milliseconds = (record.get(name) for name in ("request", "status", "ms"))
        if record.get("begun") is True:
            if isinstance(request, str) and isinstance(record.get("time"), int):
                self.unanswered[request] = arm, cast("int", record["time"])
            return
        if isinstance(request, str):
            self.unanswered.pop(request, None)
        if not isinstance(status, int) or not isinstance(milliseconds, int | float) or 400 <= status < 500:
            return  # 4xx is the caller's fault
        if status >= 500:
            self.arms[arm].fail()
        else:
            self.arms[arm].answer(milliseconds, record.get("unknown"), record.get("label"))


def _record(line: str) -> Mapping[str, object]:
    """The JSON object of a line; empty for another line."""
    start = line.find("{") if '"arm"' in line else -1
    try:
        record = json.loads(line[start:]) if start >= 0 else {}
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("arm"), str) else {}


def _sums(aggregate: Aggregate) -> list[float]:
    return [aggregate.count, aggregate.total, aggregate.squares]


def _aggregate(values: object) -> Aggregate:
    count, total, squares = cast("list[float]", values)
    return Aggregate(int(count), float(total), float(squares))
