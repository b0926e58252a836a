"""What the watch of a canary has found: ``models/<model>/releases/<release>/canary.json``.

It has sums, which no line of the log is counted twice in, and what the newest look made of them. It has no id of a
user; ids of requests are in it for two minutes at most.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

from larder.errors import StoreError
from larder.release.manifest import Kind
from larder.release.pointer import Arm
from larder.rollout.canary.metrics import MetricComparison, Verdict
from larder.rollout.canary.tally import ARMS, ArmTally, Tally

FORMAT: Final = 1
POINTS: Final = 200
_NAMES: Final[Mapping[Arm, str]] = {"canary": "canary", "stable": "live"}  # as the API names the releases


@dataclass(slots=True)
class CanaryRecord:
    """The watch of one canary from its start to the newest look.

    Attributes:
        live: The release that it is compared with.
        kind: The kind of the model.
        labels: How many labels both releases know; 0 if they know different ones, or for a recommender.
        started: When it began to answer callers, UTC.
        looked: When the newest look was, UTC; None before the first one.
        read_until: Up to where the log has been read, as the LogSource says it; None before the first look.
        tally: The requests.
        metrics: The metrics at the newest look.
        verdict: What followed from them.
        sentence: The same for people.
        curve: The metrics over time, for a chart: at most POINTS looks.
    """

    live: str
    kind: Kind
    labels: int
    started: str
    looked: str | None = None
    read_until: str | None = None
    tally: Tally = field(default_factory=Tally)
    metrics: list[Mapping[str, object]] = field(default_factory=list)
    verdict: Verdict = "wait"
    sentence: str = ""
    curve: list[Mapping[str, object]] = field(default_factory=list)

    def note(
        self, at: datetime, comparisons: tuple[MetricComparison, ...], verdict: Verdict, sentence: str, hours: float
    ) -> None:
        """Note what a look found; ``hours`` is how long the canary is watched at most."""
        self.looked = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        self.verdict, self.sentence = verdict, sentence
        self.metrics = [_metric(entry) for entry in comparisons]
        point = {
            "at": self.looked,
            "requests": {_NAMES[arm]: self.tally.arms[arm].errors.count for arm in ARMS},
            "metrics": {
                entry.metric: [entry.interval.difference, entry.interval.low, entry.interval.high]
                for entry in comparisons
                if entry.interval is not None
            },
        }
        # A point until the newest is far enough from the one before it: so all are about equally far apart.
        apart = timedelta(hours=hours) / POINTS
        if (
            len(self.curve) > 1
            and parse_time(str(self.curve[-1]["at"])) - parse_time(str(self.curve[-2]["at"])) < apart
        ):
            self.curve.pop()
        self.curve = [*self.curve, point][-POINTS:]

    def dump(self) -> bytes:
        """The document."""
        document = {
            "format": FORMAT,
            "live": self.live,
            "kind": self.kind,
            "labels": self.labels,
            "started": self.started,
            "looked": self.looked,
            "read_until": self.read_until,
            "requests": {_NAMES[arm]: self.tally.arms[arm].document() for arm in ARMS},
            "unanswered": self.tally.unanswered,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "metrics": self.metrics,
            "curve": self.curve,
        }
        return (json.dumps(document, ensure_ascii=False) + "\n").encode()


def parse_canary(data: bytes, key: str) -> CanaryRecord:
    """Read the document; raises StoreError, which names ``key``, if it breaks the format."""
    try:
        document: Any = json.loads(data)
        if document["format"] != FORMAT:
            raise StoreError(f"{key} has another format than {FORMAT}: use a newer version of Larder.")
        arms: dict[Arm, ArmTally] = {arm: ArmTally.of(document["requests"][_NAMES[arm]]) for arm in ARMS}
        unanswered: dict[str, tuple[Arm, int]] = {
            str(request): (cast("Arm", arm), int(begun)) for request, (arm, begun) in document["unanswered"].items()
        }
        parse_time(document["started"])
        return CanaryRecord(
            live=str(document["live"]),
            kind=document["kind"],
            labels=int(document["labels"]),
            started=document["started"],
            looked=document["looked"],
            read_until=document["read_until"],
            tally=Tally(arms, unanswered),
            metrics=list(document["metrics"]),
            verdict=document["verdict"],
            sentence=str(document["sentence"]),
            curve=list(document["curve"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        remedy = "remove it, and the watch begins again"
        raise StoreError(f"{key} is not the record of a canary ({error!r:.100}): {remedy}.") from error


def parse_time(text: str) -> datetime:
    """A time as documents state it; raises ValueError."""
    return datetime.fromisoformat(text)


def _metric(entry: MetricComparison) -> Mapping[str, object]:
    interval = entry.interval
    return {
        "metric": entry.metric,
        "label": entry.label,
        "canary": entry.canary,
        "live": entry.stable,
        "requests": dict(zip(("canary", "live"), entry.requests, strict=True)),
        "difference": None if interval is None else interval.difference,
        "interval": None if interval is None else [interval.low, interval.high],
        "margin": entry.margin,
        "verdict": entry.verdict,
        "sentence": entry.sentence(),
    }
