"""One look at a canary: read what is new in the log, add it up, and say what follows.

It reads the pointer, the history, the policy, the manifests and ``logs/<model>/attribution``, and writes
``canary.json`` next to the canary's manifest, by compare-and-swap. So each line of the log counts once, also if a look
is interrupted, repeated, or made twice at the same time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from larder.errors import Conflict, MissingObject
from larder.registry import Registry
from larder.registry.canaries import canary_since
from larder.registry.policy import RolloutPolicy, read_policy
from larder.release.keys import CANARY
from larder.release.manifest import Kind
from larder.release.pointer import Arm, Pointer
from larder.release.serving import ClassifierServing
from larder.rollout.canary.click_through import click_through
from larder.rollout.canary.document import CanaryRecord, parse_canary, parse_time
from larder.rollout.canary.log_source import LogSource
from larder.rollout.canary.metrics import MetricComparison, Verdict, compare_arms, decide

SECONDS: Final = 240.0
"""How long a look reads the log. What is left is read by the next one."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a canary found.

    Attributes:
        model: The model's name.
        release: The canary.
        live: The release that it is compared with.
        verdict: ``promote`` or ``reject``; or ``wait`` for more requests, and look again.
        sentence: Why.
        metrics: The metrics; empty if the canary was rejected before.
        hours: How many hours it has answered callers.
        requests: How many requests of the canary and of the live release count.
    """

    model: str
    release: str
    live: str
    verdict: Verdict
    sentence: str
    metrics: tuple[MetricComparison, ...]
    hours: float
    requests: tuple[int, int]


def look(
    registry: Registry,
    model: str,
    source: LogSource,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    seconds: float = SECONDS,
) -> Look | None:
    """Look at the canary of ``model``; None if it has none.

    The verdict changes nothing: ``larder.rollout.canary.ending`` carries it out.

    Args:
        registry: The registry.
        model: The model.
        source: The log of the functions that answer.
        clock: The time in UTC.
        seconds: How long to read the log.

    Raises:
        StoreError: the store or the log failed; try again.
        InvalidManifest: the pointer cannot be read.
    """
    version = registry.pointer(model)
    if version is None or version.pointer.canary is None:
        return None
    pointer, release = version.pointer, version.pointer.canary
    record, etag = _record(registry, model, pointer, release, clock())
    rejection = registry.rejection(model, release)  # of a rollout that died before it ended the canary
    if rejection is not None:
        hours = _hours(record, clock())
        return Look(model, release, pointer.stable, "reject", rejection.reason, (), hours, _requests(record))
    policy, _ = read_policy(registry.store, model)
    _read(record, source, model, {"canary": release, "stable": pointer.stable}, seconds)
    found = _judge(registry, model, release, record, policy, clock())
    try:
        key = registry.file_key(model, release, CANARY)
        registry.store.put(key, record.dump(), etag=etag, create=etag is None)
    except Conflict:  # another look was faster, and has counted the same lines
        return look(registry, model, source, clock=clock, seconds=seconds)
    return found


def _record(
    registry: Registry, model: str, pointer: Pointer, release: str, now: datetime
) -> tuple[CanaryRecord, str | None]:
    """The record of this canary, or a new one, and the ETag of the document."""
    since = canary_since(registry, model, pointer)
    key = registry.file_key(model, release, CANARY)
    etag = None
    try:
        blob = registry.store.get(key)
    except MissingObject:
        pass
    else:
        etag, stored = blob.etag, parse_canary(blob.data, key)
        if stored.live == pointer.stable and since in (None, stored.started):
            return stored, etag
    kind, labels = _kind_and_labels(registry, model, release, pointer.stable)
    return CanaryRecord(pointer.stable, kind, labels, since or f"{now:%Y-%m-%dT%H:%M:%SZ}"), etag


def _kind_and_labels(registry: Registry, model: str, release: str, live: str) -> tuple[Kind, int]:
    """The kind of the model, and how many labels both releases know, 0 if they know different ones."""
    manifest, other = registry.manifest(model, release), registry.readable_manifest(model, live)
    if not isinstance(manifest.serving, ClassifierServing):
        return manifest.kind, 0
    labels = frozenset(manifest.serving.labels)
    same = other is not None and isinstance(other.serving, ClassifierServing) and labels == set(other.serving.labels)
    return manifest.kind, len(labels) if same else 0


def _read(record: CanaryRecord, source: LogSource, model: str, releases: Mapping[Arm, str], seconds: float) -> None:
    """Add what is new in the log to the record."""
    since, limit = parse_time(record.started), time.monotonic() + seconds
    for page in source.pages(record.read_until, since):
        record.tally.add(page.lines, model, releases, since)
        record.tally.expire(page.until)
        record.read_until = page.read_until
        if time.monotonic() > limit:
            break


def _judge(
    registry: Registry, model: str, release: str, record: CanaryRecord, policy: RolloutPolicy, now: datetime
) -> Look:
    """Compare both releases, and note it in the record."""
    since = parse_time(record.started)
    releases: Mapping[Arm, str] = {"canary": release, "stable": record.live}
    clicks = click_through(registry.store, model, releases, since, now) if record.kind == "recommender" else {}
    metrics = compare_arms(record.tally.arms, record.kind, policy, labels=record.labels, clicks=clicks)
    hours = _hours(record, now)
    verdict, sentence = verdict_of(metrics, policy, hours)
    record.note(now, metrics, verdict, sentence, policy.canary_hours)
    return Look(model, release, record.live, verdict, sentence, metrics, hours, _requests(record))


def verdict_of(metrics: tuple[MetricComparison, ...], policy: RolloutPolicy, hours: float) -> tuple[Verdict, str]:
    """What follows from the metrics after so many hours, and why."""
    verdict = decide(metrics)
    if verdict == "reject":
        worse = " ".join(entry.sentence() for entry in metrics if entry.verdict == "reject")
        return verdict, f"As the canary it was worse than the live release. {worse}"
    if verdict == "promote":
        return verdict, f"As the canary it was not worse than the live release. {_sentences(metrics)}"
    if hours < policy.canary_hours:
        return verdict, f"The requests do not suffice yet after {hours:.1f} hours. {_sentences(metrics)}"
    after = f"After {hours:.1f} hours it was neither surely worse than the live release nor surely not."
    beyond = [entry.sentence() for entry in metrics if entry.beyond]
    if policy.undecided == "reject":
        return "reject", f"{after} The policy rejects such a canary. {_sentences(metrics)}"
    if beyond:
        return "reject", f"{after} What was measured is beyond the margin. {' '.join(beyond)}"
    return "promote", f"{after} The policy promotes such a canary. {_sentences(metrics)}"


def _sentences(metrics: tuple[MetricComparison, ...]) -> str:
    return " ".join(entry.sentence() for entry in metrics)


def _hours(record: CanaryRecord, now: datetime) -> float:
    return max(0.0, (now - parse_time(record.started)).total_seconds() / 3600)


def _requests(record: CanaryRecord) -> tuple[int, int]:
    return record.tally.arms["canary"].errors.count, record.tally.arms["stable"].errors.count
